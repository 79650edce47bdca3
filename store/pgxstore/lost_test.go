package pgxstore_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/pgxstore"
)

// PG-24: what a connection that is gone leaves is nothing, whatever the work makes
// of it, and that is no failed attempt at the event.
func TestRunTx_ConnectionLostInWork(t *testing.T) {
	t.Parallel()
	pool := openPool(t)
	events := newEvents(t, pool, &pgxstore.Options{MaxAttempts: 1})
	for name, then := range map[string]func(error) error{
		"the work reports it":         func(err error) error { return err },
		"the work wraps it":           func(err error) error { return fmt.Errorf("balance: %w", err) },
		"the work reports its own":    func(error) error { return errors.New("no balance") },
		"the work says for good":      idempotency.Permanent,
		"the work swallows it":        func(error) error { return nil },
		"the work does not notice it": nil,
	} {
		t.Run(name, func(t *testing.T) {
			err := events.RunTx(t.Context(), key, func(ctx context.Context, tx pgx.Tx) error {
				if err := effect(ctx, tx); err != nil {
					t.Error(err)
				}
				mustExec(t, pool, fmt.Sprintf("SELECT pg_terminate_backend(%d, 20000)", tx.Conn().PgConn().PID()))
				if then == nil {
					return nil
				}
				err := effect(ctx, tx)
				if err == nil {
					t.Error("the connection is still there")
				}
				return then(err)
			})
			if !errors.Is(err, idempotency.ErrUnavailable) {
				t.Errorf("got %v, want ErrUnavailable", err)
			}
			checkCounts(t, pool, 0, 0)
		})
	}
	if err := events.RunTx(t.Context(), key, effect); err != nil {
		t.Errorf("next delivery: %v", err)
	}
	checkCounts(t, pool, 1, 1)
}

// A statement that ends its own connection does so each time.
func TestRunBatch_ConnectionLostInWork(t *testing.T) {
	t.Parallel()
	pool := openPool(t)
	events := newEvents(t, pool, &pgxstore.Options{MaxAttempts: 1})
	err := events.RunBatch(t.Context(), key, batchOf("SELECT pg_terminate_backend(pg_backend_pid())", "SELECT 1"))
	if !errors.Is(err, idempotency.ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
	checkCounts(t, pool, 0, 0)
	if err := events.RunBatch(t.Context(), key, batchOf()); err != nil {
		t.Errorf("next delivery: %v", err)
	}
	checkCounts(t, pool, 1, 1)
}

// A batch that was lost on its way is sent again. One whose answer was lost is not.
func TestRunBatch_ConnectionLost(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]int32{"before it was sent": loseRequest, "before the answer": loseAnswer} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := configFor(t)
			config.MaxConns = 1
			p := throughProxy(config, 0)
			pool := connect(t, config)
			var kinds []idempotency.Kind
			events := newEvents(t, pool, &pgxstore.Options{MaxAttempts: 1, Wait: 20 * time.Second, Observe: func(_ context.Context, e idempotency.Event) {
				if e.Attempt != 1 {
					t.Errorf("%s at attempt %d, want 1", e.Kind, e.Attempt)
				}
				kinds = append(kinds, e.Kind)
			}})
			if err := events.RunBatch(t.Context(), keyOf("prepares the statements"), batchOf()); err != nil {
				t.Fatal(err)
			}
			p.lose.Store(lose)
			if err := events.RunBatch(t.Context(), key, batchOf()); err != nil {
				t.Errorf("got %v, want success", err)
			}
			if got := p.lose.Load(); got != 0 {
				t.Error("no connection was lost")
			}
			if want := []idempotency.Kind{"claimed", "completed", "claimed", "completed"}; !slices.Equal(kinds, want) {
				t.Errorf("observed %v, want %v", kinds, want)
			}
			checkCounts(t, pool, 2, 2)
		})
	}
}

// Connections that died in the pool cost no delivery, also if the pool has only one.
func TestStore_DeadConnections(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 5} {
		for _, way := range []string{"RunTx", "RunBatch"} {
			t.Run(fmt.Sprint(way, " ", n), func(t *testing.T) {
				t.Parallel()
				config := configFor(t)
				config.MaxConns = int32(n)
				pool := connect(t, config)
				events := newEvents(t, pool, &pgxstore.Options{Wait: 20 * time.Second})
				var conns []*pgxpool.Conn
				for range n {
					c, err := pool.Acquire(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					conns = append(conns, c)
				}
				admin := openPool(t)
				for _, c := range conns {
					mustExec(t, admin, fmt.Sprintf("SELECT pg_terminate_backend(%d, 20000)", c.Conn().PgConn().PID()))
					c.Release()
				}
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				if err := ways(events)[way](ctx, key); err != nil {
					t.Error(err)
				}
				checkCounts(t, pool, 1, 1)
			})
		}
	}
}
