package galera_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
)

// claims is how many leases a test takes.
const claims = 100

// testStaleNode renews leases by another node than the one where they were claimed. Such a
// node may not know of them yet, unless its connections wait for it.
func testStaleNode(t *testing.T, c *cluster) {
	claimed := newStore(t, c.open(t, 0))
	for _, options := range [][]string{nil, {"wsrep_sync_wait=7"}} {
		stale := openStore(t, c.open(t, 1, options...))
		lost := 0
		for i := range claims {
			own := claim(t, claimed, fmt.Sprintf("%v %d", options, i), time.Minute)
			err := stale.Renew(t.Context(), own, time.Minute)
			switch {
			case errors.Is(err, idempotency.ErrLeaseLost) && options == nil:
				lost++
			case err != nil:
				t.Errorf("Renew with %v: %v", options, err)
			}
			if err := claimed.Complete(t.Context(), own, nil); err != nil {
				t.Errorf("Complete with %v: %v", options, err)
			}
		}
		t.Logf("with %v %d of %d renewals said that the lease is lost", options, lost, claims)
	}
}

// testTakenOver has one node complete a record whose lease has expired while another takes
// it over. One of the two must lose, although each sees a state in which it wins.
func testTakenOver(t *testing.T, c *cluster) {
	one := newStore(t, c.open(t, 0))
	two := openStore(t, c.open(t, 1, "wsrep_sync_wait=7"))
	completed := 0
	for i := range claims {
		own := claim(t, one, fmt.Sprint(i), time.Millisecond)
		time.Sleep(2 * time.Millisecond)
		var group errgroup.Group
		var completeErr error
		group.Go(func() error {
			time.Sleep(rand.N(3 * time.Millisecond))
			completeErr = one.Complete(t.Context(), own, nil)
			return nil
		})
		_, won, err := two.Claim(t.Context(), own.Key, lease.Terms{Owner: lease.NewOwner(), Lease: time.Minute})
		group.Wait()
		switch {
		case err != nil:
			t.Errorf("Claim: %v", err)
		case completeErr != nil && !errors.Is(completeErr, idempotency.ErrLeaseLost):
			t.Errorf("Complete: %v", completeErr)
		case won == (completeErr == nil):
			t.Errorf("taken over: %v, completed: %v; want one of the two", won, completeErr == nil)
		case completeErr == nil:
			completed++
		}
	}
	t.Logf("%d completed, %d taken over", completed, claims-completed)
}

func claim(t *testing.T, s lease.Store, id string, length time.Duration) lease.Claim {
	t.Helper()
	terms := lease.Terms{Owner: lease.NewOwner(), Lease: length}
	key := idempotency.Key{Scope: "lease", ID: id}
	rec, won, err := s.Claim(t.Context(), key, terms)
	if err != nil || !won {
		t.Fatalf("claim of %s: won %v, error %v", id, won, err)
	}
	return lease.Claim{Key: key, Owner: terms.Owner, Token: rec.Token}
}
