package lease_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/memstore"
)

// The tests of this file are named after the known ways to lose an event (L) or to
// apply it twice (D) as the lease runner meets them. Those of an endpoint are in
// package idempotency.

// Watermill's deduplicator and every check-and-record design mark first.
func TestCatalogue_L1_FailedWork(t *testing.T) {
	bubble(t, func(t *testing.T, r *lease.Runner, _ *faulty, _ *journal) {
		checkError(t, do(t.Context(), r, fails), errBoom)
		ran := false
		checkError(t, do(t.Context(), r, func(context.Context) error { ran = true; return nil }), nil)
		if !ran {
			t.Error("the retry of a failed event was dropped")
		}
	})
}

// Without a lease an event whose process died is in flight forever.
func TestCatalogue_L4_ProcessDied(t *testing.T) {
	bubble(t, func(t *testing.T, r *lease.Runner, store *faulty, _ *journal) {
		look(t, store, evt) // claims for 30 seconds and is never heard of again
		time.Sleep(30*time.Second - time.Nanosecond)
		checkError(t, do(t.Context(), r, takes(0)), idempotency.ErrInFlight)
		time.Sleep(time.Nanosecond)
		checkError(t, do(t.Context(), r, takes(0)), nil)
	})
}

// Parts that are joined without a separator, and senders that share a namespace,
// make one key of two events.
func TestCatalogue_L9_ScopeAndID(t *testing.T) {
	t.Parallel()
	r := newRunner(t, new(memstore.Store), nil, lease.Options{})
	seen := make(map[string]idempotency.Key)
	for _, key := range []idempotency.Key{
		{Scope: "a", ID: "bc"}, {Scope: "ab", ID: "c"}, {Scope: "b", ID: "bc"}, {Scope: "a", ID: "b/c"}, {Scope: "a/b", ID: "c"},
		{Scope: "a\x00b", ID: "c"}, {Scope: "a", ID: "b\x00c"},
	} {
		if err := r.Do(t.Context(), key, func(context.Context, lease.Claim) error { return nil }); err != nil {
			t.Errorf("%v: %v", key, err)
		}
		if other, ok := seen[key.Downstream()]; ok {
			t.Errorf("%v and %v have the same downstream key", key, other)
		}
		seen[key.Downstream()] = key
	}
}

// Oban's unique jobs, and every try-lock, report a duplicate of a winner that may still
// roll back.
func TestCatalogue_L15_LoserOfUncommitted(t *testing.T) {
	bubble(t, func(t *testing.T, r *lease.Runner, store *faulty, _ *journal) {
		checkError(t, do(t.Context(), r, func(ctx context.Context) error {
			checkError(t, do(ctx, r, takes(0)), idempotency.ErrInFlight)
			return errBoom
		}), errBoom)
		checkError(t, do(t.Context(), r, takes(0)), nil)
		checkError(t, do(t.Context(), r, takes(0)), idempotency.ErrDuplicate)
	})
}

