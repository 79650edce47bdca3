package sqlstore_test

import (
	"bytes"
	"database/sql"
	"errors"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/sqlstore"
)

func TestNew_Options(t *testing.T) {
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

// An endpoint compares the retention with the sender's retries.
func TestStore_Retention(t *testing.T) {
	t.Parallel()
	db := sql.OpenDB(versionOnly(""))
	t.Cleanup(func() { db.Close() })
	tests := map[string]struct {
		o    *sqlstore.Options
		want time.Duration
	}{
		"default":                {nil, idempotency.DefaultRetention},
		"as set":                 {&sqlstore.Options{Retention: 100 * time.Hour}, 100 * time.Hour},
		"short ones allowed":     {&sqlstore.Options{Retention: time.Hour, AllowShortRetention: true}, 0},
		"of payloads, no matter": {&sqlstore.Options{PayloadRetention: time.Hour}, idempotency.DefaultRetention},
	}
	for name, test := range tests {
		s, err := sqlstore.New(db, sqlstore.SQLite, test.o)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Retention(); got != test.want {
			t.Errorf("%s: got %v, want %v", name, got, test.want)
		}
	}
}

// Without any configuration, a failure is logged. Not parallel: the logger is global.
func TestStore_DefaultObserver(t *testing.T) {
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	db := sql.OpenDB(versionOnly(""))
	t.Cleanup(func() { db.Close() })
	s, err := sqlstore.New(db, sqlstore.SQLite, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = s.RunTx(t.Context(), idempotency.Key{Scope: "test", ID: "evt_1"}, nil)
	if !errors.Is(err, idempotency.ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
	for _, want := range []string{"level=ERROR", "store unavailable", "evt_1", errNothingElse.Error()} {
		if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, want) {
			t.Errorf("logged %q, want one line with %q", got, want)
		}
	}
}
