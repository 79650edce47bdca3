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

	"github.com/go-sql-driver/mysql"
	"golang.org/x/sync/errgroup"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// meeting lets two attempts meet, once.
type meeting struct {
	arrived atomic.Int64
	both    chan struct{}
	once    sync.Once
}

func newMeeting() *meeting { return &meeting{both: make(chan struct{})} }

func (m *meeting) wait() {
	if m.arrived.Add(1) >= 2 {
		m.once.Do(func() { close(m.both) })
	}
	<-m.both
}

// runOpposed runs two events whose work locks two rows in opposite order, so that
// one of them is the victim of a deadlock. It returns how often work was called.
func runOpposed(t *testing.T, db *sql.DB, events *sqlstore.Store, swallow bool) (calls int64, errs []error) {
	t.Helper()
	mustExec(t, db, "CREATE TABLE balances (id INT PRIMARY KEY, n INT NOT NULL)")
	mustExec(t, db, "INSERT INTO balances VALUES (1, 0), (2, 0)")
	m := newMeeting()
	var called atomic.Int64
	errs = atOnce(2, func(i int) error {
		return events.RunTx(t.Context(), keyOf([]string{"a", "b"}[i]), func(ctx context.Context, tx *sql.Tx) error {
			called.Add(1)
			updates := []string{"UPDATE balances SET n = n + 1 WHERE id = 1", "UPDATE balances SET n = n + 1 WHERE id = 2"}
			_, err := tx.ExecContext(ctx, updates[i])
			m.wait()
			if err == nil {
				_, err = tx.ExecContext(ctx, updates[1-i])
			}
			if swallow {
				return nil
			}
			return err
		})
	})
	return called.Load(), errs
}

func sum(t *testing.T, db *sql.DB) (n int) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), "SELECT sum(n) FROM balances").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// PG-9, MY-4.
func TestRunTx_Deadlock(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		if d == sqlstore.SQLite {
			return // one writer at a time
		}
		events := newEvents(t, db, d, &sqlstore.Options{Wait: 20 * time.Second, RecordFailures: true})
		calls, errs := runOpposed(t, db, events, false)
		if err := errors.Join(errs...); err != nil {
			t.Error(err)
		}
		if got := sum(t, db); calls < 3 || got != 4 {
			t.Errorf("the work was called %d times and counted to %d, want 3 or more and 4", calls, got)
		}
		if got := failures(t, events, 10); len(got) > 0 {
			t.Errorf("recorded as failures: %v", got)
		}
	})
}

// The database has rolled the transaction back, and the work returns nil all the
// same: the event must not be acknowledged.
func TestRunTx_SwallowedDeadlock(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		if d == sqlstore.SQLite {
			return // one writer at a time
		}
		events := newEvents(t, db, d, nil)
		swallowed(t, db, events)
	})
}

// A second attempt finds the record of the first where its own should be.
func TestRunTx_SwallowedDeadlockOfSecondAttempt(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		if d == sqlstore.SQLite {
			return // one writer at a time
		}
		events := newEvents(t, db, d, &sqlstore.Options{RecordFailures: true})
		for _, id := range []string{"a", "b"} {
			fails(t, events, id, errors.New("boom"))
		}
		swallowed(t, db, events)
	})
}

// swallowed has one of two events end in a deadlock that its work does not return.
func swallowed(t *testing.T, db *sql.DB, events *sqlstore.Store) {
	t.Helper()
	_, errs := runOpposed(t, db, events, true)
	var acknowledged int
	for _, err := range errs {
		switch {
		case err == nil:
			acknowledged++
		case errors.Is(err, idempotency.ErrUnavailable):
			t.Errorf("got %v, want a failure of the work", err)
		}
	}
	var done int
	if err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM "+sqlstore.DefaultTable+" WHERE state = 2").Scan(&done); err != nil {
		t.Fatal(err)
	}
	if acknowledged != 1 || done != 1 || sum(t, db) != 2 {
		t.Errorf("%d acknowledged, %d records that are done, counted to %d; want 1, 1 and 2", acknowledged, done, sum(t, db))
	}
}

