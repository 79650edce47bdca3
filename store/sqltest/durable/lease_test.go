package durable_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
)

// leasePairs are of work under a lease, whose end is recorded by a statement that is
// a transaction of its own.
func leasePairs(t *testing.T, s *server) []pair {
	t.Helper()
	completed := func(name string, copy func(store, lease.Claim) func(context.Context) error, bounded bool) pair {
		store, db := newStore(t, s, false, time.Minute)
		other, _ := newStore(t, s, false, 300*time.Millisecond)
		claim := mustClaim(t, store, name, time.Second)
		mustExec(t, db, "INSERT INTO effects (name) VALUES ('"+name+"')")
		first := func(ctx context.Context) error { return store.Complete(ctx, claim, nil) }
		return pair{name: name, first: first, copy: copy(other, claim), bounded: bounded, outside: true}
	}
	return []pair{
		completed("completed, run", func(store store, _ lease.Claim) func(context.Context) error {
			return func(ctx context.Context) error {
				return store.run(ctx, keyOf("completed, run"), effect("completed, run"))
			}
		}, true),
		completed("completed, claimed", func(store store, _ lease.Claim) func(context.Context) error {
			return claimLease(store, "completed, claimed")
		}, true),
		completed("completed twice", func(store store, c lease.Claim) func(context.Context) error {
			return func(ctx context.Context) error { return store.Complete(ctx, c, nil) }
		}, false),
		releasedPair(t, s),
		buriedPair(t, s),
	}
}

// claimLease claims as a copy does, which must not win.
func claimLease(store store, name string) func(context.Context) error {
	return func(ctx context.Context) error {
		rec, won, err := store.Claim(ctx, keyOf(name), lease.Terms{Owner: lease.NewOwner(), Lease: time.Minute})
		if err != nil || won {
			return errors.Join(err, fmt.Errorf("claim won: %v", won))
		}
		return rec.Refuse(idempotency.Fingerprint{}).AsError()
	}
}

func mustClaim(t *testing.T, store store, name string, length time.Duration) lease.Claim {
	t.Helper()
	owner := lease.NewOwner()
	rec, won, err := store.Claim(t.Context(), keyOf(name), lease.Terms{Owner: owner, Lease: length})
	if err != nil || !won {
		t.Fatal(won, err)
	}
	return lease.Claim{Key: keyOf(name), Owner: owner, Token: rec.Token}
}

// releasedPair is of work that failed for good.
func releasedPair(t *testing.T, s *server) pair {
	const name = "released dead"
	store, _ := newStore(t, s, false, time.Minute)
	claim := mustClaim(t, store, name, time.Second)
	first := func(ctx context.Context) error {
		return store.Release(ctx, claim, lease.Failure{Reason: "never", Dead: true})
	}
	return pair{name: name, first: first, copy: runCopy(t, s, name), bounded: true, dead: true}
}

// buriedPair is of work whose process has died, in its last attempt.
func buriedPair(t *testing.T, s *server) pair {
	const name = "buried"
	store, _ := newStore(t, s, false, time.Minute)
	mustClaim(t, store, name, time.Millisecond)
	first := func(ctx context.Context) error {
		terms := lease.Terms{Owner: lease.NewOwner(), Lease: time.Minute, MaxAttempts: 1}
		rec, won, err := store.Claim(ctx, keyOf(name), terms)
		if err != nil || won {
			return errors.Join(err, fmt.Errorf("claim won: %v", won))
		}
		return rec.Refuse(idempotency.Fingerprint{}).AsError()
	}
	return pair{name: name, first: first, copy: runCopy(t, s, name), bounded: true, dead: true}
}
