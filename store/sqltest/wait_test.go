package sqltest_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// A duplicate of work that another transaction has in flight waits for a bounded
// time, and is then told to come again. SQLite cannot tell whose writer it is.
func TestAWaitForAnEventInFlightIsBounded(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, &sqlstore.Options{Wait: 200 * time.Millisecond})
		started, finish := make(chan struct{}), make(chan struct{})
		var g errgroup.Group
		g.Go(func() error {
			return events.RunTx(t.Context(), key, func(ctx context.Context, tx *sql.Tx) error {
				close(started)
				<-finish
				return effect(ctx, tx)
			})
		})
		<-started
		err := events.RunTx(t.Context(), key, effect)
		want := idempotency.ErrInFlight
		if d == sqlstore.SQLite {
			want = idempotency.ErrUnavailable
		}
		if !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
		close(finish)
		if err := g.Wait(); err != nil {
			t.Errorf("the run in flight: %v", err)
		}
		checkCounts(t, db, 1, 1)
	})
}

// The bound on the wait for the key is not a bound on the locks of the work.
func TestTheWorkRunsUnderItsOwnLockTimeout(t *testing.T) {
	t.Parallel()
	for _, want := range []string{"0", "7s"} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			db := openPostgreSQL(t, "lock_timeout", want)
			events := newEvents(t, db, sqlstore.PostgreSQL, nil)
			var got string
			err := events.RunTx(t.Context(), key, func(ctx context.Context, tx *sql.Tx) error {
				return tx.QueryRowContext(ctx, "SHOW lock_timeout").Scan(&got)
			})
			if err != nil || got != want {
				t.Errorf("lock_timeout %q, %v; want %q", got, err, want)
			}
		})
	}
}
