package sqltest_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// settings are what an application may have set for its connections, by database,
// as names and values in turn.
func settings(d sqlstore.Dialect) map[string][]string {
	switch {
	case d == sqlstore.MySQL:
		return map[string][]string{
			"found rows":           {"clientFoundRows", "true"},
			"times":                {"parseTime", "true", "loc", "Asia/Tokyo", "time_zone", "'+09:00'"},
			"interpolated":         {"interpolateParams", "true"},
			"interpolated, quoted": {"interpolateParams", "true", "sql_mode", "'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT'"},
			"several statements":   {"multiStatements", "true"},
			"lax":                  {"sql_mode", "''"},
			"safe updates":         {"sql_safe_updates", "1"},
			"strict":               {"sql_mode", "'TRADITIONAL,ONLY_FULL_GROUP_BY'"},
			"latin1":               {"charset", "latin1"},
			"collation":            {"collation", "utf8mb4_general_ci"},
			"read committed":       {"tx_isolation", "'READ-COMMITTED'"},
			"serializable":         {"tx_isolation", "'SERIALIZABLE'"},
			"snapshot isolation":   {"innodb_snapshot_isolation", "1"},
		}
	case d == sqlstore.PostgreSQL && postgresDriver() == "pgx":
		return map[string][]string{
			"time zone":       {"TimeZone", "Asia/Tokyo"},
			"repeatable read": {"default_transaction_isolation", "repeatable read"},
			"serializable":    {"default_transaction_isolation", "serializable"},
			"bytes escaped":   {"bytea_output", "escape"},
			"simple protocol": {"default_query_exec_mode", "simple_protocol"},
			"unprepared":      {"default_query_exec_mode", "exec"},
			"described":       {"default_query_exec_mode", "cache_describe"},
			"lock timeout":    {"lock_timeout", "500"},
			"German dates":    {"DateStyle", "German", "IntervalStyle", "iso_8601"},
		}
	case d == sqlstore.PostgreSQL:
		return map[string][]string{
			"time zone":         {"TimeZone", "Asia/Tokyo"},
			"serializable":      {"default_transaction_isolation", "serializable"},
			"binary parameters": {"binary_parameters", "yes"},
		}
	}
	return map[string][]string{
		"WAL, waiting":       {"busy_timeout", "5000"},
		"WAL, not waiting":   {"busy_timeout", "0"},
		"DELETE, waiting":    {"journal_mode", "DELETE", "busy_timeout", "5000"},
		"DELETE, immediate":  {"journal_mode", "DELETE", "busy_timeout", "0", "txlock", "immediate"},
		"TRUNCATE":           {"journal_mode", "TRUNCATE"},
		"immediate":          {"txlock", "immediate"},
		"exclusive":          {"txlock", "exclusive"},
		"foreign keys, full": {"foreign_keys", "1", "synchronous", "FULL"},
	}
}

func TestStore_ConnectionSettings(t *testing.T) {
	t.Parallel()
	with := func(d sqlstore.Dialect, open func(testing.TB, ...string) *sql.DB) func(*testing.T) {
		return func(t *testing.T) {
			t.Parallel()
			for name, pairs := range settings(d) {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					exercise(t, open(t, pairs...), d)
				})
			}
		}
	}
	t.Run("SQLite", with(sqlstore.SQLite, openSQLite))
	t.Run("PostgreSQL", with(sqlstore.PostgreSQL, openPostgreSQL))
	t.Run("MariaDB", with(sqlstore.MySQL, openMariaDB))
	if hasMySQL() {
		t.Run("MySQL", with(sqlstore.MySQL, func(t testing.TB, settings ...string) *sql.DB {
			switch settings[0] {
			case "tx_isolation":
				settings = []string{"transaction_isolation", settings[1]}
			case "innodb_snapshot_isolation":
				settings = nil // is MariaDB's alone
			}
			return openMySQL(t, settings...)
		}))
	}
}

// A pool of one connection works in every mode.
func TestStore_OneConnection(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		db.SetMaxOpenConns(1)
		exercise(t, db, d)
	})
}

// exercise takes a new store through all that it can do.
func exercise(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
	t.Helper()
	events := newEvents(t, db, d, &sqlstore.Options{MaxAttempts: 2, AttemptInterval: time.Nanosecond, KeepPayloads: true, Wait: 20 * time.Second})
	if err := events.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	exerciseTransactions(t, db, events)
	exerciseLeases(t, db, events)
	exerciseTogether(t, db, events)

	fill(t, db, d, "old", 1, 31*day)
	if n, err := events.Purge(t.Context()); n != 100 || err != nil {
		t.Errorf("purged %d, error %v, want 100", n, err)
	}
}

