package sqltest_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/sqlstore"
	"github.com/hookonce/hookonce/store/storetest"
)

// Both modes keep what a Runner promises, on every database.
func TestStore_RunnerContract(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		db.SetMaxOpenConns(16)
		newEvents(t, db, d, nil)
		store := func(t *testing.T, o storetest.RunnerOptions) *sqlstore.Store {
			return newStore(t, db, d, &sqlstore.Options{
				Wait:            time.Second,
				MaxAttempts:     o.MaxAttempts,
				AttemptInterval: o.AttemptInterval,
				Observe:         o.Observe,
			})
		}
		t.Run("transaction", func(t *testing.T) {
			storetest.RunRunner(t, func(t *testing.T, o storetest.RunnerOptions) idempotency.Runner[*sql.Tx] {
				return store(t, o)
			})
		})
		t.Run("lease", func(t *testing.T) {
			storetest.RunRunner(t, func(t *testing.T, o storetest.RunnerOptions) idempotency.Runner[lease.Claim] {
				return newLeases(t, store(t, o), &lease.Options{MaxAttempts: o.MaxAttempts, AttemptInterval: o.AttemptInterval})
			})
		})
	})
}

// The result of work that completes its record itself is kept too, and a transaction
// that comes second is still refused.
func TestCompleteTx_ResultKept(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, nil)
		leases := newLeases(t, events, nil)
		var claim lease.Claim
		completeTx := func(ctx context.Context) error {
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			defer tx.Rollback()
			if err := effect(ctx, tx); err != nil {
				return err
			}
			if err := events.CompleteTx(ctx, tx, claim); err != nil {
				return err
			}
			return tx.Commit()
		}
		o := idempotency.Run(t.Context(), leases, idempotency.Item{Key: key}, func(ctx context.Context, c lease.Claim) (*idempotency.Result, error) {
			claim = c
			return &idempotency.Result{Status: 201, Body: []byte("body")}, completeTx(ctx)
		})
		if o.Kind != idempotency.KindCompleted {
			t.Fatalf("got %+v, want that it is completed", o)
		}
		if err := completeTx(t.Context()); !errors.Is(err, idempotency.ErrLeaseLost) {
			t.Errorf("CompleteTx of a second transaction: got %v, want ErrLeaseLost", err)
		}
		o = idempotency.Run(t.Context(), leases, idempotency.Item{Key: key}, func(context.Context, lease.Claim) (*idempotency.Result, error) {
			t.Error("processed twice")
			return nil, nil
		})
		if o.Kind != idempotency.KindDuplicate || o.Result == nil || o.Result.Status != 201 || string(o.Result.Body) != "body" {
			t.Errorf("got %+v with %+v, want the first result", o, o.Result)
		}
		checkCounts(t, db, 1, 1)
	})
}

// Work that completes its record, and work that does not, in turns: whichever Complete
// expects from the one before, the record is completed with its result.
func TestComplete_AfterCompleteTxAndWithout(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, nil)
		for i, inTx := range []bool{false, true, true, false, false, true} {
			for _, result := range []*idempotency.Result{nil, {Status: 201, Body: []byte("body")}} {
				c := claim(t, events, fmt.Sprint(i, result != nil), time.Hour)
				if inTx {
					if err := finish(t, db, events, c); err != nil {
						t.Fatal(err)
					}
				}
				late := c
				late.Token++
				if err := events.Complete(t.Context(), late, result); !errors.Is(err, idempotency.ErrLeaseLost) {
					t.Errorf("event %d, as another claim: got %v, want ErrLeaseLost", i, err)
				}
				for range 2 { // its answer may be lost
					if err := events.Complete(t.Context(), c, result); err != nil {
						t.Errorf("event %d: %v", i, err)
					}
				}
				rec, won := stateOf(t, events, c.Key)
				if won || rec.State != lease.Done || !cmp.Equal(rec.Result, result) {
					t.Errorf("event %d: won %v, record %+v with %+v, want the result %+v", i, won, rec, rec.Result, result)
				}
			}
		}
	})
}

// An attempt after Retry counts, though it comes at once.
func TestRetry_AttemptCounts(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, &sqlstore.Options{MaxAttempts: 1})
		for range 2 {
			err := runItem(t, events, idempotency.Item{Key: key}, errors.New("boom"))
			if !errors.Is(err, idempotency.ErrDead) {
				t.Errorf("got %v, want ErrDead", err)
			}
			if err := events.Retry(t.Context(), key); err != nil {
				t.Error(err)
			}
		}
	})
}
