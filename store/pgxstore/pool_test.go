package pgxstore_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/pgxstore"
)

// Work that ignores the end of its context holds neither its connection, here the only
// one, nor its share of a larger pool, and changes nothing when it returns.
func TestRunTx_WorkThatHangsHoldsNothing(t *testing.T) {
	t.Parallel()
	for _, n := range []int32{1, 2} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			config := configFor(t)
			config.MaxConns = n
			pool := connect(t, config)
			events := newEvents(t, pool, nil)
			begun, release, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go func() {
				ended <- events.RunTx(ctx, key, func(ctx context.Context, tx pgx.Tx) error {
					ctx = context.WithoutCancel(ctx)
					err := effect(ctx, tx)
					close(begun)
					<-release
					if lateErr := effect(ctx, tx); err == nil && lateErr == nil {
						t.Error("a statement of work that is late succeeds")
					}
					return nil
				})
			}()
			<-begun
			cancel()
			bounded, stop := context.WithTimeout(t.Context(), 20*time.Second)
			defer stop()
			for way, run := range ways(events) {
				if err := run(bounded, keyOf(way)); err != nil {
					t.Errorf("%s of another event, while the work hangs: %v", way, err)
				}
			}
			if err := events.RunTx(bounded, key, effect); err != nil {
				t.Errorf("the same event, while the work hangs: %v", err)
			}
			close(release)
			if err := <-ended; !errors.Is(err, idempotency.ErrTimeout) {
				t.Errorf("the work that hung: got %v, want ErrTimeout", err)
			}
			checkCounts(t, pool, 3, 3)
		})
	}
}

