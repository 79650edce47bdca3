package sqltest_test

import (
	"database/sql"
	"errors"
	"testing"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// inTx calls f in a transaction and commits it, or rolls it back on an error.
func inTx(t *testing.T, db *sql.DB, o *sql.TxOptions, f func(tx *sql.Tx) error) error {
	t.Helper()
	tx, err := db.BeginTx(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if err := f(tx); err != nil {
		return err
	}
	return tx.Commit()
}

func TestClaimTxJoinsTheCallersTransaction(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, nil)
		work := func(then error) error {
			return inTx(t, db, nil, func(tx *sql.Tx) error {
				if err := events.ClaimTx(t.Context(), tx, key); err != nil {
					return err
				}
				return errors.Join(effect(t.Context(), tx), then)
			})
		}
		if err := work(boom); !errors.Is(err, boom) {
			t.Errorf("got %v, want the work's error", err)
		}
		checkCounts(t, db, 0, 0)
		if err := work(nil); err != nil {
			t.Error(err)
		}
		if err := work(nil); !errors.Is(err, idempotency.ErrDuplicate) {
			t.Errorf("second time: got %v, want ErrDuplicate", err)
		}
		checkCounts(t, db, 1, 1)
	})
}

func TestAfterADuplicateTheCallersTransactionCanBeUsedOn(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, nil)
		if err := events.RunTx(t.Context(), key, effect); err != nil {
			t.Fatal(err)
		}
		err := inTx(t, db, nil, func(tx *sql.Tx) error {
			if err := events.ClaimTx(t.Context(), tx, key); !errors.Is(err, idempotency.ErrDuplicate) {
				t.Errorf("got %v, want ErrDuplicate", err)
			}
			if d == sqlstore.PostgreSQL {
				var timeout string
				if err := tx.QueryRowContext(t.Context(), "SHOW lock_timeout").Scan(&timeout); err != nil || timeout != "0" {
					t.Errorf("lock_timeout %q, %v; want 0 as before", timeout, err)
				}
			}
			return effect(t.Context(), tx)
		})
		if err != nil {
			t.Error(err)
		}
		checkCounts(t, db, 1, 2)
	})
}
