package lease_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/memstore"
)

// The first run claims, works and completes; the second is a duplicate and gets the
// first one's result. Run does not observe its end: its caller does.
func TestRunner_Run(t *testing.T) {
	bubble(t, func(t *testing.T, r *lease.Runner, store *faulty, j *journal) {
		result := &idempotency.Result{Status: 200, ContentType: "text/plain", Body: []byte("x")}
		got := r.Run(t.Context(), idempotency.Item{Key: evt}, func(context.Context, lease.Claim) (*idempotency.Result, error) {
			time.Sleep(time.Second)
			return result, nil
		})
		want := idempotency.Outcome{Kind: "completed", Attempt: 1, Result: result}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("first run (-want +got):\n%s", diff)
		}
		got = r.Run(t.Context(), idempotency.Item{Key: evt}, func(context.Context, lease.Claim) (*idempotency.Result, error) {
			t.Error("the work was run twice")
			return nil, nil
		})
		if got.Kind != "duplicate" || got.Attempt != 1 || got.Err != idempotency.ErrDuplicate {
			t.Errorf("duplicate: got %+v", got)
		}
		if diff := cmp.Diff(result, got.Result); diff != "" {
			t.Errorf("duplicate's result (-want +got):\n%s", diff)
		}
		checkCalls(t, store, "claim", "complete", "claim")
		if diff := cmp.Diff([]idempotency.Event{{Kind: "claimed", Endpoint: "test", Key: evt, Attempt: 1}}, j.events); diff != "" {
			t.Errorf("observed (-want +got):\n%s", diff)
		}
	})
}

// Do observes the end of each run, with its duration.
func TestRunner_Do(t *testing.T) {
	bubble(t, func(t *testing.T, r *lease.Runner, _ *faulty, j *journal) {
		checkError(t, do(t.Context(), r, takes(time.Second)), nil)
		checkError(t, do(t.Context(), r, takes(time.Second)), idempotency.ErrDuplicate)
		want := []idempotency.Event{
			{Kind: "claimed", Endpoint: "test", Key: evt, Attempt: 1},
			{Kind: "completed", Endpoint: "test", Key: evt, Attempt: 1, Duration: time.Second},
			{Kind: "duplicate", Endpoint: "test", Key: evt, Attempt: 1, Err: idempotency.ErrDuplicate},
		}
		if diff := cmp.Diff(want, j.events, cmp.Comparer(func(a, b error) bool { return a == b })); diff != "" {
			t.Errorf("observed (-want +got):\n%s", diff)
		}
	})
}

// The work gets its claim as an argument and in its context.
func TestRunner_Claim(t *testing.T) {
	bubble(t, func(t *testing.T, r *lease.Runner, _ *faulty, _ *journal) {
		for attempt := range 2 {
			r.Do(t.Context(), evt, func(ctx context.Context, c lease.Claim) error {
				if from, ok := lease.FromContext(ctx); !ok || from != c {
					t.Errorf("got %+v, %t in the context, and the argument %+v", from, ok, c)
				}
				if c.Key != evt || c.Attempt != attempt+1 || c.Token != int64(attempt+1) || c.Owner == (lease.Owner{}) {
					t.Errorf("attempt %d: got %+v", attempt+1, c)
				}
				return errBoom
			})
		}
		if c, ok := lease.FromContext(t.Context()); ok {
			t.Errorf("outside of a runner: got %+v", c)
		}
	})
}

// The store gets the item and the runner's options as terms.
func TestRunner_Terms(t *testing.T) {
	t.Parallel()
	store := &termsKeeper{Store: new(memstore.Store)}
	r := newRunner(t, store, nil, lease.Options{Lease: time.Minute, MaxAttempts: 7})
	d := &hmacverify.Delivery{Body: []byte("body")}
	fp := idempotency.FingerprintOf(d.Body)
	for range 2 {
		r.Run(t.Context(), idempotency.Item{Key: evt, Fingerprint: fp, Delivery: d}, func(context.Context, lease.Claim) (*idempotency.Result, error) {
			return nil, errBoom
		})
	}
	for _, terms := range store.terms {
		if terms.Lease != time.Minute || terms.MaxAttempts != 7 || terms.AttemptInterval != idempotency.DefaultAttemptInterval || terms.Fingerprint != fp || terms.Delivery != d || terms.Owner == (lease.Owner{}) {
			t.Errorf("got %+v", terms)
		}
	}
	if len(store.terms) != 2 || store.terms[0].Owner == store.terms[1].Owner {
		t.Errorf("%d claims, with the same owner", len(store.terms))
	}
}

// A termsKeeper is a store that remembers the terms of its claims.
type termsKeeper struct {
	lease.Store
	terms []lease.Terms
}

func (k *termsKeeper) Claim(ctx context.Context, key idempotency.Key, terms lease.Terms) (lease.Record, bool, error) {
	k.terms = append(k.terms, terms)
	return k.Store.Claim(ctx, key, terms)
}

// An event in flight is free when its lease expires, if that is not renewed.
func TestRunner_InFlight(t *testing.T) {
	bubble(t, func(t *testing.T, r *lease.Runner, _ *faulty, j *journal) {
		checkError(t, do(t.Context(), r, func(ctx context.Context) error {
			time.Sleep(4 * time.Second)
			o := r.Run(ctx, idempotency.Item{Key: evt}, nil)
			if o.Kind != "in_flight" || o.RetryAfter != 26*time.Second || o.Attempt != 1 {
				t.Errorf("got %+v, want in_flight and 26s", o)
			}
			checkError(t, do(ctx, r, takes(0)), idempotency.ErrInFlight)
			return nil
		}), nil)
		checkKinds(t, j, "claimed", "in_flight", "completed")
	})
}

