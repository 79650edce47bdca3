package sqlstep_test

import (
	"database/sql"
	"strings"
	"testing"

	"github.com/hookonce/hookonce/sessionstep/sqlstep"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// What needs a database is tested in store/sqltest.

var dialects = []sqlstore.Dialect{sqlstore.PostgreSQL, sqlstore.MySQL, sqlstore.SQLite}

func TestNewChecksItsArguments(t *testing.T) {
	t.Parallel()
	db := new(sql.DB) // New must not touch it
	tests := map[string]struct {
		db     *sql.DB
		d      sqlstore.Dialect
		prefix string
		ok     bool
	}{
		"defaults":                   {db, sqlstore.PostgreSQL, "", true},
		"a prefix":                   {db, sqlstore.MySQL, "Kyc_2_", true},
		"a schema":                   {db, sqlstore.SQLite, "main.kyc_", true},
		"a prefix of 52 bytes":       {db, sqlstore.PostgreSQL, strings.Repeat("p", 52), true},
		"no database":                {nil, sqlstore.PostgreSQL, "", false},
		"no dialect":                 {db, "", "", false},
		"an unknown dialect":         {db, "oracle", "", false},
		"a prefix of 53 bytes":       {db, sqlstore.PostgreSQL, strings.Repeat("p", 53), false},
		"a prefix with a space":      {db, sqlstore.PostgreSQL, "a b", false},
		"a prefix with a quote":      {db, sqlstore.PostgreSQL, `a"; DROP TABLE x; --`, false},
		"a prefix with a line break": {db, sqlstore.PostgreSQL, "a\n", false},
		"a prefix with a digit":      {db, sqlstore.PostgreSQL, "1a", false},
		"a schema alone":             {db, sqlstore.PostgreSQL, "main.", false},
		"two dots":                   {db, sqlstore.PostgreSQL, "a.b.c", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := sqlstep.New(test.db, test.d, &sqlstep.Options{Prefix: test.prefix})
			if (err == nil) != test.ok || (s != nil) != test.ok {
				t.Errorf("got %v, error %v; want success %t", s, err, test.ok)
			}
		})
	}
}

func TestSchemaNamesEveryTable(t *testing.T) {
	t.Parallel()
	for _, d := range dialects {
		t.Run(string(d), func(t *testing.T) {
			t.Parallel()
			got, err := sqlstep.Schema(d, &sqlstep.Options{Prefix: "app.kyc_"})
			if err != nil {
				t.Fatal(err)
			}
			for _, table := range []string{"sessions", "steps", "submissions"} {
				if want := "CREATE TABLE IF NOT EXISTS app.kyc_" + table + " ("; strings.Count(got, want) != 1 {
					t.Errorf("no single %q in:\n%s", want, got)
				}
			}
			if strings.ContainsAny(got, "{}") {
				t.Errorf("a name is left to be filled in:\n%s", got)
			}
		})
	}
	if _, err := sqlstep.Schema("oracle", nil); err == nil {
		t.Error("an unknown dialect has a schema")
	}
}
