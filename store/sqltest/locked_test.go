package sqltest_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// lockTable locks the table as a migration does, until the test ends.
func lockTable(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
	t.Helper()
	c, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	statements := []string{"LOCK TABLES " + sqlstore.DefaultTable + " WRITE"}
	if d == sqlstore.PostgreSQL {
		statements = []string{"BEGIN", "LOCK TABLE " + sqlstore.DefaultTable + " IN ACCESS EXCLUSIVE MODE"}
	}
	for _, s := range statements {
		if _, err := c.ExecContext(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { // before the connection goes back
		end := "UNLOCK TABLES"
		if d == sqlstore.PostgreSQL {
			end = "ROLLBACK"
		}
		c.ExecContext(context.WithoutCancel(t.Context()), end)
	})
}

// A table that a migration has locked is no event in flight: the store is
// unavailable, in bounded time, in both modes, and whether or not the previous claim
// was a duplicate.
func TestStore_TableLocked(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		if d == sqlstore.SQLite {
			return // its writers lock the whole file
		}
		var kinds []idempotency.Kind
		events := newEvents(t, db, d, &sqlstore.Options{Wait: 500 * time.Millisecond, Observe: func(_ context.Context, e idempotency.Event) {
			kinds = append(kinds, e.Kind)
		}})
		if err := events.RunTx(t.Context(), keyOf("done"), effect); err != nil {
			t.Fatal(err)
		}
		lockTable(t, db, d)
		for _, way := range []struct {
			name string
			run  func(ctx context.Context) error
		}{
			{"transaction", func(ctx context.Context) error { return events.RunTx(ctx, keyOf("new"), effect) }},
			{"lease", func(ctx context.Context) error {
				return newLeases(t, events, nil).Do(ctx, keyOf("new"), leasedNothing)
			}},
			{"claim", func(ctx context.Context) error {
				_, _, err := events.Claim(ctx, keyOf("new"), lease.Terms{Owner: lease.NewOwner(), Lease: time.Minute})
				if err != nil {
					err = errors.Join(idempotency.ErrUnavailable, err) // as the runner says
				}
				return err
			}},
		} {
			kinds = nil
			start := time.Now()
			err := way.run(t.Context())
			if !errors.Is(err, idempotency.ErrUnavailable) || errors.Is(err, idempotency.ErrInFlight) {
				t.Errorf("%s: got %v, want ErrUnavailable", way.name, err)
			}
			if took := time.Since(start); took > 15*time.Second {
				t.Errorf("%s: it took %v", way.name, took)
			}
			if way.name != "claim" && (len(kinds) != 1 || kinds[0] != idempotency.KindUnavailable) {
				t.Errorf("%s: observed %v, want unavailable", way.name, kinds)
			}
		}
	})
}
