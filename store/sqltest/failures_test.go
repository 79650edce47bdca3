package sqltest_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/sqlstore"
)

func TestRunTx_PermanentFailure(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, nil)
		boom := errors.New("boom")
		err := events.RunTx(t.Context(), key, func(ctx context.Context, tx *sql.Tx) error {
			return errors.Join(effect(ctx, tx), idempotency.Permanent(boom))
		})
		if !errors.Is(err, boom) {
			t.Errorf("got %v, want the work's error", err)
		}
		checkCounts(t, db, 1, 0)
		if err := events.RunTx(t.Context(), key, effect); !errors.Is(err, idempotency.ErrDead) {
			t.Errorf("next delivery: got %v, want ErrDead", err)
		}
		checkCounts(t, db, 1, 0)
	})
}

// Work that panics each time must not be delivered forever.
func TestRunTx_PanicsUpToMaxAttempts(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		var kinds []idempotency.Kind
		events := newEvents(t, db, d, &sqlstore.Options{MaxAttempts: 2, AttemptInterval: time.Nanosecond, Observe: func(_ context.Context, e idempotency.Event) {
			kinds = append(kinds, e.Kind)
		}})
		for range 2 {
			func() {
				defer func() {
					if got := recover(); got != "boom" {
						t.Errorf("recovered %v, want the work's panic", got)
					}
				}()
				_ = events.RunTx(t.Context(), key, func(ctx context.Context, tx *sql.Tx) error {
					if err := effect(ctx, tx); err != nil {
						t.Error(err)
					}
					panic("boom")
				})
			}()
		}
		if err := events.RunTx(t.Context(), key, effect); !errors.Is(err, idempotency.ErrDead) {
			t.Errorf("after two panics: got %v, want ErrDead", err)
		}
		if got, want := fmt.Sprint(kinds), "[claimed failed claimed dead dead]"; got != want {
			t.Errorf("observed %s, want %s", got, want)
		}
		checkCounts(t, db, 1, 0)
	})
}

func TestRunTx_MaxAttempts(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, &sqlstore.Options{MaxAttempts: 3, AttemptInterval: time.Nanosecond})
		boom := errors.New("boom")
		for i, want := range []struct {
			kind         idempotency.Kind
			attempt      int
			failed, dead bool
		}{
			{idempotency.KindFailed, 1, true, false},
			{idempotency.KindFailed, 2, true, false},
			{idempotency.KindDead, 3, true, true},
			{idempotency.KindDead, 0, false, true},
		} {
			o := events.Run(t.Context(), idempotency.Item{Key: key}, func(context.Context, *sql.Tx) (*idempotency.Result, error) {
				return nil, boom
			})
			if o.Kind != want.kind || o.Attempt != want.attempt ||
				errors.Is(o.Err, boom) != want.failed || errors.Is(o.Err, idempotency.ErrDead) != want.dead {
				t.Errorf("delivery %d: got %+v, want %+v", i, o, want)
			}
		}
	})
}

// Of deliveries that fail at once, each may be the one that uses up the attempts.
func TestObserve_DeadAfterConcurrentFailures(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		var mu sync.Mutex
		observed := make(map[string]bool)
		events := newEvents(t, db, d, &sqlstore.Options{
			MaxAttempts: 2, AttemptInterval: time.Nanosecond, Wait: 20 * time.Second,
			Observe: func(_ context.Context, e idempotency.Event) {
				mu.Lock()
				defer mu.Unlock()
				observed[e.Key.ID] = observed[e.Key.ID] || e.Kind == idempotency.KindDead
			},
		})
		boom := errors.New("boom")
		for i := range 10 {
			for _, err := range atOnce(2, func(int) error {
				return events.RunTx(t.Context(), keyOf(fmt.Sprint(i)), func(context.Context, *sql.Tx) error { return boom })
			}) {
				if !errors.Is(err, boom) {
					t.Errorf("got %v, want the work's error", err)
				}
			}
		}
		all := failures(t, events, 100)
		if len(all) != 10 {
			t.Errorf("%d failures, want 10", len(all))
		}
		for _, f := range all {
			if dead := f.State == lease.Dead; !dead || !observed[f.Key.ID] {
				t.Errorf("%v: dead %v, observed %v; want both", f.Key, dead, observed[f.Key.ID])
			}
		}
	})
}