// Of a check and a later insert, two can pass the check.
func TestCatalogue_D1_ConcurrentClaims(t *testing.T) {
	t.Parallel()
	for range 100 {
		r := newRunner(t, new(memstore.Store), nil, lease.Options{}) // without an endpoint, so nothing collapses
		var ran, done atomic.Int64
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				err := do(t.Context(), r, func(context.Context) error { ran.Add(1); return nil })
				switch {
				case err == nil:
					done.Add(1)
				case !errors.Is(err, idempotency.ErrInFlight) && !errors.Is(err, idempotency.ErrDuplicate):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if ran.Load() != 1 || done.Load() != 1 {
			t.Fatalf("%d ran and %d are done, want 1 and 1", ran.Load(), done.Load())
		}
	}
}

// A lease without renewal must be longer than the longest work.
func TestCatalogue_D2_WorkLongerThanLease(t *testing.T) {
	bubble(t, func(t *testing.T, r *lease.Runner, _ *faulty, _ *journal) {
		go func() {
			for range 100 {
				time.Sleep(7 * time.Second)
				checkError(t, do(t.Context(), r, takes(0)), idempotency.ErrInFlight)
			}
		}()
		checkError(t, do(t.Context(), r, takes(701*time.Second)), nil)
	})
}

// Most peers let the owner of an expired claim complete or delete its successor's.
func TestCatalogue_D3_LateOwner(t *testing.T) {
	for _, result := range []error{nil, errBoom, idempotency.Permanent(errBoom)} {
		t.Run(fmt.Sprint(result), func(t *testing.T) {
			bubble(t, func(t *testing.T, r *lease.Runner, store *faulty, _ *journal) {
				store.before = func(_ context.Context, verb string, n int) error {
					if verb == "renew" {
						return errBoom // the late owner is cut off
					}
					return nil
				}
				thief := newRunner(t, store.Store, nil, lease.Options{})
				late := make(chan error)
				go func() {
					late <- do(t.Context(), r, func(context.Context) error {
						time.Sleep(time.Minute)
						return result
					})
				}()
				time.Sleep(40 * time.Second)
				checkError(t, do(t.Context(), thief, func(context.Context) error {
					checkError(t, <-late, idempotency.ErrLeaseLost)
					checkError(t, do(t.Context(), thief, takes(0)), idempotency.ErrInFlight)
					return nil
				}), nil)
				checkState(t, store.Store, lease.Done)
			})
		})
	}
}

// A steal that decides on what it has read before overwrites what happened since.
func TestCatalogue_D4_ManyThieves(t *testing.T) {
	bubble(t, func(t *testing.T, r *lease.Runner, store *faulty, _ *journal) {
		look(t, store.Store, evt)
		time.Sleep(time.Minute)
		var ran atomic.Int64
		for range 50 {
			go do(t.Context(), r, func(context.Context) error { ran.Add(1); return nil })
		}
		synctest.Wait()
		if ran.Load() != 1 {
			t.Errorf("%d thieves ran the work, want 1", ran.Load())
		}
	})
}

// A claim without a deadline is taken for an orphan's: every claim has a lease.
func TestCatalogue_D5_ClaimWithoutLease(t *testing.T) {
	t.Parallel()
	for _, length := range []time.Duration{0, time.Millisecond, time.Hour} {
		store := &termsKeeper{Store: new(memstore.Store)}
		do(t.Context(), newRunner(t, store, nil, lease.Options{Lease: length}), fails)
		want := length
		if want == 0 {
			want = lease.DefaultLease
		}
		if len(store.terms) != 1 || store.terms[0].Lease != want {
			t.Errorf("Lease %v: claimed with %+v, want %v", length, store.terms, want)
		}
	}
}

// What the effect's own system needs to apply it once: the downstream key is the same
// for every attempt.
func TestCatalogue_D14_DownstreamKey(t *testing.T) {
	bubble(t, func(t *testing.T, r *lease.Runner, _ *faulty, _ *journal) {
		applied := make(map[string]bool)
		for range 3 {
			r.Do(t.Context(), evt, func(_ context.Context, c lease.Claim) error {
				applied[c.Key.Downstream()] = true
				return errBoom // after the effect
			})
		}
		if len(applied) != 1 {
			t.Errorf("%d effects, want 1", len(applied))
		}
	})
}

// Effects in other systems must not be repeated by a retry of the record alone.
func TestCatalogue_D17_WorkCalledOnce(t *testing.T) {
	bubble(t, func(t *testing.T, r *lease.Runner, store *faulty, _ *journal) {
		store.before = func(_ context.Context, verb string, n int) error {
			if verb == "complete" && n < 3 {
				return errBoom
			}
			return nil
		}
		calls := 0
		checkError(t, do(t.Context(), r, func(context.Context) error { calls++; return nil }), nil)
		if calls != 1 {
			t.Errorf("the work was called %d times, want 1", calls)
		}
	})
}
