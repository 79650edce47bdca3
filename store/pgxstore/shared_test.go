package pgxstore_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/pgxstore"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// either is what both stores can do.
type either interface {
	lease.Store
	Lookup(ctx context.Context, key idempotency.Key) (lease.Status, error)
	Retry(ctx context.Context, key idempotency.Key) error
	Payload(ctx context.Context, key idempotency.Key) (hmacverify.Stored, error)
}

// runs is a store, and how it runs work that returns a result or an error.
type runs struct {
	either
	run func(ctx context.Context, item idempotency.Item, result *idempotency.Result, err error) idempotency.Outcome
}

// A service can move from one store to the other, or run both on one table: what one has
// recorded means the same to the other.
func TestSharedTable(t *testing.T) {
	t.Parallel()
	config := configFor(t)
	pool := connect(t, config)
	o := &pgxstore.Options{MaxAttempts: 2, AttemptInterval: time.Nanosecond, KeepPayloads: true}
	native := newEvents(t, pool, o)
	db := stdlib.OpenDB(*config.ConnConfig)
	t.Cleanup(func() { db.Close() })
	standard, err := sqlstore.New(db, sqlstore.PostgreSQL, quiet(o))
	if err != nil {
		t.Fatal(err)
	}
	stores := map[string]runs{
		"pgxstore": {native, func(ctx context.Context, item idempotency.Item, result *idempotency.Result, err error) idempotency.Outcome {
			return idempotency.Run(ctx, native, item, func(context.Context, pgx.Tx) (*idempotency.Result, error) { return result, err })
		}},
		"sqlstore": {standard, func(ctx context.Context, item idempotency.Item, result *idempotency.Result, err error) idempotency.Outcome {
			return idempotency.Run(ctx, standard, item, func(context.Context, *sql.Tx) (*idempotency.Result, error) { return result, err })
		}},
	}
	for first, other := range map[string]string{"pgxstore": "sqlstore", "sqlstore": "pgxstore"} {
		t.Run(first+" then "+other, func(t *testing.T) { sharedTable(t, first, stores[first], stores[other]) })
	}
}

func sharedTable(t *testing.T, scope string, first, other runs) {
	ctx := t.Context()
	want := func(t *testing.T, o idempotency.Outcome, kind idempotency.Kind) {
		t.Helper()
		if o.Kind != kind {
			t.Errorf("got %s (%v), want %s", o.Kind, o.Err, kind)
		}
	}
	item := func(id string) idempotency.Item {
		return idempotency.Item{
			Key:         idempotency.Key{Scope: scope, ID: id},
			Fingerprint: idempotency.FingerprintOf([]byte(id)),
			Delivery:    &hmacverify.Delivery{Scheme: "sender", Body: []byte(id)},
		}
	}
	t.Run("done", func(t *testing.T) {
		item := item("done")
		want(t, first.run(ctx, item, &idempotency.Result{Status: 201, ContentType: "a/b", Body: []byte{0, 255}}, nil), idempotency.KindCompleted)
		o := other.run(ctx, item, nil, nil)
		want(t, o, idempotency.KindDuplicate)
		if o.Result == nil || o.Result.Status != 201 || string(o.Result.Body) != "\x00\xff" {
			t.Errorf("got the result %+v, want the first one's", o.Result)
		}
		if p, err := other.Payload(ctx, item.Key); err != nil || string(p.Body) != "done" {
			t.Errorf("got the payload %q, %v", p.Body, err)
		}
		item.Fingerprint = idempotency.FingerprintOf([]byte("other"))
		want(t, other.run(ctx, item, nil, nil), idempotency.KindMismatch)
	})
	t.Run("dead", func(t *testing.T) {
		item := item("dead")
		want(t, first.run(ctx, item, nil, errBoom), idempotency.KindFailed)
		want(t, other.run(ctx, item, nil, errBoom), idempotency.KindDead)
		want(t, first.run(ctx, item, nil, nil), idempotency.KindDead)
		if status, err := first.Lookup(ctx, item.Key); err != nil || status.Attempts != 2 || status.LastError != "boom" {
			t.Errorf("got %+v, %v, want two attempts", status, err)
		}
		if err := first.Retry(ctx, item.Key); err != nil {
			t.Error(err)
		}
		want(t, other.run(ctx, item, nil, nil), idempotency.KindCompleted)
	})
	t.Run("leased", func(t *testing.T) {
		key := item("leased").Key
		rec, won, err := first.Claim(ctx, key, lease.Terms{Owner: lease.NewOwner(), Lease: time.Hour})
		if !won || err != nil {
			t.Fatalf("won %v, error %v", won, err)
		}
		want(t, other.run(ctx, idempotency.Item{Key: key}, nil, nil), idempotency.KindInFlight)
		claim := lease.Claim{Key: key, Owner: rec.Owner, Token: rec.Token}
		if err := other.Renew(ctx, claim, time.Millisecond); err != nil {
			t.Error(err)
		}
		time.Sleep(5 * time.Millisecond)
		stolen, won, err := other.Claim(ctx, key, lease.Terms{Owner: lease.NewOwner(), Lease: time.Hour})
		if !won || err != nil || stolen.Token != 2 {
			t.Errorf("won %v with token %d, error %v, want token 2", won, stolen.Token, err)
		}
		if err := first.Complete(ctx, claim, nil); !errors.Is(err, idempotency.ErrLeaseLost) {
			t.Errorf("the first owner: got %v, want ErrLeaseLost", err)
		}
		claim.Owner, claim.Token = stolen.Owner, stolen.Token
		if err := first.Complete(ctx, claim, nil); err != nil {
			t.Error(err)
		}
		want(t, other.run(ctx, idempotency.Item{Key: key}, nil, nil), idempotency.KindDuplicate)
	})
}
