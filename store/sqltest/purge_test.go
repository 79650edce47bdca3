package sqltest_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// Purge is as storetest looks for it: else its check of Purge would be skipped.
var _ interface {
	Purge(ctx context.Context) (n int, err error)
} = (*sqlstore.Store)(nil)

const day = 24 * time.Hour

// asBytes returns the expression that makes the keys' type of a text.
func asBytes(d sqlstore.Dialect, text string) string {
	switch d {
	case sqlstore.PostgreSQL:
		return "convert_to(" + text + ", 'UTF8')"
	case sqlstore.MySQL:
		return "CAST(" + text + " AS BINARY)"
	}
	return "CAST(" + text + " AS BLOB)"
}

// backdate makes all records older.
func backdate(t *testing.T, db *sql.DB, by time.Duration) {
	t.Helper()
	mustExec(t, db, fmt.Sprintf("UPDATE %s SET changed_at = changed_at - %d, lease_until = lease_until - %d",
		sqlstore.DefaultTable, by.Microseconds(), by.Microseconds()))
}

// fill inserts done records with the IDs 1000001 to 1000000+100n, changed that
// long ago.
func fill(t testing.TB, db *sql.DB, d sqlstore.Dialect, scope string, n int, age time.Duration) {
	t.Helper()
	text := "CAST(1000000 + a.i * 100 + b.i AS CHAR(7))"
	if d == sqlstore.SQLite {
		text = "CAST(1000000 + a.i * 100 + b.i AS TEXT)"
	}
	mustExec(t, db, fmt.Sprintf(`
INSERT INTO %s (scope, id, state, owner, token, attempts, lease_until, changed_at)
WITH RECURSIVE
    a(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM a WHERE i < %d),
    b(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM b WHERE i < 100)
SELECT %s, %s, 2, %s, 1, 1, 0, %d
FROM a, b`, sqlstore.DefaultTable, n-1, asBytes(d, "'"+scope+"'"), asBytes(d, text), asBytes(d, "''"),
		time.Now().Add(-age).UnixMicro()))
}

func TestPurge_LiveClaims(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, &sqlstore.Options{RecordFailures: true})
		run := func(id string, err error) {
			t.Helper()
			key := idempotency.Key{Scope: "test", ID: id}
			got := events.RunTx(t.Context(), key, func(context.Context, *sql.Tx) error { return err })
			if !errors.Is(got, err) {
				t.Fatalf("%s: %v", id, got)
			}
		}
		claim := func(id string, length time.Duration) {
			t.Helper()
			key := idempotency.Key{Scope: "test", ID: id}
			terms := lease.Terms{Owner: lease.NewOwner(), Lease: length}
			if _, won, err := events.Claim(t.Context(), key, terms); !won || err != nil {
				t.Fatalf("%s: won %v, %v", id, won, err)
			}
		}
		boom := errors.New("boom")
		run("done", nil)
		run("released", boom)
		run("dead", idempotency.Permanent(boom))
		claim("lapsed", time.Millisecond)
		claim("live", 40*day)
		backdate(t, db, 31*day)
		run("fresh", nil)
		run("fresh failure", boom)
		backdate(t, db, time.Hour)
		if n, err := events.Purge(t.Context()); n != 4 || err != nil {
			t.Errorf("purged %d, error %v, want 4", n, err)
		}
		if diff := cmp.Diff([]string{"fresh", "fresh failure", "live"}, ids(t, db)); diff != "" {
			t.Errorf("left (-want +got):\n%s", diff)
		}
	})
}

func TestPurge_PartitionedTable(t *testing.T) {
	t.Parallel()
	db := openPostgreSQL(t)
	o := &sqlstore.Options{KeepPayloads: true}
	for _, statement := range schemaOf(t, sqlstore.PostgreSQL, o) {
		if strings.Contains(statement, "PRIMARY KEY (scope, id)") && !strings.Contains(statement, "_inbox (") {
			statement += " PARTITION BY HASH (scope, id)"
		}
		mustExec(t, db, statement)
	}
	for _, table := range []string{sqlstore.DefaultTable, sqlstore.DefaultTable + "_payloads"} {
		for i := range 4 {
			mustExec(t, db, fmt.Sprintf("CREATE TABLE %s_%d PARTITION OF %[1]s FOR VALUES WITH (MODULUS 4, REMAINDER %[2]d)", table, i))
		}
	}
	events := newStore(t, db, sqlstore.PostgreSQL, o)
	if err := events.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	fill(t, db, sqlstore.PostgreSQL, "old", 4, 31*day)
	fill(t, db, sqlstore.PostgreSQL, "young", 4, 29*day)
	fillPayloads(t, db)
	checkPurge(t.Context(), t, db, events, 400, 400, 400)
}

// ids returns the IDs of all records in order.
func ids(t *testing.T, db *sql.DB) []string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "SELECT id FROM idempotency_records")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var ids []string
	for rows.Next() {
		var id []byte
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, string(id))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(ids)
	return ids
}

