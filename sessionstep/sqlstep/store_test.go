package sqlstep_test

import (
	"database/sql"
	"strings"
	"testing"

	"github.com/hookonce/hookonce/sessionstep/sqlstep"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// Tests that need a database are in store/sqltest.

func TestNew_ChecksItsArguments(t *testing.T) {
	t.Parallel()
	db := new(sql.DB) // New must not use it
	tests := map[string]struct {
		db     *sql.DB
		d      sqlstore.Dialect
		prefix string
		want   string // the way out, in the error
	}{
		"defaults":                   {db, sqlstore.PostgreSQL, "", ""},
		"a prefix":                   {db, sqlstore.MySQL, "Kyc_2_", ""},
		"a schema":                   {db, sqlstore.SQLite, "main.kyc_", ""},
		"a prefix of 52 bytes":       {db, sqlstore.PostgreSQL, strings.Repeat("p", 52), ""},
		"no database":                {nil, sqlstore.PostgreSQL, "", "pass what sql.Open returns"},
		"no dialect":                 {db, "", "", `use "postgresql", "mysql" or "sqlite"`},
		"an unknown dialect":         {db, "oracle", "", `use "postgresql", "mysql" or "sqlite"`},
		"a prefix of 53 bytes":       {db, sqlstore.PostgreSQL, strings.Repeat("p", 53), "use at most 52 letters"},
		"a prefix with a space":      {db, sqlstore.PostgreSQL, "a b", "use at most 52 letters"},
		"a prefix with a quote":      {db, sqlstore.PostgreSQL, `a"; DROP TABLE x; --`, "use at most 52 letters"},
		"a prefix with a line break": {db, sqlstore.PostgreSQL, "a\n", "use at most 52 letters"},
		"a prefix with a digit":      {db, sqlstore.PostgreSQL, "1a", "use at most 52 letters"},
		"a schema alone":             {db, sqlstore.PostgreSQL, "main.", "use at most 52 letters"},
		"two dots":                   {db, sqlstore.PostgreSQL, "a.b.c", "use at most 52 letters"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := sqlstep.New(test.db, test.d, &sqlstep.Options{Prefix: test.prefix})
			if test.want == "" {
				if s == nil || err != nil {
					t.Errorf("got %v, error %v", s, err)
				}
				return
			}
			if s != nil || err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, error %v, want one with %q", s, err, test.want)
			}
		})
	}
	if s, err := sqlstep.New(db, sqlstore.SQLite, nil); s == nil || err != nil {
		t.Errorf("nil Options: got %v, error %v", s, err)
	}
}
