package sqltest_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// A duplicate of work that another transaction has in flight waits for a bounded
// time, and is then in flight. SQLite cannot tell whose writer it is.
func TestRunTx_InFlight(t *testing.T) {
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

// The wait is for others. However short it is, an event that no other delivery has is
// processed.
func TestRunTx_ShortestWait(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, &sqlstore.Options{Wait: time.Nanosecond})
		for i := range 20 {
			if err := events.RunTx(t.Context(), keyOf(fmt.Sprint(i)), effect); err != nil {
				t.Error(err)
			}
		}
		checkCounts(t, db, 20, 20)
	})
}

func TestRunTx_CallerGone(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		const wait = 30 * time.Second
		events := newEvents(t, db, d, &sqlstore.Options{Wait: wait})
		inFlight(t, events, func() {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			start := time.Now()
			if err := events.RunTx(ctx, key, effect); !errors.Is(err, idempotency.ErrUnavailable) {
				t.Errorf("got %v, want ErrUnavailable", err)
			}
			if took := time.Since(start); took > wait/2 {
				t.Errorf("waited %v for a caller that has gone after 100ms", took)
			}
		})
	})
}

// A delivery that failed must not wait with its answer until the next one of the
// event, which has begun meanwhile, has ended.
func TestFailures_NextDeliveryWaiting(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		if d == sqlstore.SQLite {
			return // has one writer at a time
		}
		events := newEvents(t, db, d, &sqlstore.Options{Wait: 100 * time.Millisecond, RecordFailures: true})
		next := newStore(t, db, d, &sqlstore.Options{Wait: 20 * time.Second})
		working, answered := make(chan struct{}), make(chan struct{})
		var g errgroup.Group
		boom := errors.New("boom")
		err := events.RunTx(t.Context(), key, func(ctx context.Context, tx *sql.Tx) error {
			g.Go(func() error {
				return next.RunTx(t.Context(), key, func(ctx context.Context, tx *sql.Tx) error {
					close(working)
					<-answered
					return effect(ctx, tx)
				})
			})
			time.Sleep(100 * time.Millisecond) // it waits for this transaction now
			return boom
		})
		if !errors.Is(err, boom) {
			t.Errorf("got %v, want the work's error", err)
		}
		close(answered)
		if err := g.Wait(); err != nil {
			t.Errorf("the next delivery: %v", err)
		}
		<-working
		checkCounts(t, db, 1, 1)
	})
}

// On MySQL the record is looked at before the commit. If the work's transaction is
// gone, another delivery may have the record, and is waited for as in a claim.
func TestRunTx_CommitOfNothing(t *testing.T) {
	t.Parallel()
	each(t, commitNothing)
}

func commitNothing(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
	if d != sqlstore.MySQL {
		return // refuses the COMMIT
	}
	events := newEvents(t, db, d, &sqlstore.Options{Wait: 100 * time.Millisecond})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var other *sql.Tx
	err := events.RunTx(ctx, key, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "ROLLBACK") // as after a deadlock
		if err == nil {
			other, err = db.BeginTx(t.Context(), nil)
		}
		return errors.Join(err, events.ClaimTx(t.Context(), other, key))
	})
	if !errors.Is(err, idempotency.ErrUnavailable) || ctx.Err() != nil {
		t.Errorf("got %v, want ErrUnavailable before the deadline (%v)", err, ctx.Err())
	}
	if err := other.Rollback(); err != nil {
		t.Error(err)
	}
}

