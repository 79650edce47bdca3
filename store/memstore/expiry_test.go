package memstore_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

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
