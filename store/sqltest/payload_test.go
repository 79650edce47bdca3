package sqltest_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// checkPayload compares the payload of key with want, which may be nil.
func checkPayload(t *testing.T, events *sqlstore.Store, want *hmacverify.Delivery) {
	t.Helper()
	got, err := events.Payload(t.Context(), key)
	if want == nil {
		if !errors.Is(err, sqlstore.ErrNoPayload) {
			t.Errorf("got %+v, error %v, want ErrNoPayload", got, err)
		}
		return
	}
	if diff := cmp.Diff(want.Stored(), got, cmpopts.EquateEmpty()); diff != "" || err != nil {
		t.Errorf("payload, error %v (-want +got):\n%s", err, diff)
	}
}

func TestPayload_OffByDefault(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, nil)
		if err := runItem(t, events, idempotency.Item{Key: key, Delivery: deliveryOf("personal")}, nil); err != nil {
			t.Fatal(err)
		}
		for _, statement := range schemaOf(t, d, &sqlstore.Options{KeepPayloads: true}) {
			mustExec(t, db, statement)
		}
		checkPayload(t, events, nil)
	})
}

func TestPayload_CommitsWithWork(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, &sqlstore.Options{KeepPayloads: true})
		first := deliveryOf("first")
		boom := errors.New("boom")
		work := func(d *hmacverify.Delivery, err error) error {
			return runItem(t, events, idempotency.Item{Key: key, Delivery: d}, err)
		}
		if err := work(deliveryOf("failed"), boom); !errors.Is(err, boom) {
			t.Error(err)
		}
		checkPayload(t, events, nil)
		if err := work(first, nil); err != nil {
			t.Error(err)
		}
		checkPayload(t, events, first)
		if err := work(deliveryOf("duplicate"), nil); !errors.Is(err, idempotency.ErrDuplicate) {
			t.Error(err)
		}
		checkPayload(t, events, first)
	})
}

// What comes back is the delivery with all of its fields, byte for byte in the body.
func TestPayload_Restored(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, &sqlstore.Options{KeepPayloads: true})
		want := &hmacverify.Delivery{
			Scheme: "sender", Tenant: "acme\x00é", Key: 1, ID: "evt_'\"\\\x00", IDSigned: true,
			Time:     time.Date(2025, 2, 3, 4, 5, 6, 789, time.UTC),
			Identity: hmacverify.SignedID,
			Header:   http.Header{"Content-Type": {"text/é\x00'", "b"}, "Authorization": {"secret"}},
			Body:     []byte("{\x00\xff'\"\\}"),
		}
		if err := runItem(t, events, idempotency.Item{Key: key, Delivery: want}, nil); err != nil {
			t.Fatal(err)
		}
		stored, err := events.Payload(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		got, err := stored.RestoreUnverified()
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := got.Header["Authorization"]; ok {
			t.Error("the Authorization header was kept")
		}
		delete(want.Header, "Authorization")
		want.Key = 0
		if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(hmacverify.Delivery{})); diff != "" {
			t.Errorf("restored delivery (-want +got):\n%s", diff)
		}
	})
}

// The sender chooses its headers. What is no text, or long, must not keep an event
// from being processed.
func TestPayload_OddHeaders(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, &sqlstore.Options{KeepPayloads: true})
		long := strings.Repeat("x", 1<<17)
		odd := &hmacverify.Delivery{Scheme: "sender", Header: http.Header{"X-Odd": {"a\xffb", long}}} // no body at all
		if err := runItem(t, events, idempotency.Item{Key: key, Delivery: odd}, nil); err != nil {
			t.Fatal(err)
		}
		odd.Header.Set("X-Odd", "a\uFFFDb") // JSON has no other bytes than text
		odd.Header.Add("X-Odd", long)
		checkPayload(t, events, odd)
	})
}

// To find out why an event is dead takes what it was.
func TestPayload_OfRecordedFailure(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		db.SetMaxOpenConns(1)
		events := newEvents(t, db, d, &sqlstore.Options{KeepPayloads: true, MaxAttempts: 2, AttemptInterval: time.Nanosecond})
		boom := errors.New("boom")
		for i, want := range []error{boom, boom, idempotency.ErrDead} {
			item := idempotency.Item{Key: key, Delivery: deliveryOf(fmt.Sprint(i))}
			if err := runItem(t, events, item, boom); !errors.Is(err, want) {
				t.Errorf("run %d: got %v, want %v", i, err, want)
			}
			checkPayload(t, events, deliveryOf("0"))
		}
		checkCounts(t, db, 1, 0)
	})
}