// A SQLite driver waits for busy_timeout in each statement. The store must not have
// it wait several times.
func TestStore_BusyTimeoutOfSQLite(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "events.db")
	db := open(t, sqliteDriver(), sqliteDSN(file, "busy_timeout", "1500"))
	other := open(t, sqliteDriver(), sqliteDSN(file))
	events := newEvents(t, db, sqlstore.SQLite, &sqlstore.Options{Wait: 100 * time.Millisecond})
	err := inTx(t, other, nil, func(tx *sql.Tx) error {
		if err := effect(t.Context(), tx); err != nil {
			return err
		}
		for name, run := range map[string]func() error{
			"RunTx": func() error { return events.RunTx(t.Context(), key, effect) },
			"Claim": func() error {
				_, _, err := events.Claim(t.Context(), key, lease.Terms{Owner: lease.NewOwner(), Lease: time.Hour})
				return err
			},
		} {
			start := time.Now()
			if err := run(); err == nil {
				t.Errorf("%s: got no error while another process writes", name)
			}
			if waited := time.Since(start); waited > 3*time.Second {
				t.Errorf("%s waited for %v, want at most busy_timeout and a little", name, waited)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// A claim that gave up may still stand in the server's queue. It must not get the
// event when the transaction that it waited for is rolled back.
func TestRunTx_WaitGivenUp(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, &sqlstore.Options{Wait: 200 * time.Millisecond})
		boom := errors.New("boom")
		err := events.RunTx(t.Context(), key, func(ctx context.Context, tx *sql.Tx) error {
			for range 3 {
				if err := events.RunTx(t.Context(), key, effect); err == nil || errors.Is(err, idempotency.ErrDuplicate) {
					t.Errorf("got %v while the event is in flight", err)
				}
			}
			return boom
		})
		if !errors.Is(err, boom) {
			t.Fatal(err)
		}
		patient := newStore(t, db, d, &sqlstore.Options{Wait: 20 * time.Second})
		if err := patient.RunTx(t.Context(), key, effect); err != nil {
			t.Errorf("after the rollback: %v", err)
		}
		checkCounts(t, db, 1, 1)
	})
}

// inFlight calls f while a transaction has key in flight.
func inFlight(t *testing.T, events *sqlstore.Store, f func()) {
	t.Helper()
	err := events.RunTx(t.Context(), key, func(ctx context.Context, tx *sql.Tx) error {
		f()
		return effect(ctx, tx)
	})
	if err != nil {
		t.Errorf("the run in flight: %v", err)
	}
}

// MariaDB counts whole seconds, rounded up.
func TestRunTx_LengthOfWait(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		const wait = 1100 * time.Millisecond
		events := newEvents(t, db, d, &sqlstore.Options{Wait: wait})
		inFlight(t, events, func() {
			start := time.Now()
			err := events.RunTx(t.Context(), key, effect)
			if err == nil {
				t.Error("got no error")
			}
			least, most := wait, wait+10*time.Second
			if d == sqlstore.MySQL {
				least = 1900 * time.Millisecond
			}
			if took := time.Since(start); took < least || took > most {
				t.Errorf("waited %v, want %v to %v", took, least, most)
			}
		})
	})
}

// A lease asked for while a transaction has the event in flight: it is being
// worked on, which is no error of the store.
func TestLease_TransactionInFlight(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		if d == sqlstore.SQLite {
			return // finds the database busy
		}
		events := newEvents(t, db, d, &sqlstore.Options{Wait: 100 * time.Millisecond})
		inFlight(t, events, func() {
			err := newLeases(t, events, nil).Do(t.Context(), key, leasedNothing)
			if !errors.Is(err, idempotency.ErrInFlight) {
				t.Errorf("got %v, want ErrInFlight", err)
			}
		})
	})
}

// The second attempt at an event that failed once locks the record that is there.
func TestStore_SecondAttemptInFlight(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		if d == sqlstore.SQLite {
			return // finds the database busy
		}
		events := newEvents(t, db, d, &sqlstore.Options{Wait: 100 * time.Millisecond, RecordFailures: true})
		fails(t, events, key.ID, errors.New("boom"))
		inFlight(t, events, func() {
			if err := events.RunTx(t.Context(), key, effect); !errors.Is(err, idempotency.ErrInFlight) {
				t.Errorf("got %v, want ErrInFlight", err)
			}
			_, won, err := events.Claim(t.Context(), key, lease.Terms{Owner: lease.NewOwner(), Lease: time.Hour})
			if won || err != nil {
				t.Errorf("claim: won %v, error %v", won, err)
			}
		})
		checkCounts(t, db, 1, 1)
	})
}

// While a sender repeats itself, its duplicates are known without a transaction:
// they do not wait, not even for SQLite's one writer.
func TestRunTx_RepeatedDuplicate(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, &sqlstore.Options{Wait: 100 * time.Millisecond})
		done := keyOf("done")
		for _, want := range []error{nil, idempotency.ErrDuplicate} {
			if err := events.RunTx(t.Context(), done, effect); !errors.Is(err, want) {
				t.Fatalf("got %v, want %v", err, want)
			}
		}
		mustExec(t, db, "DELETE FROM effects")
		inFlight(t, events, func() {})
		if err := events.RunTx(t.Context(), done, effect); !errors.Is(err, idempotency.ErrDuplicate) {
			t.Fatal(err)
		}
		err := inTx(t, db, nil, func(tx *sql.Tx) error {
			if err := effect(t.Context(), tx); err != nil {
				return err
			}
			for range 3 {
				if err := events.RunTx(t.Context(), done, effect); !errors.Is(err, idempotency.ErrDuplicate) {
					t.Errorf("got %v, want ErrDuplicate", err)
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		checkCounts(t, db, 2, 2)
	})
}
