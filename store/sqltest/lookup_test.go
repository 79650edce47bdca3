package sqltest_test

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/sqlstore"
)

func TestLookup_States(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, &sqlstore.Options{RecordFailures: true})
		boom := errors.New("boom")
		runItem(t, events, idempotency.Item{Key: keyOf("done")}, nil)
		runItem(t, events, idempotency.Item{Key: keyOf("released")}, boom)
		runItem(t, events, idempotency.Item{Key: keyOf("dead")}, idempotency.Permanent(boom))
		backdate(t, db, time.Hour)
		terms := lease.Terms{Owner: lease.NewOwner(), Lease: 30 * time.Minute}
		if _, won, err := events.Claim(t.Context(), keyOf("claimed"), terms); !won || err != nil {
			t.Fatal(won, err)
		}
		for _, want := range []lease.Status{
			{Key: keyOf("done"), State: lease.Done, Attempts: 1, Age: time.Hour},
			{Key: keyOf("released"), State: lease.Released, Attempts: 1, LastError: "boom", Age: time.Hour},
			{Key: keyOf("dead"), State: lease.Dead, Attempts: 1, LastError: "boom", Age: time.Hour},
			{Key: keyOf("claimed"), State: lease.Claimed, Attempts: 1, LeaseLeft: 30 * time.Minute},
		} {
			got, err := events.Lookup(t.Context(), want.Key)
			about := cmp.Comparer(func(a, b time.Duration) bool { return (a - b).Abs() < 5*time.Minute })
			if diff := cmp.Diff(want, got, about); diff != "" || err != nil {
				t.Errorf("%v, error %v (-want +got):\n%s", want.Key, err, diff)
			}
		}
		if got, err := events.Lookup(t.Context(), keyOf("other")); err != sqlstore.ErrNotFound {
			t.Errorf("without a record: got %+v, %v, want ErrNotFound", got, err)
		}
	})
}

func TestForget(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		var mu sync.Mutex
		var seen []idempotency.Event
		events := newEvents(t, db, d, &sqlstore.Options{KeepPayloads: true, Observe: func(_ context.Context, e idempotency.Event) {
			mu.Lock()
			defer mu.Unlock()
			if e.Kind == idempotency.KindForgotten {
				seen = append(seen, e)
			}
		}})
		for _, sibling := range siblings {
			runItem(t, events, idempotency.Item{Key: sibling, Delivery: deliveryOf("first")}, nil)
		}
		forgotten := siblings[0]
		if err := events.Forget(t.Context(), forgotten); err != nil {
			t.Fatal(err)
		}
		if n, p := count(t, db, sqlstore.DefaultTable), count(t, db, sqlstore.DefaultTable+"_payloads"); n != 3 || p != 3 {
			t.Errorf("%d records and %d payloads are left, want 3 and 3", n, p)
		}
		want := []idempotency.Event{{Kind: idempotency.KindForgotten, Endpoint: "a", Key: forgotten}}
		if diff := cmp.Diff(want, seen, cmpopts.IgnoreFields(idempotency.Event{}, "Duration")); diff != "" {
			t.Errorf("observed (-want +got):\n%s", diff)
		}
		if err := events.Forget(t.Context(), forgotten); err != sqlstore.ErrNotFound {
			t.Errorf("a second time: got %v, want ErrNotFound", err)
		}
		if err := events.RunTx(t.Context(), forgotten, effect); err != nil {
			t.Errorf("the next delivery: %v", err)
		}
		if err := events.RunTx(t.Context(), siblings[1], effect); !errors.Is(err, idempotency.ErrDuplicate) {
			t.Errorf("another event: got %v, want ErrDuplicate", err)
		}
	})
}

func TestForget_InFlight(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, nil)
		terms := lease.Terms{Owner: lease.NewOwner(), Lease: time.Hour}
		rec, won, err := events.Claim(t.Context(), key, terms)
		if !won || err != nil {
			t.Fatal(won, err)
		}
		if err := events.Forget(t.Context(), key); !errors.Is(err, idempotency.ErrInFlight) {
			t.Errorf("got %v, want ErrInFlight", err)
		}
		c := lease.Claim{Key: key, Owner: terms.Owner, Token: rec.Token}
		if err := events.Complete(t.Context(), c, nil); err != nil {
			t.Errorf("the claim was lost: %v", err)
		}
		if err := events.Forget(t.Context(), key); err != nil {
			t.Errorf("completed: %v", err)
		}
	})
}