func exerciseTransactions(t *testing.T, db *sql.DB, events *sqlstore.Store) {
	t.Helper()
	want := &idempotency.Result{Status: 201, ContentType: `text/'"\\`, Body: []byte("\x00'\"\\\xff")}
	key := keyOf("'tx'\"\\\x00\xff")
	item := idempotency.Item{
		Key:         key,
		Fingerprint: idempotency.FingerprintOf(want.Body),
		Delivery:    &hmacverify.Delivery{Scheme: "s", Body: want.Body},
	}
	for _, wantErr := range []error{nil, idempotency.ErrDuplicate} {
		o := events.Run(t.Context(), item, func(ctx context.Context, tx *sql.Tx) (*idempotency.Result, error) {
			return want, effect(ctx, tx)
		})
		if diff := cmp.Diff(want, o.Result); diff != "" || !errors.Is(o.Err, wantErr) {
			t.Errorf("got error %v, want %v; result (-want +got):\n%s", o.Err, wantErr, diff)
		}
	}
	if p, err := events.Payload(t.Context(), key); string(p.Body) != string(want.Body) || err != nil {
		t.Errorf("payload %q, error %v", p.Body, err)
	}
	for range 2 {
		fails(t, events, "dead", errors.New("boom"))
	}
	for _, want := range []error{nil, sqlstore.ErrNotDead} {
		if err := events.Retry(t.Context(), keyOf("dead")); !errors.Is(err, want) {
			t.Errorf("retry: got %v, want %v", err, want)
		}
	}
	if got := failures(t, events, 1); len(got) != 1 || got[0].LastError != "boom" {
		t.Errorf("failures %v, want one", got)
	}
	fails(t, events, "dead", nil)
	checkCounts(t, db, 2, 1)
}

func exerciseLeases(t *testing.T, db *sql.DB, events *sqlstore.Store) {
	t.Helper()
	late := claim(t, events, "stolen", time.Millisecond)
	time.Sleep(5 * time.Millisecond)
	rec, won, err := events.Claim(t.Context(), late.Key, lease.Terms{Owner: lease.NewOwner(), Lease: time.Hour})
	if !won || err != nil || !rec.Stolen || rec.Token != 2 {
		t.Errorf("record %+v, won %v, error %v, want that it was stolen", rec, won, err)
	}
	c := lease.Claim{Key: late.Key, Owner: rec.Owner, Token: rec.Token}
	for _, write := range []func(lease.Claim) error{
		func(c lease.Claim) error { return events.Renew(t.Context(), c, 2*time.Hour) },
		func(c lease.Claim) error { return finish(t, db, events, c) },
	} {
		if err := write(late); !errors.Is(err, idempotency.ErrLeaseLost) {
			t.Errorf("late owner: got %v, want ErrLeaseLost", err)
		}
		if err := write(c); err != nil {
			t.Errorf("owner: %v", err)
		}
	}
	c = claim(t, events, "released", time.Hour)
	loser, won := stateOf(t, events, c.Key)
	if won || loser.LeaseLeft < 50*time.Minute || loser.LeaseLeft > time.Hour || loser.Owner != c.Owner {
		t.Errorf("the loser sees %+v, want an hour's lease of its owner", loser)
	}
	if err := events.Release(t.Context(), c, lease.Failure{Reason: "é"}); err != nil {
		t.Error(err)
	}
	if rec, won := stateOf(t, events, c.Key); !won || rec.LastError != "é" {
		t.Errorf("released record %+v, won %v", rec, won)
	}
	checkCounts(t, db, 4, 2)
}

func exerciseTogether(t *testing.T, db *sql.DB, events *sqlstore.Store) {
	t.Helper()
	for id := range strings.FieldsSeq("a b c d") {
		var g errgroup.Group
		for range 6 {
			g.Go(func() error {
				err := events.RunTx(t.Context(), keyOf(id), effect)
				if errors.Is(err, idempotency.ErrDuplicate) {
					return nil
				}
				return err
			})
		}
		if err := g.Wait(); err != nil {
			t.Error(err)
		}
	}
	checkCounts(t, db, 8, 6)
}

// Two application servers whose sessions have different time zones see the same
// lease (MY-12, D8).
func TestStore_SessionTimeZone(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		set := map[sqlstore.Dialect]string{sqlstore.PostgreSQL: "SET TIME ZONE ", sqlstore.MySQL: "SET time_zone = "}[d]
		if set == "" {
			return // has no sessions
		}
		db.SetMaxOpenConns(1)
		events := newEvents(t, db, d, nil)
		mustExec(t, db, set+"'+09:00'")
		claim(t, events, key.ID, time.Hour)
		for _, zone := range []string{"-05:00", "+00:00", "+13:00"} {
			mustExec(t, db, set+"'"+zone+"'")
			rec, won := stateOf(t, events, key)
			if won || rec.LeaseLeft > time.Hour || rec.LeaseLeft < 59*time.Minute {
				t.Errorf("at %s: won %v, lease of %v left, want an hour's", zone, won, rec.LeaseLeft)
			}
		}
	})
}
