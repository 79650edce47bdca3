package idempotency_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
)

// The tests of this file are named after the known ways to lose an event (L) or to
// apply it twice (D) as an endpoint meets them. L5 and L6 are in inflight_test.go, L8
// and L10 in key_test.go, those of the lease runner in package lease, those that
// only a database can show in store/sqltest, those of a store in store/storetest.

// Samples that respond first and work later lose the event with the process.
func TestCatalogue_L2_ResponseBeforeRecord(t *testing.T) {
	bubble(t, func(t *testing.T, g *rig) {
		g.before = func(method string, _ int) error {
			if method == "Complete" {
				time.Sleep(20 * time.Second)
			}
			return nil
		}
		start, sent := time.Now(), 0
		newEndpoint(t, g.runner, idempotency.Options{}).Wrap(writing(200, "x")).ServeHTTP(writerFunc(func() {
			sent++
			if got := time.Since(start); got < 20*time.Second {
				t.Errorf("responded after %v, want after the completion", got)
			}
		}), newDelivery("evt", ""))
		if sent == 0 {
			t.Error("no response")
		}
	})
}

// A writerFunc is a response writer that is called when something is sent.
type writerFunc func()

func (f writerFunc) Header() http.Header         { return make(http.Header) }
func (f writerFunc) WriteHeader(int)             { f() }
func (f writerFunc) Write(p []byte) (int, error) { f(); return len(p), nil }

// Fiber's middleware and Stripe's API keep a 503 as the result.
func TestCatalogue_L3_ErrorReplayed(t *testing.T) {
	t.Parallel()
	status := 503
	h := newEndpoint(t, newRig(t).runner, idempotency.Options{Sender: answering(hmacverify.Replay)}).Wrap(
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(status) }))
	var got []int
	for _, status = range []int{503, 422, 201, 500} {
		got = append(got, deliver(h, "evt", "").Code)
	}
	if want := []int{503, 422, 201, 201}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// Databases fold case, trim spaces and compare numbers.
func TestCatalogue_L7_KeysByteForByte(t *testing.T) {
	t.Parallel()
	h := newEndpoint(t, newRig(t).runner, idempotency.Options{}).Wrap(noop)
	for _, id := range []string{"a", "A", "a ", "a\x00", "á", "a\u0301", "1", "01", "1.0", "\xff", "\uFFFD"} {
		if w := deliver(h, id, ""); w.Code != 200 || w.Header().Get(idempotency.StatusHeader) != "" {
			t.Errorf("%q: got %d %v, it was taken for another event", id, w.Code, w.Header())
		}
	}
}

// Senders disable an endpoint that fails for days.
func TestCatalogue_L17_PoisonEvent(t *testing.T) {
	t.Parallel()
	g := newRigWith(t, lease.Options{MaxAttempts: 2, AttemptInterval: time.Nanosecond})
	h := newEndpoint(t, g.runner, idempotency.Options{}).Wrap(writing(500, ""))
	for i, want := range []int{500, 500, 200, 200} {
		if got := deliver(h, "evt", "").Code; got != want {
			t.Errorf("delivery %d: got %d, want %d", i+1, got, want)
		}
	}
	checkKinds(t, g, "claimed", "failed", "claimed", "dead", "dead", "dead")
}

// The client's disconnecting must not keep the end from being recorded.
func TestCatalogue_L19_EndWithoutClient(t *testing.T) {
	bubble(t, func(t *testing.T, g *rig) {
		e := newEndpoint(t, g.runner, idempotency.Options{})
		for _, tt := range []struct {
			status int
			want   lease.State
		}{{500, lease.Released}, {200, lease.Done}} {
			r := newDelivery("evt", "")
			ctx, cancel := context.WithCancel(r.Context())
			serve(e.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				cancel()
				if r.Context().Err() != nil {
					t.Error("the handler's context ended with the client's")
				}
				w.WriteHeader(tt.status)
			})), r.WithContext(ctx))
			checkState(t, g.store, evt, tt.want)
			time.Sleep(time.Minute) // checkState has claimed it
		}
	})
}

// A result that the store cannot take must not undo work that is done: what is kept is
// bounded, and kept only for Replay.
func TestCatalogue_L20_ResultBounded(t *testing.T) {
	t.Parallel()
	for _, sender := range []hmacverify.Response{hmacverify.Conflict, hmacverify.Acknowledge, hmacverify.Replay} {
		g := newRig(t)
		e := newEndpoint(t, g.runner, idempotency.Options{MaxResponse: 10, Sender: answering(sender)})
		deliver(e.Wrap(writing(200, "0123456789")), "fits", "")
		if rec, _ := look(t, g.store, testKey("fits")); (rec.Result != nil) != (sender == hmacverify.Replay) {
			t.Errorf("sender %d: kept %+v", sender, rec.Result)
		}
		deliver(e.Wrap(writing(200, "0123456789a")), "too long", "")
		checkState(t, g.store, testKey("too long"), lease.Done)
		if rec, _ := look(t, g.store, testKey("too long")); rec.Result != nil && len(rec.Result.Body) > 0 {
			t.Errorf("sender %d: kept %+v of a response that is too long", sender, rec.Result)
		}
	}
}

// A waiter that gives up and deletes the claim lets a second one in.
func TestCatalogue_D6_WaitersWriteNothing(t *testing.T) {
	bubble(t, func(t *testing.T, g *rig) {
		statuses := deliverAll(newEndpoint(t, g.runner, idempotency.Options{}).Wrap(sleeping(5*time.Second)), 20)
		if statuses[200] != 1 || statuses[503] != 19 {
			t.Errorf("got statuses %v, want one 200 and 19 times 503", statuses)
		}
		checkCalls(t, g, "Claim", "Complete")
	})
}

// Shopify delivers one event once for each subscription, each under an ID of its own:
// Options.ID names the event and not the delivery.
func TestCatalogue_D18_IDOfEvent(t *testing.T) {
	t.Parallel()
	h := newEndpoint(t, newRig(t).runner, idempotency.Options{ID: func(r *http.Request, _ *hmacverify.Delivery) (string, error) {
		return r.Header.Get("X-Shopify-Event-Id"), nil
	}}).Wrap(noop)
	for delivery, want := range []idempotency.Kind{"", "duplicate"} {
		r := newDelivery(fmt.Sprint(delivery), "")
		r.Header.Set("X-Shopify-Event-Id", "evt")
		r.Header.Set("X-Shopify-Webhook-Id", fmt.Sprint(delivery))
		checkEmpty(t, serve(h, r), 200, want)
	}
}

// A store that is down is no reason to run the work without a record.
func TestCatalogue_D19_StoreDown(t *testing.T) {
	bubble(t, func(t *testing.T, g *rig) {
		g.before = func(string, int) error { return io.ErrUnexpectedEOF }
		h := newEndpoint(t, g.runner, idempotency.Options{}).Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			t.Error("the handler was called")
		}))
		checkProblem(t, deliver(h, "evt", ""), 503, "unavailable")
		checkError(t, g.lastError(t), io.ErrUnexpectedEOF)
		checkKinds(t, g, "unavailable")
	})
}