func TestPurge_ManyBatches(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		var observed []idempotency.Event
		events := newEvents(t, db, d, &sqlstore.Options{
			Retention: 4 * day,
			Observe:   func(_ context.Context, e idempotency.Event) { observed = append(observed, e) },
		})
		fill(t, db, d, "a", 25, 5*day)
		fill(t, db, d, "b", 12, 3*day)
		fill(t, db, d, "c", 12, 5*day)
		if n, err := events.Purge(t.Context()); n != 3700 || err != nil {
			t.Errorf("purged %d, error %v, want 3700", n, err)
		}
		if got := count(t, db, sqlstore.DefaultTable); got != 1200 {
			t.Errorf("%d records are left, want 1200", got)
		}
		if len(observed) != 1 || observed[0].Kind != idempotency.KindPurged || observed[0].Count != 3700 {
			t.Errorf("observed %+v, want that 3700 were purged", observed)
		}
	})
}

// A batch of a purge may end in another scope than it begins in, and hold many.
func TestPurge_ManyScopes(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, &sqlstore.Options{KeepPayloads: true})
		fill(t, db, d, "a", 4, 31*day)
		fill(t, db, d, "b", 1, 29*day)
		fill(t, db, d, "c", 3, 31*day)
		scope := "concat('s/', i)"
		if d == sqlstore.SQLite {
			scope = "'s/' || i"
		}
		mustExec(t, db, fmt.Sprintf(`
INSERT INTO %s (scope, id, state, owner, token, attempts, lease_until, changed_at)
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 700)
SELECT %s, %s, 2, %s, 1, 1, 0, %d + (i %% 2) * %d
FROM n`, sqlstore.DefaultTable, asBytes(d, scope), asBytes(d, "'1'"), asBytes(d, "''"),
			time.Now().Add(-31*day).UnixMicro(), (2*day).Microseconds()))
		fillPayloads(t, db)
		checkPurge(t.Context(), t, db, events, 400+300+350, 100+350, 100+350)
	})
}

func TestPurge_ExtremeKeys(t *testing.T) {
	t.Parallel()
	longest := strings.Repeat("\xff", idempotency.MaxKeyBytes)
	keys := []idempotency.Key{
		{Scope: "\x00", ID: "\x00"}, {Scope: "\xff", ID: "\xff"},
		{Scope: "\xff\xff", ID: "a"}, {Scope: longest, ID: longest},
	}
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, nil)
		for _, key := range keys {
			if err := events.RunTx(t.Context(), key, nothing); err != nil {
				t.Error(err)
			}
		}
		backdate(t, db, 31*day)
		if n, err := events.Purge(t.Context()); n != len(keys) || err != nil {
			t.Errorf("purged %d, error %v, want %d", n, err, len(keys))
		}
	})
}

func TestPurge_Concurrent(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, &sqlstore.Options{Wait: 20 * time.Second})
		fill(t, db, d, "a", 50, 31*day)
		var purged atomic.Int64
		var g errgroup.Group
		for range 4 {
			g.Go(func() error {
				n, err := events.Purge(t.Context())
				purged.Add(int64(n))
				return err
			})
		}
		if err := g.Wait(); err != nil {
			t.Error(err)
		}
		if got := purged.Load(); got != 5000 {
			t.Errorf("purged %d, want 5000", got)
		}
		checkCounts(t, db, 0, 0)
	})
}

// A purge passes over a locked row; the next one takes it.
func TestPurge_LockedRow(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		if d == sqlstore.SQLite {
			return // it has no locks of rows
		}
		events := newEvents(t, db, d, nil)
		fill(t, db, d, "a", 1, 31*day)
		err := inTx(t, db, nil, func(tx *sql.Tx) error {
			lockRow(t, tx, d, sqlstore.DefaultTable, idempotency.Key{Scope: "a", ID: "1000050"})
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			if n, err := events.Purge(ctx); n != 99 || err != nil {
				t.Errorf("purged %d, error %v, want 99", n, err)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		if n, err := events.Purge(t.Context()); n != 1 || err != nil {
			t.Errorf("then purged %d, error %v, want 1", n, err)
		}
	})
}

// While old records are purged, events between them and around them go through
// within a bound that a lock held for the length of a purge would break.
func TestPurge_BesideEvents(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		db.SetMaxOpenConns(8)
		events := newEvents(t, db, d, &sqlstore.Options{Wait: 10 * time.Second})
		fill(t, db, d, "test", 100, 31*day)
		purged := make(chan error, 1)
		go func() {
			n, err := events.Purge(t.Context())
			if err == nil && n != 10_000 {
				err = fmt.Errorf("purged %d, want 10000", n)
			}
			purged <- err
		}()
		var during int
		for i := 0; ; i++ {
			key := idempotency.Key{Scope: "test", ID: fmt.Sprintf("%d new", 1_000_000+i*97%10_000)}
			if err := events.RunTx(t.Context(), key, effect); err != nil {
				t.Errorf("event %d: %v", i, err)
			}
			select {
			case err := <-purged:
				if err != nil {
					t.Error(err)
				}
				checkCounts(t, db, i+1, i+1)
				if during < 3 {
					t.Errorf("%d events went through during the purge, want some", during)
				}
				return
			default:
				during++
			}
		}
	})
}