// ClaimTx has no delivery to keep.
func TestPayload_ClaimTx(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, &sqlstore.Options{KeepPayloads: true})
		ctx := hmacverify.NewContext(t.Context(), deliveryOf("b"))
		err := inTx(t, db, nil, func(tx *sql.Tx) error { return events.ClaimTx(ctx, tx, key) })
		if err != nil {
			t.Error(err)
		}
		checkPayload(t, events, nil)
	})
}

func TestPayload_FirstClaimOfLease(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, &sqlstore.Options{KeepPayloads: true})
		leases := newLeases(t, events, nil)
		boom := errors.New("boom")
		for i, want := range []error{boom, nil, idempotency.ErrDuplicate} {
			item := idempotency.Item{Key: key, Delivery: deliveryOf(fmt.Sprint(i))}
			o := leases.Run(t.Context(), item, func(context.Context, lease.Claim) (*idempotency.Result, error) { return nil, want })
			if !errors.Is(o.Err, want) {
				t.Errorf("run %d: got %v, want %v", i, o.Err, want)
			}
			checkPayload(t, events, deliveryOf("0"))
		}
	})
}

// A claim that loses may still have made the event dead.
func TestPayload_AttemptsUsedUpByCrash(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, &sqlstore.Options{KeepPayloads: true})
		claim(t, events, key.ID, time.Millisecond)
		time.Sleep(5 * time.Millisecond)
		terms := lease.Terms{Owner: lease.NewOwner(), Lease: time.Hour, MaxAttempts: 1, Delivery: deliveryOf("b")}
		if rec, won, err := events.Claim(t.Context(), key, terms); won || err != nil || rec.State != lease.Dead {
			t.Errorf("got %v, won %v, error %v, want that it is dead", rec.State, won, err)
		}
		want := []lease.Status{{Key: key, State: lease.Dead, Attempts: 1}}
		if diff := cmp.Diff(want, failures(t, events, 10)); diff != "" {
			t.Errorf("failures (-want +got):\n%s", diff)
		}
		checkPayload(t, events, nil)
	})
}

func TestPayload_SiblingKeys(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, &sqlstore.Options{KeepPayloads: true})
		for _, key := range siblings {
			if err := runItem(t, events, idempotency.Item{Key: key, Delivery: deliveryOf(key.String())}, nil); err != nil {
				t.Error(err)
			}
		}
		for _, key := range siblings {
			if p, err := events.Payload(t.Context(), key); string(p.Body) != "body "+key.String() || err != nil {
				t.Errorf("got payload %q of %v, error %v", p.Body, key, err)
			}
		}
		for _, key := range siblings {
			mustExec(t, db, "DELETE FROM "+sqlstore.DefaultTable+"_payloads"+where(d, key))
			if p, err := events.Payload(t.Context(), key); !errors.Is(err, sqlstore.ErrNoPayload) {
				t.Errorf("got payload %q of %v, error %v, want ErrNoPayload", p.Body, key, err)
			}
		}
	})
}

// A claim with a payload is a transaction, which may meet a conflict.
func TestPayload_ManyClaimsAtOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		db.SetMaxOpenConns(16)
		events := newEvents(t, db, d, &sqlstore.Options{KeepPayloads: true, Wait: 20 * time.Second})
		large := &hmacverify.Delivery{Scheme: "sender", Body: make([]byte, 1<<16)}
		for i, err := range atOnce(48, func(i int) error {
			terms := lease.Terms{Owner: lease.NewOwner(), Lease: time.Hour, Delivery: large}
			_, _, err := events.Claim(t.Context(), keyOf(fmt.Sprint(i)), terms)
			return err
		}) {
			if err != nil {
				t.Errorf("claim %d: %v", i, err)
			}
		}
		if got := count(t, db, sqlstore.DefaultTable+"_payloads"); got != 48 {
			t.Errorf("%d payloads are kept, want 48", got)
		}
	})
}
