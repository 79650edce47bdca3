package sqltest_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// Work that ignores the end of its context holds neither its connection, here the only
// one, nor SQLite's writer lock, and changes nothing when it returns.
func TestRunTx_WorkThatHangsHoldsNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) { hangs(t, db, d, 1) })
}

// Nor does it hold its share of a larger pool.
func TestRunTx_WorkThatHangsHoldsNoShare(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) { hangs(t, db, d, 2) })
}

func hangs(t *testing.T, db *sql.DB, d sqlstore.Dialect, pool int) {
	t.Helper()
	db.SetMaxOpenConns(pool)
	events := newEvents(t, db, d, nil)
	begun, release, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		ended <- events.RunTx(ctx, key, func(ctx context.Context, tx *sql.Tx) error {
			ctx = context.WithoutCancel(ctx)
			err := effect(ctx, tx)
			close(begun)
			<-release
			if lateErr := effect(ctx, tx); err == nil && lateErr == nil {
				t.Error("a statement of work that is late succeeds")
			}
			return nil
		})
	}()
	<-begun
	cancel()

	bounded, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	for _, id := range []string{"another", key.ID} {
		if err := events.RunTx(bounded, keyOf(id), effect); err != nil {
			t.Errorf("%s, while the work hangs: %v", id, err)
		}
	}
	close(release)
	if err := <-ended; !errors.Is(err, idempotency.ErrTimeout) {
		t.Errorf("the work that hung: got %v, want ErrTimeout", err)
	}
	checkCounts(t, db, 2, 2)
}
