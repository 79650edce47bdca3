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

// The bound on the wait for the key is not a bound on the locks of the work.
func TestRunTx_LockTimeoutOfWork(t *testing.T) {
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

func TestRunTx_LockTimeoutOfSecondAttempt(t *testing.T) {
	t.Parallel()
	db := openPostgreSQL(t, "lock_timeout", "7s")
	events := newEvents(t, db, sqlstore.PostgreSQL, &sqlstore.Options{RecordFailures: true})
	show := func(ctx context.Context, tx *sql.Tx) (got string, err error) {
		return got, tx.QueryRowContext(ctx, "SHOW lock_timeout").Scan(&got)
	}
	fails(t, events, key.ID, errors.New("boom"))
	claim(t, events, "lapsed", time.Millisecond)
	time.Sleep(5 * time.Millisecond)
	for _, key := range []idempotency.Key{key, keyOf("lapsed")} {
		err := events.RunTx(t.Context(), key, func(ctx context.Context, tx *sql.Tx) error {
			got, err := show(ctx, tx)
			if got != "7s" {
				t.Errorf("%v: lock_timeout %q, want 7s", key, got)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	fails(t, events, "again", errors.New("boom"))
	err := inTx(t, db, nil, func(tx *sql.Tx) error {
		for _, id := range []string{"first", "again", key.ID, "second"} {
			err := events.ClaimTx(t.Context(), tx, keyOf(id))
			if err != nil && !errors.Is(err, idempotency.ErrDuplicate) {
				return err
			}
			if got, err := show(t.Context(), tx); got != "7s" || err != nil {
				t.Errorf("after %s: lock_timeout %q, error %v, want 7s", id, got, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestClaim_LockTimeoutAfterTakeover(t *testing.T) {
	t.Parallel()
	db := openPostgreSQL(t, "lock_timeout", "7s")
	db.SetMaxOpenConns(1)
	events := newEvents(t, db, sqlstore.PostgreSQL, nil)
	for _, maxAttempts := range []int{0, 2} { // taken over, made Dead
		terms := lease.Terms{Owner: lease.NewOwner(), Lease: time.Millisecond, MaxAttempts: maxAttempts}
		for range 3 {
			if _, _, err := events.Claim(t.Context(), key, terms); err != nil {
				t.Error(err)
			}
			time.Sleep(5 * time.Millisecond)
		}
		var got string
		if err := db.QueryRowContext(t.Context(), "SHOW lock_timeout").Scan(&got); err != nil || got != "7s" {
			t.Errorf("MaxAttempts %d: lock_timeout %q, error %v, want 7s", maxAttempts, got, err)
		}
	}
}

// The context would end the wait as well, but it costs the connection. It has the
// later deadline; on a machine that is slow it may still be first now and then.
func TestClaimTx_ConnectionAfterWait(t *testing.T) {
	t.Parallel()
	db := openMariaDB(t)
	events := newEvents(t, db, sqlstore.MySQL, &sqlstore.Options{Wait: time.Second})
	inFlight(t, events, func() {
		var lost error
		for range 5 {
			lost = nil
			tx, err := db.BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := events.ClaimTx(t.Context(), tx, key); !errors.Is(err, idempotency.ErrInFlight) {
				t.Errorf("got %v, want ErrInFlight", err)
			}
			if lost = tx.Rollback(); lost == nil {
				return
			}
		}
		t.Errorf("the connection is lost each time: %v", lost)
	})
}

// A limit of the server's on statements that is shorter than Options.Wait ends the wait
// for an event that is in flight, and says no more than that.
func TestStore_StatementTimeoutBelowWait(t *testing.T) {
	t.Parallel()
	for name, db := range map[string]*sql.DB{
		"pgx":      openPostgreSQLBy(t, "pgx", "statement_timeout", "200"),
		"postgres": openPostgreSQLBy(t, "postgres", "statement_timeout", "200"),
		"MariaDB":  openMariaDB(t, "max_statement_time", "0.2"),
	} {
		t.Run(name, func(t *testing.T) {
			d := sqlstore.PostgreSQL
			if name == "MariaDB" {
				d = sqlstore.MySQL
			}
			events := newEvents(t, db, d, &sqlstore.Options{Wait: 20 * time.Second})
			tx, err := db.BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer tx.Rollback()
			if err := events.ClaimTx(t.Context(), tx, key); err != nil {
				t.Fatal(err)
			}
			if err := events.RunTx(t.Context(), key, effect); !errors.Is(err, idempotency.ErrInFlight) {
				t.Errorf("transaction: got %v, want ErrInFlight", err)
			}
			if err := newLeases(t, events, nil).Do(t.Context(), key, leasedNothing); !errors.Is(err, idempotency.ErrInFlight) {
				t.Errorf("lease: got %v, want ErrInFlight", err)
			}
		})
	}
}