// Work within the work of another event has its connection already.
func TestRunTx_NestedRuns(t *testing.T) {
	t.Parallel()
	config := configFor(t)
	config.MaxConns = 3
	pool := connect(t, config)
	events := newEvents(t, pool, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var g errgroup.Group
	var met sync.WaitGroup
	met.Add(2)
	for i, inner := range []string{"RunTx", "RunBatch"} {
		g.Go(func() error {
			return events.RunTx(ctx, keyOf(fmt.Sprint("outer", i)), func(ctx context.Context, _ pgx.Tx) error {
				met.Done()
				met.Wait()
				return ways(events)[inner](ctx, keyOf(inner))
			})
		})
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
	checkCounts(t, pool, 4, 2)
}

// A pool of one connection does all that the store can do.
func TestStore_OneConnection(t *testing.T) {
	t.Parallel()
	config := configFor(t)
	config.MaxConns = 1
	pool := connect(t, config)
	events := newEvents(t, pool, &pgxstore.Options{MaxAttempts: 2, AttemptInterval: time.Nanosecond, Wait: 20 * time.Second})
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	if err := events.Check(ctx); err != nil {
		t.Error(err)
	}
	leases := newLeases(t, events, &lease.Options{MaxAttempts: 2, AttemptInterval: time.Nanosecond})
	nothing := func(context.Context, lease.Claim) error { return nil }
	for _, want := range []error{nil, idempotency.ErrDuplicate, idempotency.ErrDuplicate} {
		for way, run := range ways(events) {
			if err := run(ctx, keyOf(way)); !errors.Is(err, want) {
				t.Errorf("%s: got %v, want %v", way, err, want)
			}
		}
		if err := leases.Do(ctx, keyOf("leased"), nothing); !errors.Is(err, want) {
			t.Errorf("lease: got %v, want %v", err, want)
		}
	}
	for _, want := range []error{errBoom, idempotency.ErrDead} {
		if err := events.RunTx(ctx, keyOf("dead"), func(context.Context, pgx.Tx) error { return errBoom }); !errors.Is(err, want) {
			t.Errorf("work that fails: got %v, want %v", err, want)
		}
	}
	if err := events.Retry(ctx, keyOf("dead")); err != nil {
		t.Error(err)
	}
	for _, id := range []string{"a", "b"} {
		var g errgroup.Group
		for _, run := range ways(events) {
			for range 3 {
				g.Go(func() error {
					if err := run(ctx, keyOf(id)); !errors.Is(err, idempotency.ErrDuplicate) {
						return err
					}
					return nil
				})
			}
		}
		if err := g.Wait(); err != nil {
			t.Error(err)
		}
	}
	if _, err := events.Purge(ctx); err != nil {
		t.Error(err)
	}
	checkCounts(t, pool, 6, 4)

	hurried := newStore(t, pool, &pgxstore.Options{Wait: 100 * time.Millisecond})
	err := newStore(t, connect(t, config.Copy()), nil).RunTx(ctx, key, func(context.Context, pgx.Tx) error {
		for way, run := range ways(hurried) {
			if err := run(ctx, key); !errors.Is(err, idempotency.ErrInFlight) {
				t.Errorf("%s of an event in flight: got %v, want ErrInFlight", way, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// After a failover the pool's connections lead to a node that is read-only, and work
// may leave that mode, or a role, behind. The pool recovers by itself.
func TestStore_ConnectionsThatCannotWrite(t *testing.T) {
	t.Parallel()
	const conns = 6
	for _, set := range []string{"SET default_transaction_read_only = on", "SET ROLE pg_read_all_data"} {
		for _, way := range []string{"RunTx", "RunBatch", "lease", "ClaimTx"} {
			t.Run(set+", "+way, func(t *testing.T) {
				t.Parallel()
				config := configFor(t)
				config.MaxConns = conns
				pool := connect(t, config)
				events := newEvents(t, pool, nil)
				leases := newLeases(t, events, nil)
				all := ways(events)
				all["lease"] = func(ctx context.Context, key idempotency.Key, _ ...string) error {
					return leases.Do(ctx, key, func(context.Context, lease.Claim) error { return nil })
				}
				all["ClaimTx"] = func(ctx context.Context, key idempotency.Key, _ ...string) error {
					return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error { return events.ClaimTx(ctx, tx, key) })
				}
				spoil(t, pool, conns, set)
				if err := all[way](t.Context(), keyOf("first")); !errors.Is(err, idempotency.ErrUnavailable) {
					t.Errorf("got %v, want ErrUnavailable", err)
				}
				// As many as there are connections, one after the other, would find
				// them all: the pool has replaced them before.
				for tries := 1; ; tries++ {
					err := all[way](t.Context(), key)
					if err == nil {
						break
					}
					if !errors.Is(err, idempotency.ErrUnavailable) || tries == 2 {
						t.Fatalf("got %v at delivery %d; want the pool to recover", err, tries)
					}
					time.Sleep(600 * time.Millisecond)
				}
			})
		}
	}
}

// A failover between a lease's claim and its completion: that finds a connection that
// can write, or the event would be held up until the lease expires.
func TestLease_CompletedAfterFailover(t *testing.T) {
	t.Parallel()
	const conns = 6
	config := configFor(t)
	config.MaxConns = conns
	pool := connect(t, config)
	leases := newLeases(t, newEvents(t, pool, nil), nil)
	for i := range 3 {
		key := keyOf(fmt.Sprint(i))
		err := leases.Do(t.Context(), key, func(context.Context, lease.Claim) error {
			spoil(t, pool, conns, "SET default_transaction_read_only = on")
			return nil
		})
		if err != nil {
			t.Errorf("got %v, want that the lease is completed", err)
		}
		err = leases.Do(t.Context(), key, func(context.Context, lease.Claim) error { return nil })
		if !errors.Is(err, idempotency.ErrDuplicate) {
			t.Errorf("got %v, want ErrDuplicate", err)
		}
	}
}

// spoil runs a statement on every connection of the pool.
func spoil(t *testing.T, pool *pgxpool.Pool, conns int, statement string) {
	t.Helper()
	for range conns {
		c, err := pool.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Release()
		if _, err := c.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
}
