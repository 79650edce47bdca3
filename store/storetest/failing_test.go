package storetest_test

import (
	"errors"
	"testing"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/memstore"
	"github.com/hookonce/hookonce/store/storetest"
)

func TestFailing(t *testing.T) {
	t.Parallel()
	down := errors.New("down")
	broken := ""
	store := storetest.Failing(new(memstore.Store), func(method string) error {
		if method == broken {
			return down
		}
		return nil
	})
	key := idempotency.Key{Scope: "s", ID: "evt_1"}
	owner := lease.NewOwner()
	claim := lease.Claim{Key: key, Owner: owner, Token: 1}
	terms := lease.Terms{Owner: owner, Lease: time.Hour}
	for _, c := range []struct {
		method string
		call   func() error
	}{
		{"Claim", func() error { _, _, err := store.Claim(t.Context(), key, terms); return err }},
		{"Renew", func() error { return store.Renew(t.Context(), claim, time.Hour) }},
		{"Complete", func() error { return store.Complete(t.Context(), claim, nil) }},
		{"Release", func() error { return store.Release(t.Context(), claim, lease.Failure{}) }},
	} {
		broken = c.method
		if err := c.call(); !errors.Is(err, down) {
			t.Errorf("%s: got %v, want the error that was asked for", c.method, err)
		}
		broken = ""
		want := error(nil)
		if c.method == "Release" {
			want = idempotency.ErrLeaseLost // the event is done by now
		}
		if err := c.call(); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", c.method, err, want)
		}
	}
}