func TestRunTx_SerializationFailure(t *testing.T) {
	t.Parallel()
	db := openPostgreSQL(t, "default_transaction_isolation", "serializable")
	events := newEvents(t, db, sqlstore.PostgreSQL, &sqlstore.Options{Wait: 20 * time.Second})
	m := newMeeting()
	var g errgroup.Group
	for _, id := range []string{"a", "b"} {
		g.Go(func() error {
			return events.RunTx(t.Context(), keyOf(id), func(ctx context.Context, tx *sql.Tx) error {
				var n int
				err := tx.QueryRowContext(ctx, "SELECT count(*) FROM effects").Scan(&n)
				m.wait()
				if err != nil || n > 0 {
					return err
				}
				return effect(ctx, tx)
			})
		})
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
	checkCounts(t, db, 2, 1)
}

// MariaDB 11.6 and later have this switched on (error 1020).
func TestRunTx_ChangedSnapshotOfMariaDB(t *testing.T) {
	t.Parallel()
	db := openMariaDB(t, "innodb_snapshot_isolation", "1")
	events := newEvents(t, db, sqlstore.MySQL, &sqlstore.Options{Wait: 20 * time.Second})
	mustExec(t, db, "CREATE TABLE balances (id INT PRIMARY KEY, n INT NOT NULL)")
	mustExec(t, db, "INSERT INTO balances VALUES (1, 0)")
	var calls int
	err := events.RunTx(t.Context(), key, func(ctx context.Context, tx *sql.Tx) error {
		calls++
		if err := tx.QueryRowContext(ctx, "SELECT n FROM balances").Scan(new(int)); err != nil {
			return err
		}
		if calls == 1 {
			mustExec(t, db, "UPDATE balances SET n = n + 1")
		}
		_, err := tx.ExecContext(ctx, "UPDATE balances SET n = n + 1")
		return err
	})
	if got := sum(t, db); err != nil || calls != 2 || got != 2 {
		t.Errorf("error %v, %d calls, counted to %d; want none, 2 and 2", err, calls, got)
	}
}

// stateError is what a driver's error of a conflict looks like.
type stateError string

func (e stateError) Error() string    { return "conflict " + string(e) }
func (e stateError) SQLState() string { return string(e) }

func TestRunTx_EndlessConflicts(t *testing.T) {
	t.Parallel()
	db := openPostgreSQL(t)
	events := newEvents(t, db, sqlstore.PostgreSQL, &sqlstore.Options{Wait: 50 * time.Millisecond, RecordFailures: true})
	var calls int
	err := events.RunTx(t.Context(), key, func(context.Context, *sql.Tx) error {
		calls++
		return stateError("40001")
	})
	if !errors.Is(err, idempotency.ErrUnavailable) || calls < 3 || calls > 50 {
		t.Errorf("got %v after %d calls, want ErrUnavailable after a few", err, calls)
	}
	checkCounts(t, db, 0, 0) // a conflict is no failure of the event
	ctx, cancel := context.WithCancel(t.Context())
	calls = 0
	err = events.RunTx(ctx, key, func(context.Context, *sql.Tx) error {
		calls++
		cancel()
		return stateError("40P01")
	})
	if err == nil || calls != 1 {
		t.Errorf("got %v after %d calls for a caller that has gone, want an error after 1", err, calls)
	}
}

// Work that used another event's runner may return what that said, beside a conflict.
func TestRunTx_ConflictWithSentinel(t *testing.T) {
	t.Parallel()
	db := openPostgreSQL(t)
	events := newEvents(t, db, sqlstore.PostgreSQL, &sqlstore.Options{Wait: time.Millisecond})
	err := events.RunTx(t.Context(), key, func(context.Context, *sql.Tx) error {
		return errors.Join(idempotency.ErrDuplicate, stateError("40001"))
	})
	if !errors.Is(err, idempotency.ErrUnavailable) || errors.Is(err, idempotency.ErrDuplicate) {
		t.Errorf("got %v, want ErrUnavailable and not ErrDuplicate", err)
	}
	checkCounts(t, db, 0, 0)
}

// codeError is an error of the application with a field that drivers have, too.
type codeError struct{ Code, Number int }

func (codeError) Error() string { return "the application's" }

func TestRunTx_ApplicationErrorLikeConflict(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, nil)
		var calls int
		for _, want := range []error{codeError{5, 1213}, &codeError{6, 1213}, stateError("57014")} {
			calls = 0
			err := events.RunTx(t.Context(), key, func(context.Context, *sql.Tx) error {
				calls++
				return want
			})
			if !errors.Is(err, want) || calls != 1 {
				t.Errorf("got %v after %d calls, want %v after 1", err, calls, want)
			}
		}
	})
}

// An application may wrap the driver's error in one of its own, or join others to it.
func TestRunTx_ConflictAmongOtherErrors(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		if d == sqlstore.SQLite {
			return // whose drivers' errors cannot be made outside of them
		}
		conflict := errors.Join(stateError("25P02"), fmt.Errorf("wrapped: %w", stateError("40001")))
		if d == sqlstore.MySQL {
			conflict = errors.Join(&mysql.MySQLError{Number: 1146}, fmt.Errorf("wrapped: %w", &mysql.MySQLError{Number: 1213}))
		}
		events := newEvents(t, db, d, &sqlstore.Options{MaxAttempts: 1})
		var calls int
		err := events.RunTx(t.Context(), key, func(ctx context.Context, tx *sql.Tx) error {
			if calls++; calls == 1 {
				return conflict
			}
			return effect(ctx, tx)
		})
		if err != nil || calls != 2 {
			t.Errorf("got %v after %d calls, want no error after 2", err, calls)
		}
		checkCounts(t, db, 1, 1)
	})
}

// MY-3 in lease mode, and every other way for claims to fall over each other.
func TestLease_ManyClaimsOfManyKeys(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		db.SetMaxOpenConns(16)
		events := newEvents(t, db, d, &sqlstore.Options{Wait: 20 * time.Second})
		leases := newLeases(t, events, nil)
		var worked atomic.Int64
		errs := atOnce(96, func(i int) error {
			err := leases.Do(t.Context(), keyOf([]string{"a", "b", "c"}[i%3]), func(context.Context, lease.Claim) error {
				worked.Add(1)
				return nil
			})
			if errors.Is(err, idempotency.ErrDuplicate) || errors.Is(err, idempotency.ErrInFlight) {
				return nil
			}
			return err
		})
		if err := errors.Join(errs...); err != nil || worked.Load() != 3 {
			t.Errorf("error %v, %d worked, want 3", err, worked.Load())
		}
	})
}
