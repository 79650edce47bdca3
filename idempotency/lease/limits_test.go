package lease_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
)

// The last renewal is tried when the lease has just expired, and has time to succeed:
// until another claims the event, nothing is lost.
func TestRunner_RenewedAsLeaseExpires(t *testing.T) {
	bubble(t, func(t *testing.T, r *lease.Runner, store *faulty, _ *journal) {
		start := time.Now()
		store.before = func(ctx context.Context, verb string, n int) error {
			if verb == "renew" && n > 1 && time.Since(start) < 40*time.Second {
				return errBoom // the lease expires after 10+30 seconds
			}
			return ctx.Err()
		}
		checkError(t, do(t.Context(), r, func(ctx context.Context) error {
			time.Sleep(45 * time.Second)
			return context.Cause(ctx)
		}), nil)
		if n := store.count("renew"); n < 3 {
			t.Errorf("%d renewals, want some that failed, and one more", n)
		}
	})
}

// A claim that is answered just when its lease expires may be another's already.
func TestRunner_ClaimAnsweredAsLeaseExpires(t *testing.T) {
	bubble(t, func(t *testing.T, r *lease.Runner, store *faulty, _ *journal) {
		store.after = func(_ context.Context, verb string, _ int) error {
			if verb == "claim" {
				time.Sleep(30 * time.Second)
				if _, won := look(t, store.Store, evt); !won {
					t.Error("the lease has not expired")
				}
			}
			return nil
		}
		checkError(t, do(t.Context(), r, func(context.Context) error {
			t.Error("the work was run")
			return nil
		}), idempotency.ErrLeaseLost)
		checkCalls(t, store, "claim", "renew")
	})
}

// The store gets time to recover between the attempts to record the end of the work,
// and the caller does not wait long.
func TestRunner_PausesBetweenCompletions(t *testing.T) {
	bubble(t, func(t *testing.T, r *lease.Runner, store *faulty, _ *journal) {
		var at []time.Duration
		start := time.Now()
		store.before = func(_ context.Context, verb string, _ int) error {
			if verb != "complete" {
				return nil
			}
			at = append(at, time.Since(start))
			return errBoom
		}
		checkError(t, do(t.Context(), r, takes(0)), idempotency.ErrUnavailable)
		want := []time.Duration{0, 50 * time.Millisecond, 300 * time.Millisecond, 1300 * time.Millisecond}
		if diff := cmp.Diff(want, at); diff != "" {
			t.Errorf("attempts (-want +got):\n%s", diff)
		}
	})
}
