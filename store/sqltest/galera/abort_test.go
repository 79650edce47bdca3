package galera_test

import (
	"context"
	crand "crypto/rand"
	"database/sql"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
)

// maxAborts is how many transactions another node aborts until the driver has not told the
// work of one. One in five is such.
const maxAborts = 300

// testAbortIsSwallowed shows what guards the transactions of the store are for, in one
// that is hand-written.
func testAbortIsSwallowed(t *testing.T, c *cluster) {
	one, two := hotRow(t, c)
	for range maxAborts {
		tx, err := one.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		swallowed := abort(t, tx, two) == nil && !inTransaction(t, tx)
		if swallowed {
			if err := tx.Commit(); err != nil {
				t.Errorf("COMMIT after the abort: %v, want nil: is the guard needed still?", err)
			}
			return
		}
		tx.Rollback()
	}
	t.Errorf("of %d aborts the driver has told all: is the guard needed still?", maxAborts)
}

// abort has another node abort tx, in which the work reads, and returns what the work
// was told.
func abort(t *testing.T, tx *sql.Tx, other *sql.DB) error {
	t.Helper()
	return abortBy(t, tx, other, func() error {
		return tx.QueryRowContext(t.Context(), "SELECT ? + 1", 1).Scan(new(int))
	})
}

// abortBy has the other node abort tx while read is called.
func abortBy(t *testing.T, tx *sql.Tx, other *sql.DB, read func() error) error {
	t.Helper()
	if _, err := tx.ExecContext(t.Context(), "UPDATE hot SET n = n + 1 WHERE id = 1"); err != nil {
		return err
	}
	done := make(chan error)
	go func() {
		time.Sleep(rand.N(2 * time.Millisecond))
		_, err := other.ExecContext(context.WithoutCancel(t.Context()), "UPDATE hot SET n = n + 100 WHERE id = 1")
		done <- err
	}()
	for {
		if err := read(); err != nil {
			<-done
			return err
		}
		select {
		case err := <-done:
			return err
		default:
		}
	}
}

func inTransaction(t *testing.T, tx *sql.Tx) (yes bool) {
	t.Helper()
	if err := tx.QueryRowContext(t.Context(), "SELECT @@in_transaction").Scan(&yes); err != nil {
		return true // the next statement reports the abort
	}
	return yes
}

// hotRow creates a table with one row, and returns connections by two nodes.
func hotRow(t *testing.T, c *cluster) (one, two *sql.DB) {
	t.Helper()
	one, two = c.open(t, 0), c.open(t, 1, "wsrep_sync_wait=15")
	mustExec(t, one, "CREATE TABLE hot (id INT PRIMARY KEY, n INT NOT NULL)")
	mustExec(t, one, "CREATE TABLE effects (name VARCHAR(80) NOT NULL, id BIGINT AUTO_INCREMENT PRIMARY KEY)")
	mustExec(t, one, "INSERT INTO hot VALUES (1, 0)")
	if _, err := two.ExecContext(t.Context(), "SELECT n FROM hot"); err != nil {
		t.Fatal(err)
	}
	return one, two
}

// testRunAborted aborts the runs of a store. Whether or not a statement of the work reports
// the abort, what follows it leaves nothing behind, and the run starts again.
func testRunAborted(t *testing.T, c *cluster) {
	one, two := hotRow(t, c)
	events := newStore(t, one)
	swallowed := 0
	for i := 0; i < maxAborts && swallowed < 20; i++ {
		key := idempotency.Key{Scope: "test", ID: crand.Text()}
		tries := 0
		err := events.RunTx(t.Context(), key, func(ctx context.Context, tx *sql.Tx) error {
			if tries++; tries == 1 {
				if err := abort(t, tx, two); err != nil {
					return err
				}
				swallowed++
			}
			_, err := tx.ExecContext(ctx, "INSERT INTO effects (name) VALUES (?)", key.ID)
			return err
		})
		if err != nil || tries < 2 {
			t.Errorf("after %d tries: %v, want nil after 2 or more", tries, err)
		}
		if got := effects(t, one, key.ID); got != 1 {
			t.Errorf("%d effects, want 1", got)
		}
	}
	if swallowed == 0 {
		t.Errorf("of %d aborts the driver has told all", maxAborts)
	}
	t.Logf("%d aborts were not told to the work", swallowed)
}

// testOwnTx has transactions of the caller's over a driver that prepares statements. They
// are refused, before they do anything.
func testOwnTx(t *testing.T, c *cluster) {
	db := c.open(t, 0)
	s := newStore(t, db)
	key := idempotency.Key{Scope: "test", ID: "own"}
	// That a transaction of another pool is accepted says nothing of the next.
	err := inTx(t.Context(), c.open(t, 0, "interpolateParams=true"), func(tx *sql.Tx) error { return s.ClaimTx(t.Context(), tx, key) })
	if err != nil {
		t.Error(err)
	}
	for name, f := range map[string]func(*sql.Tx) error{
		"ClaimTx": func(tx *sql.Tx) error { return s.ClaimTx(t.Context(), tx, key) },
		"ClaimBatchTx": func(tx *sql.Tx) error {
			_, err := s.ClaimBatchTx(t.Context(), tx, []idempotency.Key{key})
			return err
		},
		"CompleteTx": func(tx *sql.Tx) error { return s.CompleteTx(t.Context(), tx, lease.Claim{Key: key, Token: 1}) },
	} {
		err := inTx(t.Context(), db, f)
		if err == nil || !strings.Contains(err.Error(), "interpolateParams=true") {
			t.Errorf("%s: %v, want an error that says what to set", name, err)
		}
	}
}

// testCompleteAborted has CompleteTx come after an abort that a statement, which the
// caller has prepared, has swallowed. The event must not be completed.
func testCompleteAborted(t *testing.T, c *cluster) {
	_, two := hotRow(t, c)
	one := c.open(t, 0, "interpolateParams=true")
	s := newStore(t, one)
	swallowed := 0
	for i := 0; i < maxAborts && swallowed < 5; i++ {
		key := idempotency.Key{Scope: "test", ID: crand.Text()}
		terms := lease.Terms{Owner: lease.NewOwner(), Lease: time.Minute}
		rec, won, err := s.Claim(t.Context(), key, terms)
		if err != nil || !won {
			t.Fatal(won, err)
		}
		err = inTx(t.Context(), one, func(tx *sql.Tx) error {
			if err := abortPrepared(t, tx, two); err != nil {
				return err
			}
			swallowed++
			return s.CompleteTx(t.Context(), tx, lease.Claim{Key: key, Owner: terms.Owner, Token: rec.Token})
		})
		if err == nil {
			t.Error("CompleteTx and COMMIT succeed after an abort")
		}
		status, err := s.Lookup(t.Context(), key)
		if err != nil || status.State != lease.Claimed {
			t.Errorf("the event is %v (%v), want %v", status.State, err, lease.Claimed)
		}
	}
	if swallowed == 0 {
		t.Errorf("of %d aborts the driver has told all", maxAborts)
	}
}

// abortPrepared is abort whose statements are prepared, whatever the driver does by itself.
func abortPrepared(t *testing.T, tx *sql.Tx, other *sql.DB) error {
	t.Helper()
	return abortBy(t, tx, other, func() (err error) {
		stmt, err := tx.PrepareContext(t.Context(), "SELECT ? + 1")
		if err != nil {
			return err
		}
		defer stmt.Close()
		return stmt.QueryRowContext(t.Context(), 1).Scan(new(int))
	})
}
