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

// An event is reported dead only when its payload is there to see why.
func TestPayload_NotKeptWithFailure(t *testing.T) {
	t.Parallel()
	db := openPostgreSQL(t)
	events := newEvents(t, db, sqlstore.PostgreSQL, &sqlstore.Options{KeepPayloads: true})
	mustExec(t, db, `
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM idempotency_records WHERE state = 4) THEN
        RAISE 'no room';
    END IF;
    RETURN NEW;
END $$`)
	mustExec(t, db, "CREATE TRIGGER refuse BEFORE INSERT ON idempotency_records_payloads FOR EACH ROW EXECUTE FUNCTION refuse()")
	item := idempotency.Item{Key: key, Delivery: deliveryOf("b")}
	err := runItem(t, events, item, idempotency.Permanent(errors.New("boom")))
	if !errors.Is(err, idempotency.ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
	checkCounts(t, db, 0, 0)
	checkPayload(t, events, nil)
}

// A completed event must have its payload.
func TestPayload_NotKeptInTransaction(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, &sqlstore.Options{KeepPayloads: true})
		mustExec(t, db, "DROP TABLE "+sqlstore.DefaultTable+"_payloads")
		o := events.Run(t.Context(), idempotency.Item{Key: key, Delivery: deliveryOf("b")},
			func(ctx context.Context, tx *sql.Tx) (*idempotency.Result, error) { return nil, effect(ctx, tx) })
		if o.Kind != idempotency.KindUnavailable || !errors.Is(o.Err, idempotency.ErrUnavailable) {
			t.Errorf("got %+v, want unavailable", o)
		}
		checkCounts(t, db, 0, 0)
	})
}

// A delivery without a lease has made no attempt, and leaves nothing that the next
// one would have to wait for.
func TestPayload_NotKeptWithLease(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, &sqlstore.Options{KeepPayloads: true})
		table := sqlstore.DefaultTable + "_payloads"
		leases := newLeases(t, events, &lease.Options{MaxAttempts: 1})
		worked := 0
		deliver := func() error {
			item := idempotency.Item{Key: key, Delivery: deliveryOf("b")}
			return leases.Run(t.Context(), item, func(context.Context, lease.Claim) (*idempotency.Result, error) {
				worked++
				return nil, nil
			}).AsError()
		}
		mustExec(t, db, "ALTER TABLE "+table+" RENAME TO away")
		for range 2 {
			if err := deliver(); !errors.Is(err, idempotency.ErrUnavailable) {
				t.Errorf("without the table: got %v, want ErrUnavailable", err)
			}
		}
		checkCounts(t, db, 0, 0)
		mustExec(t, db, "ALTER TABLE away RENAME TO "+table)
		if err := deliver(); err != nil || worked != 1 {
			t.Errorf("with the table: worked %d times, error %v", worked, err)
		}
	})
}

// A claim that had to wait is renewed, which must not hide that its payload failed.
func TestPayload_NotKeptAfterWait(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		if d == sqlstore.SQLite {
			return // one writer: the claim would find it busy
		}
		events := newEvents(t, db, d, &sqlstore.Options{KeepPayloads: true, Wait: 20 * time.Second})
		mustExec(t, db, "DROP TABLE "+sqlstore.DefaultTable+"_payloads")
		tx, err := db.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := events.ClaimTx(t.Context(), tx, key); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(300*time.Millisecond, func() { tx.Rollback() })
		terms := lease.Terms{Owner: lease.NewOwner(), Lease: time.Second, Delivery: deliveryOf("x")}
		_, _, err = events.Claim(t.Context(), key, terms)
		if err == nil {
			t.Error("got no error without a table of payloads")
		}
	})
}
