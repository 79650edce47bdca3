package pgxstore_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/pgxstore"
)

var errBoom = errors.New("boom")

func TestRunTx_CommitsWithWork(t *testing.T) {
	t.Parallel()
	pool := openPool(t)
	events := newEvents(t, pool, nil)
	if err := events.Check(t.Context()); err != nil {
		t.Error(err)
	}
	err := events.RunTx(t.Context(), key, func(ctx context.Context, tx pgx.Tx) error {
		if got, ok := pgxstore.Tx(ctx); !ok || got != tx {
			t.Errorf("the context carries %v, %v, want the transaction of the work", got, ok)
		}
		return effect(ctx, tx)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := events.RunTx(t.Context(), key, effect); !errors.Is(err, idempotency.ErrDuplicate) {
		t.Errorf("second run: got %v, want ErrDuplicate", err)
	}
	checkCounts(t, pool, 1, 1)
}

// What work does wrong is a failure of the work: nothing is acknowledged, and the next
// delivery is processed.
func TestRunTx_BrokenByWork(t *testing.T) {
	t.Parallel()
	exec := func(statements ...string) func(context.Context, pgx.Tx) error {
		return func(ctx context.Context, tx pgx.Tx) error {
			if err := effect(ctx, tx); err != nil {
				return err
			}
			for _, statement := range statements {
				tx.Exec(ctx, statement)
			}
			return nil
		}
	}
	for _, test := range []struct {
		name      string
		work      func(context.Context, pgx.Tx) error
		committed bool // by the work itself
	}{
		{"returns an error", func(ctx context.Context, tx pgx.Tx) error { return errors.Join(effect(ctx, tx), errBoom) }, false},
		{"swallows an error", exec("INSERT INTO no_such_table VALUES (1)"), false},
		{"executes ROLLBACK", exec("ROLLBACK"), false},
		{"executes COMMIT", exec("COMMIT"), true},
		{"calls Rollback", func(ctx context.Context, tx pgx.Tx) error { return tx.Rollback(ctx) }, false},
		{"calls Commit", func(ctx context.Context, tx pgx.Tx) error { return errors.Join(effect(ctx, tx), tx.Commit(ctx)) }, true},
		{"breaks a deferred constraint", exec("INSERT INTO deferred VALUES (1), (1)"), false},
		{"idles for too long", exec("SET LOCAL idle_in_transaction_session_timeout = 20"), false},
		{"takes a role that may not write", exec("SET LOCAL ROLE pg_monitor", "INSERT INTO effects VALUES ('x')"), false},
		{"leaves rows open", func(ctx context.Context, tx pgx.Tx) error {
			rows, err := tx.Query(ctx, "SELECT generate_series(1, 100000)")
			rows.Next()
			return err
		}, false},
		{"leaves rows open and fails", func(ctx context.Context, tx pgx.Tx) error {
			rows, _ := tx.Query(ctx, "SELECT generate_series(1, 100000)")
			rows.Next()
			return errBoom
		}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			pool := openPool(t)
			events := newEvents(t, pool, &pgxstore.Options{RecordFailures: true})
			mustExec(t, pool, "CREATE TABLE deferred (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
			o := idempotency.Run(t.Context(), events, idempotency.Item{Key: key}, func(ctx context.Context, tx pgx.Tx) (*idempotency.Result, error) {
				err := test.work(ctx, tx)
				if test.name == "idles for too long" {
					time.Sleep(200 * time.Millisecond)
				}
				return nil, err
			})
			if o.Kind != idempotency.KindFailed {
				t.Errorf("got %s (%v), want failed", o.Kind, o.Err)
			}
			next, effects := error(nil), 1
			if test.committed {
				next = idempotency.ErrDuplicate
			} else if n := count(t, pool, "effects"); n != 0 {
				t.Errorf("%d effects of work that failed, want none", n)
			}
			if err := events.RunTx(t.Context(), key, effect); !errors.Is(err, next) {
				t.Errorf("next delivery: got %v, want %v", err, next)
			}
			checkCounts(t, pool, 1, effects)
		})
	}
}

func TestRunTx_WorkPanics(t *testing.T) {
	t.Parallel()
	pool := openPool(t)
	events := newEvents(t, pool, nil)
	func() {
		defer func() {
			if got := recover(); got != "boom" {
				t.Errorf("recovered %v, want the work's panic", got)
			}
		}()
		events.RunTx(t.Context(), key, func(ctx context.Context, tx pgx.Tx) error {
			effect(ctx, tx)
			panic("boom")
		})
	}()
	checkCounts(t, pool, 0, 0)
	if n := pool.Stat().AcquiredConns(); n != 0 {
		t.Errorf("%d connections are not given back", n)
	}
}

func TestRunTx_ConcurrentDuplicates(t *testing.T) {
	t.Parallel()
	pool := openPool(t)
	events := newEvents(t, pool, &pgxstore.Options{Wait: 20 * time.Second})
	for round := range 10 {
		key := idempotency.Key{Scope: "test", ID: fmt.Sprint("evt_", round)}
		var won, duplicate atomic.Int64
		var g errgroup.Group
		for range 32 {
			g.Go(func() error {
				err := events.RunTx(t.Context(), key, effect)
				switch {
				case err == nil:
					won.Add(1)
				case errors.Is(err, idempotency.ErrDuplicate):
					duplicate.Add(1)
				default:
					return err
				}
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			t.Errorf("a run failed: %v", err)
		}
		if won.Load() != 1 || duplicate.Load() != 31 {
			t.Errorf("%d won, %d duplicates, want 1 and 31", won.Load(), duplicate.Load())
		}
	}
	checkCounts(t, pool, 10, 10)
}

// Work that ignores the end of its context holds neither a connection, nor the locks of
// its transaction.
func TestRunTx_WorkHangs(t *testing.T) {
	t.Parallel()
	for name, hang := range map[string]func(tx pgx.Tx, over chan struct{}){
		"between statements": func(_ pgx.Tx, over chan struct{}) { <-over },
		"in a statement": func(tx pgx.Tx, over chan struct{}) {
			tx.Exec(context.Background(), "SELECT pg_sleep(20)")
			<-over
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := openPool(t)
			events := newEvents(t, pool, &pgxstore.Options{Wait: 20 * time.Second})
			over, result := make(chan struct{}), make(chan error)
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				result <- events.RunTx(ctx, key, func(ctx context.Context, tx pgx.Tx) error {
					effect(ctx, tx)
					time.AfterFunc(50*time.Millisecond, cancel)
					hang(tx, over)
					return nil
				})
			}()
			<-ctx.Done()
			eventually(t, "the connection is free", func() bool { return pool.Stat().AcquiredConns() == 0 })
			start := time.Now()
			if err := events.RunTx(t.Context(), key, effect); err != nil {
				t.Errorf("next delivery: %v", err)
			}
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("the next delivery waited for %v", took)
			}
			close(over)
			if err := <-result; !errors.Is(err, idempotency.ErrTimeout) {
				t.Errorf("the work that hung: got %v, want ErrTimeout", err)
			}
			checkCounts(t, pool, 1, 1)
		})
	}
}

// The next runs find the table whatever work has done to the session.
func TestRunTx_SessionChanged(t *testing.T) {
	t.Parallel()
	config := configFor(t)
	config.MaxConns = 1
	pool := connect(t, config)
	events := newEvents(t, pool, nil)
	for i, change := range []string{"SET search_path = pg_catalog", "SET ROLE pg_monitor", "SET default_transaction_read_only = on"} {
		key := idempotency.Key{Scope: "test", ID: fmt.Sprint(i)}
		for range 3 { // one may meet the connection, which is replaced
			err := events.RunTx(t.Context(), key, func(ctx context.Context, tx pgx.Tx) error {
				_, err := tx.Exec(ctx, change)
				return err
			})
			if err == nil {
				break
			}
			if !errors.Is(err, idempotency.ErrUnavailable) {
				t.Errorf("%s: got %v, want ErrUnavailable", change, err)
			}
		}
		if err := events.RunTx(t.Context(), key, effect); !errors.Is(err, idempotency.ErrDuplicate) {
			if err := events.RunTx(t.Context(), key, effect); !errors.Is(err, idempotency.ErrDuplicate) {
				t.Errorf("after %s: got %v, want ErrDuplicate", change, err)
			}
		}
	}
}

func TestRunTx_SerializationFailure(t *testing.T) {
	t.Parallel()
	pool := openPool(t)
	events := newEvents(t, pool, &pgxstore.Options{MaxAttempts: 1})
	calls := 0
	err := events.RunTx(t.Context(), key, func(ctx context.Context, tx pgx.Tx) error {
		if calls++; calls == 1 {
			_, err := tx.Exec(ctx, "DO $$ BEGIN RAISE EXCEPTION 'conflict' USING ERRCODE = '40001'; END $$")
			return err
		}
		return effect(ctx, tx)
	})
	if err != nil || calls != 2 {
		t.Errorf("got %v after %d calls, want that the second succeeds", err, calls)
	}
	checkCounts(t, pool, 1, 1)
}

// Runs leave one connection of the pool to work that needs a second one.
func TestRunTx_PoolBound(t *testing.T) {
	t.Parallel()
	config := configFor(t)
	config.MaxConns = 3
	pool := connect(t, config)
	events := newEvents(t, pool, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var g errgroup.Group
	for i := range 12 {
		g.Go(func() error {
			return events.RunTx(ctx, idempotency.Key{Scope: "test", ID: fmt.Sprint(i)}, func(ctx context.Context, tx pgx.Tx) error {
				_, err := pool.Exec(ctx, "SELECT pg_sleep(0.01)")
				return err
			})
		})
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
}
