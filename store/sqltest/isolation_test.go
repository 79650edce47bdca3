package sqltest_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/sqlstore"
)

func TestRunTx_IsolationLevels(t *testing.T) {
	t.Parallel()
	for _, level := range []string{"read committed", "repeatable read", "serializable"} {
		t.Run(level, func(t *testing.T) {
			t.Parallel()
			db := openPostgreSQL(t, "default_transaction_isolation", level)
			db.SetMaxOpenConns(16)
			events := newEvents(t, db, sqlstore.PostgreSQL, &sqlstore.Options{Wait: 20 * time.Second})
			var won atomic.Int64
			var g errgroup.Group
			for range 32 {
				g.Go(func() error {
					err := events.RunTx(t.Context(), key, effect)
					if err == nil {
						won.Add(1)
					} else if !errors.Is(err, idempotency.ErrDuplicate) {
						return err
					}
					return nil
				})
			}
			if err := g.Wait(); err != nil {
				t.Errorf("a run failed: %v", err)
			}
			if got := won.Load(); got != 1 {
				t.Errorf("%d runs won, want 1", got)
			}
			checkCounts(t, db, 1, 1)
		})
	}
}

// Connections that read what is not committed must not have an event taken for
// done by the look at it without a transaction.
func TestStore_ReadUncommitted(t *testing.T) {
	t.Parallel()
	refused := func(t *testing.T, db *sql.DB, d sqlstore.Dialect, patience time.Duration) {
		o := &sqlstore.Options{Wait: 100 * time.Millisecond}
		events, otherProcess := newEvents(t, db, d, o), newStore(t, db, d, o)
		leases := newLeases(t, newStore(t, db, d, o), nil)
		for _, want := range []error{nil, idempotency.ErrDuplicate} { // so that they look
			if err := events.RunTx(t.Context(), keyOf("done"), effect); !errors.Is(err, want) {
				t.Fatalf("got %v, want %v", err, want)
			}
		}
		if err := leases.Do(t.Context(), keyOf("done"), leasedNothing); !errors.Is(err, idempotency.ErrDuplicate) {
			t.Fatal(err)
		}
		check := func(name string, run func(context.Context) error) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			err := run(ctx)
			if !errors.Is(err, idempotency.ErrInFlight) && !errors.Is(err, idempotency.ErrUnavailable) {
				t.Errorf("%s: got %v for an event in flight", name, err)
			}
			if d == sqlstore.MySQL && ctx.Err() != nil {
				t.Errorf("%s waited for %v", name, patience)
			}
		}
		boom := errors.New("boom")
		err := otherProcess.RunTx(t.Context(), key, func(context.Context, *sql.Tx) error {
			check("RunTx", func(ctx context.Context) error { return events.RunTx(ctx, key, effect) })
			check("lease", func(ctx context.Context) error { return leases.Do(ctx, key, leasedNothing) })
			return boom
		})
		if !errors.Is(err, boom) {
			t.Errorf("got %v, want the work's error", err)
		}
		checkCounts(t, db, 1, 1)
	}
	t.Run("MariaDB", func(t *testing.T) {
		t.Parallel()
		refused(t, openMariaDB(t, "tx_isolation", "'READ-UNCOMMITTED'"), sqlstore.MySQL, 20*time.Second)
	})
	if hasMySQL() {
		t.Run("MySQL", func(t *testing.T) {
			t.Parallel()
			refused(t, openMySQL(t, "transaction_isolation", "'READ-UNCOMMITTED'"), sqlstore.MySQL, 20*time.Second)
		})
	}
	if sqliteDriver() == "sqlite" { // the other driver has no such setting; a shared cache is waited for without a bound
		t.Run("SQLite", func(t *testing.T) {
			t.Parallel()
			dsn := sqliteDSN(filepath.Join(t.TempDir(), "test.db"), "read_uncommitted", "1") + "&cache=shared"
			refused(t, open(t, sqliteDriver(), dsn), sqlstore.SQLite, time.Second/2)
		})
	}
}