// The driver closes a connection whose statement has run out of time. That was the
// work's time, and not a fault of the store's.
func TestRunTx_StatementTimeout(t *testing.T) {
	t.Parallel()
	// MySQL's server sleeps on, and keeps the record locked while it does.
	sleep := map[sqlstore.Dialect]string{sqlstore.PostgreSQL: "SELECT pg_sleep(1)", sqlstore.MySQL: "SELECT sleep(1)"}
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		if sleep[d] == "" {
			return // has no connection to close
		}
		events := newEvents(t, db, d, &sqlstore.Options{RecordFailures: true, Wait: 20 * time.Second})
		var failed error
		err := events.RunTx(t.Context(), key, func(ctx context.Context, tx *sql.Tx) error {
			ctx, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
			defer cancel()
			_, failed = tx.ExecContext(ctx, sleep[d])
			return failed
		})
		if failed == nil || !errors.Is(err, failed) || errors.Is(err, idempotency.ErrUnavailable) {
			t.Errorf("got %v, want the work's error", err)
		}
		if all := failures(t, events, 10); len(all) != 1 {
			t.Errorf("%d failures, want 1", len(all))
		}
	})
}

func TestRunTx_TakeoverOfReleased(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		db.SetMaxOpenConns(16)
		events := newEvents(t, db, d, &sqlstore.Options{RecordFailures: true, Wait: 20 * time.Second})
		boom := errors.New("boom")
		if err := events.RunTx(t.Context(), key, func(context.Context, *sql.Tx) error { return boom }); !errors.Is(err, boom) {
			t.Fatal(err)
		}
		checkCounts(t, db, 1, 0)
		var won atomic.Int64
		var g errgroup.Group
		for range 16 {
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

// The record of a process that has died counts its attempt, and so does a failure.
func TestFailures_AfterExpiredLease(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, &sqlstore.Options{RecordFailures: true})
		claim(t, events, key.ID, time.Millisecond)
		time.Sleep(5 * time.Millisecond)
		fails(t, events, key.ID, errors.New("boom"))
		want := []lease.Status{{Key: key, State: lease.Released, Attempts: 2, LastError: "boom"}}
		if diff := cmp.Diff(want, failures(t, events, 10)); diff != "" {
			t.Errorf("failures (-want +got):\n%s", diff)
		}
	})
}

func TestFailures_ManyAtOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		db.SetMaxOpenConns(16)
		events := newEvents(t, db, d, &sqlstore.Options{RecordFailures: true, Wait: 20 * time.Second})
		boom := errors.New("boom")
		for i, err := range atOnce(48, func(i int) error {
			return events.RunTx(t.Context(), keyOf(fmt.Sprint(i)), func(context.Context, *sql.Tx) error { return boom })
		}) {
			if !errors.Is(err, boom) {
				t.Errorf("event %d: got %v, want the work's error", i, err)
			}
		}
		if got := len(failures(t, events, 100)); got != 48 {
			t.Errorf("%d failures are recorded, want 48", got)
		}
	})
}

// A statement of SQLite's may roll the transaction back by itself. That there is
// nothing left to roll back then does not mean that a connection was lost.
func TestFailures_RolledBackBySQLite(t *testing.T) {
	t.Parallel()
	db := openSQLite(t)
	events := newEvents(t, db, sqlstore.SQLite, &sqlstore.Options{RecordFailures: true})
	var cause error
	err := events.RunTx(t.Context(), key, func(ctx context.Context, tx *sql.Tx) error {
		_, cause = tx.ExecContext(ctx, "INSERT OR ROLLBACK INTO effects (name) VALUES (NULL)")
		return cause
	})
	if cause == nil || !errors.Is(err, cause) || errors.Is(err, idempotency.ErrUnavailable) {
		t.Errorf("got %v, want the work's error, %v", err, cause)
	}
	if got := len(failures(t, events, 10)); got != 1 {
		t.Errorf("%d failures are recorded, want 1", got)
	}
}
