package sqltest_test

import (
	"errors"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/sqlstore"
)

func TestEveryIsolationLevelWorks(t *testing.T) {
	t.Parallel()
	for _, level := range []string{"read committed", "repeatable read", "serializable"} {
		t.Run(level, func(t *testing.T) {
			t.Parallel()
			db := openPostgreSQL(t, "default_transaction_isolation", level)
			db.SetMaxOpenConns(16)
			events := newEvents(t, db, sqlstore.PostgreSQL, nil)
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
