package memstore_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/memstore"
)

// A sweep that finds an abandoned claim shortly before it expires does not keep it for
// longer.
func TestStore_AbandonedClaimSweptBeforeItExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := memstore.New(&memstore.Options{MaxRecords: 1, Retention: 72 * time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		claim(t, s, "abandoned", time.Hour)
		time.Sleep(72*time.Hour + 30*time.Minute)
		if n, err := s.Purge(t.Context()); n != 0 || err != nil {
			t.Errorf("half an hour before it expires: purged %d, %v, want none", n, err)
		}
		time.Sleep(30 * time.Minute)
		claim(t, s, "next", time.Hour) // the store is full
		if n := s.Len(); n != 1 {
			t.Errorf("%d records, want 1", n)
		}
	})
}

// Records expire in the order of their leases and changes, not of their claims.
func TestStore_ExpiryOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := memstore.New(&memstore.Options{Retention: time.Hour, AllowShortRetention: true})
		if err != nil {
			t.Fatal(err)
		}
		const n = 500
		for i := range n { // minute i%100 after the hour
			claim(t, s, fmt.Sprint(i), time.Duration((i*37)%100)*time.Minute+time.Second)
		}
		time.Sleep(time.Hour + time.Second)
		for minute := range 100 {
			if got, err := s.Purge(t.Context()); got != n/100 || err != nil {
				t.Errorf("minute %d: purged %d, %v, want %d", minute, got, err, n/100)
			}
			time.Sleep(time.Minute)
		}
	})
}

// Each new record lets two expired ones go, no fewer and no more: a claim takes no
// longer because many have expired.
func TestStore_ClaimDeletesTwoExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 5000 // enough for each shard
		s, err := memstore.New(&memstore.Options{Retention: time.Hour, AllowShortRetention: true})
		if err != nil {
			t.Fatal(err)
		}
		for i := range n {
			complete(t, s, claim(t, s, fmt.Sprint("old ", i), time.Minute))
		}
		time.Sleep(time.Hour)
		for i := range 20 {
			claim(t, s, fmt.Sprint("new ", i), time.Minute)
			if got, want := s.Len(), n-i-1; got != want {
				t.Fatalf("after %d new records: %d in all, want %d", i+1, got, want)
			}
		}
	})
}

// The AttemptInterval is measured from the release, however old the store is.
func TestStore_AttemptIntervalInOldStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(memstore.Store)
		claim(t, s, "first", time.Hour)
		time.Sleep(24 * time.Hour)
		c := claim(t, s, "k", time.Minute)
		for _, tt := range []struct {
			pause   time.Duration
			counted bool
		}{{10*time.Second - 1, false}, {10 * time.Second, true}} {
			must(t, s.Release(t.Context(), c, lease.Failure{}))
			time.Sleep(tt.pause)
			terms := terms(time.Minute)
			terms.AttemptInterval = 10 * time.Second
			rec, won, err := s.Claim(t.Context(), c.Key, terms)
			if !won || err != nil || rec.Counted != tt.counted {
				t.Errorf("Claim %v after the release = %+v, %t, %v, want to win, Counted %t", tt.pause, rec, won, err, tt.counted)
			}
			c = lease.Claim{Key: c.Key, Owner: terms.Owner, Token: rec.Token}
		}
	})
}

// Of several claims that find the store full of expired records, one deletes them all.
// There is room for the others too.
func TestStore_FullReclaimedByAnother(t *testing.T) {
	t.Parallel()
	const limit, callers = 8, 4
	for range 10_000 {
		s, err := memstore.New(&memstore.Options{MaxRecords: limit, Retention: 1, AllowShortRetention: true})
		if err != nil {
			t.Fatal(err)
		}
		for i := range limit {
			if _, _, err := s.Claim(t.Context(), key(fmt.Sprint("old ", i)), terms(1)); err != nil {
				t.Fatal(err)
			}
		}
		var wg sync.WaitGroup
		for i := range callers {
			wg.Go(func() {
				if _, won, err := s.Claim(t.Context(), key(fmt.Sprint("new ", i)), terms(time.Hour)); !won || err != nil {
					t.Errorf("won %t, %v, though nothing in the store is live", won, err)
				}
			})
		}
		wg.Wait()
		if t.Failed() {
			return
		}
	}
}
