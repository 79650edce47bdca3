package records_test

import (
	"reflect"
	"regexp"
	"testing"
	"time"

	"github.com/hookonce/hookonce/store/internal/records"
)

// Tracers and pg_stat_activity show which statement is which.
func TestStatements_PostgreSQLHaveNames(t *testing.T) {
	t.Parallel()
	table, err := records.NewTable("records", records.PostgreSQL, "events", time.Second)
	if err != nil {
		t.Fatal(err)
	}
	name := regexp.MustCompile(`^-- name: Hookonce[A-Z][A-Za-z]+ :(one|many|exec|execrows)\n[A-Z]`)
	for field, text := range reflect.ValueOf(*table.SQL()).Fields() {
		if text.String() == "" || field.Name == "BatchRow" { // a part of InsertBatch
			continue
		}
		if !name.MatchString(text.String()) {
			t.Errorf("%s has no name: %.60q", field.Name, text.String())
		}
	}
}