// Other content is refused and does not get the result.
func TestRunner_Mismatch(t *testing.T) {
	bubble(t, func(t *testing.T, r *lease.Runner, _ *faulty, _ *journal) {
		secret := func(context.Context, lease.Claim) (*idempotency.Result, error) {
			return &idempotency.Result{Status: 200, Body: []byte("secret")}, nil
		}
		item := func(body string) idempotency.Item {
			return idempotency.Item{Key: evt, Fingerprint: idempotency.FingerprintOf([]byte(body))}
		}
		if o := r.Run(t.Context(), item("ours"), secret); o.Err != nil {
			t.Fatal(o.Err)
		}
		o := r.Run(t.Context(), item("theirs"), secret)
		checkError(t, o.Err, idempotency.ErrMismatch)
		if o.Kind != "mismatch" || o.Result != nil {
			t.Errorf("got %+v, want a mismatch without the result", o)
		}
	})
}

// The store is not touched for an invalid key.
func TestRunner_InvalidKey(t *testing.T) {
	bubble(t, func(t *testing.T, r *lease.Runner, store *faulty, j *journal) {
		o := r.Run(t.Context(), idempotency.Item{Key: idempotency.Key{Scope: "test"}}, nil)
		if o.Kind != "invalid_key" {
			t.Errorf("got %+v", o)
		}
		checkError(t, r.Do(t.Context(), idempotency.Key{ID: "evt"}, nil), idempotency.ErrInvalidKey)
		checkCalls(t, store)
		checkKinds(t, j, "invalid_key")
	})
}

func TestRunner_ContextAfterReturn(t *testing.T) {
	bubble(t, func(t *testing.T, r *lease.Runner, _ *faulty, _ *journal) {
		var ctx context.Context
		do(t.Context(), r, func(c context.Context) error {
			ctx = c
			return c.Err()
		})
		if ctx.Err() != context.Canceled || t.Context().Err() != nil {
			t.Errorf("got %v and %v, want only the work's to be canceled", ctx.Err(), t.Context().Err())
		}
	})
}

// An expired lease is stolen, with a higher token.
func TestRunner_Steal(t *testing.T) {
	bubble(t, func(t *testing.T, r *lease.Runner, store *faulty, j *journal) {
		rec, _ := look(t, store.Store, evt) // a process that dies
		time.Sleep(30 * time.Second)
		checkError(t, r.Do(t.Context(), evt, func(_ context.Context, c lease.Claim) error {
			if c.Token <= rec.Token || c.Attempt != 2 {
				t.Errorf("got %+v after the token %d", c, rec.Token)
			}
			return nil
		}), nil)
		checkKinds(t, j, "stolen", "claimed", "completed")
	})
}

// The work may complete its own record, in the transaction of its effect. The runner's
// own completion then finds it done by this claim.
func TestRunner_WorkCompletes(t *testing.T) {
	bubble(t, func(t *testing.T, r *lease.Runner, store *faulty, _ *journal) {
		checkError(t, r.Do(t.Context(), evt, func(ctx context.Context, c lease.Claim) error {
			if err := store.Store.Complete(ctx, c, nil); err != nil {
				return err
			}
			time.Sleep(15 * time.Second) // the renewal must not take it for lost
			return ctx.Err()
		}), nil)
		checkError(t, do(t.Context(), r, fails), idempotency.ErrDuplicate)
	})
}

// An inner runner's loss is not the outer's, and the other way round.
func TestRunner_Nested(t *testing.T) {
	bubble(t, func(t *testing.T, outer *lease.Runner, store *faulty, _ *journal) {
		innerStore := new(memstore.Store)
		inner := newRunner(t, innerStore, nil, lease.Options{})
		store.failing(idempotency.ErrLeaseLost, "renew", "complete", "release")
		err := do(t.Context(), outer, func(ctx context.Context) error {
			err := do(ctx, inner, stuck) // the outer lease is lost
			if errors.Is(err, idempotency.ErrLeaseLost) {
				t.Errorf("inner run: got %v, though its lease was not lost", err)
			}
			checkState(t, innerStore, lease.Released)
			return err
		})
		checkError(t, err, idempotency.ErrLeaseLost)
	})
}

// An error of the work that wraps another runner's sentinel is not this runner's.
func TestRunner_ErrorOfNestedRunner(t *testing.T) {
	bubble(t, func(t *testing.T, r *lease.Runner, store *faulty, _ *journal) {
		err := do(t.Context(), r, func(ctx context.Context) error {
			return fmt.Errorf("inner: %w", idempotency.ErrDuplicate)
		})
		if err == nil || errors.Is(err, idempotency.ErrDuplicate) {
			t.Errorf("got %v, which says that the event is done", err)
		}
		if got, want := err.Error(), "inner: idempotency: event already processed"; got != want {
			t.Errorf("got text %q, want %q", got, want)
		}
		checkState(t, store.Store, lease.Released)
	})
}

// The outcome keeps the work's own error, so that its caller finds all that is in it.
func TestRunner_OutcomeKeepsError(t *testing.T) {
	bubble(t, func(t *testing.T, r *lease.Runner, _ *faulty, _ *journal) {
		want := fmt.Errorf("inner: %w", idempotency.ErrDuplicate)
		o := r.Run(t.Context(), idempotency.Item{Key: evt}, func(context.Context, lease.Claim) (*idempotency.Result, error) { return nil, want })
		if o.Kind != "failed" || o.Err != want || o.Attempt != 1 {
			t.Errorf("got %+v, want failed with the work's error", o)
		}
	})
}
