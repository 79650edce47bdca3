package sqlstore_test

import (
	"database/sql"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/sqlstore"
)

func TestNewRefusesWhatIsWrong(t *testing.T) {
	t.Parallel()
	db := sql.OpenDB(versionOnly(""))
	t.Cleanup(func() { db.Close() })
	tests := map[string]struct {
		db *sql.DB
		d  sqlstore.Dialect
		o  *sqlstore.Options
	}{
		"no database":         {nil, sqlstore.PostgreSQL, nil},
		"no dialect":          {db, "", nil},
		"unknown dialect":     {db, "oracle", nil},
		"quoted table":        {db, sqlstore.SQLite, &sqlstore.Options{Table: `"a"`}},
		"table and statement": {db, sqlstore.SQLite, &sqlstore.Options{Table: "a; DROP TABLE b"}},
		"two dots":            {db, sqlstore.SQLite, &sqlstore.Options{Table: "a.b.c"}},
		"trailing newline":    {db, sqlstore.SQLite, &sqlstore.Options{Table: "a\n"}},
		"long table":          {db, sqlstore.SQLite, &sqlstore.Options{Table: strings.Repeat("a", 49)}},
		"negative wait":       {db, sqlstore.SQLite, &sqlstore.Options{Wait: -1}},
		"endless wait":        {db, sqlstore.SQLite, &sqlstore.Options{Wait: math.MaxInt64}},
		"negative attempts":   {db, sqlstore.SQLite, &sqlstore.Options{MaxAttempts: -1}},
		"negative retention":  {db, sqlstore.SQLite, &sqlstore.Options{Retention: -1, AllowShortRetention: true}},
		"negative of payload": {db, sqlstore.SQLite, &sqlstore.Options{PayloadRetention: -1}},
		"short retention":     {db, sqlstore.SQLite, &sqlstore.Options{Retention: idempotency.MinRetention - 1}},
	}
	for name, test := range tests {
		if _, err := sqlstore.New(test.db, test.d, test.o); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
	for name, o := range map[string]*sqlstore.Options{
		"nil":             nil,
		"schema":          {Table: "app.webhook_events2"},
		"short retention": {Retention: time.Hour, AllowShortRetention: true},
		"shortest":        {Retention: idempotency.MinRetention},
		"short payloads":  {PayloadRetention: time.Hour},
	} {
		for _, d := range []sqlstore.Dialect{sqlstore.PostgreSQL, sqlstore.MySQL, sqlstore.SQLite} {
			if _, err := sqlstore.New(db, d, o); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
