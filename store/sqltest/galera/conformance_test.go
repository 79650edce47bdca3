package galera_test

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/sqlstore"
	"github.com/hookonce/hookonce/store/storetest"
)

// testContract runs the conformance suites against one node while the others are up.
func testContract(t *testing.T, c *cluster) {
	db := c.open(t, 1)
	events := newStore(t, db)
	t.Run("store", func(t *testing.T) {
		storetest.Run(t, func(*testing.T) lease.Store { return events })
	})
	t.Run("queue", func(t *testing.T) {
		storetest.RunQueue(t, func(*testing.T) storetest.QueueStore { return events })
	})
	t.Run("runner", func(t *testing.T) {
		storetest.RunRunner(t, func(t *testing.T, o storetest.RunnerOptions) idempotency.Runner[*sql.Tx] {
			s, err := sqlstore.New(db, sqlstore.MySQL, &sqlstore.Options{
				Wait:            time.Second,
				MaxAttempts:     o.MaxAttempts,
				AttemptInterval: o.AttemptInterval,
				Observe:         o.Observe,
			})
			if err != nil {
				t.Fatal(err)
			}
			return s
		})
	})
	t.Run("purge", func(t *testing.T) { testPurge(t, events, db) })
}

// testPurge deletes records, by two statements in a transaction.
func testPurge(t *testing.T, events *sqlstore.Store, db *sql.DB) {
	key := idempotency.Key{Scope: "test", ID: "old"}
	if err := events.RunTx(t.Context(), key, func(context.Context, *sql.Tx) error { return nil }); err != nil {
		t.Fatal(err)
	}
	mustExec(t, db, "UPDATE "+sqlstore.DefaultTable+" SET changed_at = 0, lease_until = 0 WHERE id = 'old'")
	if n, err := events.Purge(t.Context()); n != 1 || err != nil {
		t.Errorf("purged %d, error %v, want 1", n, err)
	}
}
