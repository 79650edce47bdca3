package sqltest_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"testing"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/sqlstore"
)

var key = idempotency.Key{Scope: "test", ID: "evt_1"}

// siblings are keys of which each has its scope or its ID in common with others, so
// that a statement that asks for one of the two alone finds the wrong record.
var siblings = []idempotency.Key{
	{Scope: "a", ID: "1"}, {Scope: "a", ID: "2"}, {Scope: "b", ID: "1"}, {Scope: "b", ID: "2"},
}

// newEvents returns a store with its table, and a table of effects beside it.
func newEvents(t *testing.T, db *sql.DB, d sqlstore.Dialect, o *sqlstore.Options) *sqlstore.Store {
	t.Helper()
	events := newStore(t, db, d, o)
	if err := events.CreateTables(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustExec(t, db, "CREATE TABLE effects (name text NOT NULL)")
	return events
}

// quiet returns o with an observer that ignores everything, unless it has one: the
// tests provoke failures, which the default would log.
func quiet(o *sqlstore.Options) *sqlstore.Options {
	var c sqlstore.Options
	if o != nil {
		c = *o
	}
	if c.Observe == nil {
		c.Observe = func(context.Context, idempotency.Event) {}
	}
	return &c
}

func newLeases(t testing.TB, store lease.Store, o *lease.Options) *lease.Runner {
	t.Helper()
	leases, err := lease.New(store, o)
	if err != nil {
		t.Fatal(err)
	}
	return leases
}

// leasedNothing is work under a lease that has no effect.
func leasedNothing(context.Context, lease.Claim) error { return nil }

// deliveryOf returns a verified delivery whose body and media type end in id.
func deliveryOf(id string) *hmacverify.Delivery {
	return &hmacverify.Delivery{
		Scheme: "sender",
		Header: http.Header{"Content-Type": {"text/" + id}},
		Body:   []byte("body " + id),
	}
}

// runItem runs item with work that returns err.
func runItem(t *testing.T, events *sqlstore.Store, item idempotency.Item, err error) error {
	t.Helper()
	o := events.Run(t.Context(), item, func(context.Context, *sql.Tx) (*idempotency.Result, error) { return nil, err })
	return o.AsError()
}

func mustExec(t testing.TB, db *sql.DB, query string) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), query); err != nil {
		t.Fatal(err)
	}
}

func count(t testing.TB, db *sql.DB, table string) int {
	t.Helper()
	var n int
	if err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM "+table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// where returns the condition that a row is that of key.
func where(d sqlstore.Dialect, key idempotency.Key) string {
	return fmt.Sprintf(" WHERE scope = %s AND id = %s", asBytes(d, "'"+key.Scope+"'"), asBytes(d, "'"+key.ID+"'"))
}

// lockRow locks the row of key in tx.
func lockRow(t *testing.T, tx *sql.Tx, d sqlstore.Dialect, table string, key idempotency.Key) {
	t.Helper()
	query := "SELECT id FROM " + table + where(d, key) + " FOR UPDATE"
	if err := tx.QueryRowContext(t.Context(), query).Scan(new([]byte)); err != nil {
		t.Fatal(err)
	}
}

// effect is work that leaves one row.
func effect(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO effects (name) VALUES ('once')")
	return err
}

// withExpiry returns a context whose deadline has passed once expire is called, so that a
// test need not guess how long it takes to get where the deadline is to pass.
func withExpiry(ctx context.Context) (_ context.Context, expire func()) {
	done := make(chan struct{})
	return expiring{ctx, done}, func() { close(done) }
}

type expiring struct {
	context.Context // for its values
	done            chan struct{}
}

func (c expiring) Done() <-chan struct{} { return c.done }

func (c expiring) Err() error {
	select {
	case <-c.done:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

func checkCounts(t *testing.T, db *sql.DB, wantRecords, wantEffects int) {
	t.Helper()
	if got := count(t, db, sqlstore.DefaultTable); got != wantRecords {
		t.Errorf("%d records, want %d", got, wantRecords)
	}
	if got := count(t, db, "effects"); got != wantEffects {
		t.Errorf("%d effects, want %d", got, wantEffects)
	}
}
