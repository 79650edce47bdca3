package pgxstore_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
)

// Work that takes all of the pool does not keep its lease from being renewed.
func TestLease_PoolExhausted(t *testing.T) {
	t.Parallel()
	config := configFor(t)
	config.MaxConns = 2
	pool := connect(t, config)
	events := newEvents(t, pool, nil)
	leases := newLeases(t, events, &lease.Options{Lease: 4 * time.Second})
	err := leases.Do(t.Context(), key, func(ctx context.Context, _ lease.Claim) error {
		for range 2 {
			c, err := pool.Acquire(ctx)
			if err != nil {
				return err
			}
			defer c.Release()
		}
		select {
		case <-time.After(6 * time.Second): // a connection may take long to open, on a busy machine
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
	if err != nil {
		t.Error(err)
	}
}

func TestClaimTx(t *testing.T) {
	t.Parallel()
	pool := openPool(t)
	events := newEvents(t, pool, nil)
	work := func(then error) error {
		return pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
			if err := events.ClaimTx(t.Context(), tx, key); err != nil {
				return err
			}
			return errors.Join(effect(t.Context(), tx), then)
		})
	}
	for _, test := range []struct{ then, want error }{{errBoom, errBoom}, {nil, nil}, {nil, idempotency.ErrDuplicate}} {
		if err := work(test.then); !errors.Is(err, test.want) {
			t.Errorf("got %v, want %v", err, test.want)
		}
	}
	checkCounts(t, pool, 1, 1)
}

func TestClaimBatchTx(t *testing.T) {
	t.Parallel()
	pool := openPool(t)
	events := newEvents(t, pool, nil)
	if err := events.RunTx(t.Context(), key, effect); err != nil {
		t.Fatal(err)
	}
	other := idempotency.Key{Scope: "test", ID: "evt_0"}
	var got []bool
	err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) (err error) {
		got, err = events.ClaimBatchTx(t.Context(), tx, []idempotency.Key{key, other, other})
		return err
	})
	if err != nil || fmt.Sprint(got) != "[false true false]" {
		t.Errorf("got %v, %v, want that the second is claimed", got, err)
	}
	checkCounts(t, pool, 2, 1)
}

func TestCompleteTx(t *testing.T) {
	t.Parallel()
	pool := openPool(t)
	events := newEvents(t, pool, nil)
	leases := newLeases(t, events, nil)
	var claim lease.Claim
	complete := func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			if err := effect(ctx, tx); err != nil {
				return err
			}
			return events.CompleteTx(ctx, tx, claim)
		})
	}
	err := leases.Do(t.Context(), key, func(ctx context.Context, c lease.Claim) error {
		claim = c
		return complete(ctx)
	})
	if err != nil {
		t.Error(err)
	}
	if err := complete(t.Context()); !errors.Is(err, idempotency.ErrLeaseLost) {
		t.Errorf("the second time: got %v, want ErrLeaseLost", err)
	}
	checkCounts(t, pool, 1, 1)
}
