package idempotency_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
)

// A handler that hangs holds its request, but not its event: the renewals stop, another
// delivery takes over, and what the first one does late changes nothing.
func TestEndpoint_HangingHandler(t *testing.T) {
	bubble(t, func(t *testing.T, g *rig) {
		calls := 0
		hangs := make(chan struct{})
		h := newEndpoint(t, g.runner, idempotency.Options{Timeout: time.Minute, Wait: 5 * time.Second, Sender: conflicting}).Wrap(
			http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				if calls++; calls == 1 {
					<-hangs
				}
			}))
		first := make(chan int)
		go func() { first <- deliver(h, "evt", "").Code }()
		time.Sleep(58 * time.Second)
		start := time.Now()
		checkProblem(t, deliver(h, "evt", ""), 503, "in_flight")
		if got := time.Since(start); got != 4*time.Second {
			t.Errorf("a follower waited for %v, want 4s: until the deadline and 2s", got)
		}
		synctest.Wait()
		checkKinds(t, g, "claimed", "timeout", "in_flight")
		if w := deliver(h, "evt", ""); w.Code != 503 {
			t.Errorf("while the lease lasts: got %d, want 503", w.Code)
		}
		time.Sleep(lease.DefaultLease)
		if w := deliver(h, "evt", ""); w.Code != 200 {
			t.Errorf("after the lease: got %d, want 200", w.Code)
		}
		close(hangs)
		if got := <-first; got != 503 {
			t.Errorf("the hanging one got %d in the end, want 503", got)
		}
		checkKinds(t, g, "claimed", "timeout", "in_flight", "in_flight", "stolen", "claimed", "completed")
		checkState(t, g.store, evt, lease.Done)
	})
}

// A handler that returns late, before another has taken over, has done its work.
func TestEndpoint_LateHandler(t *testing.T) {
	bubble(t, func(t *testing.T, g *rig) {
		h := newEndpoint(t, g.runner, idempotency.Options{Timeout: time.Minute}).Wrap(
			http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				time.Sleep(65 * time.Second)
				w.WriteHeader(http.StatusAccepted)
			}))
		if w := deliver(h, "evt", ""); w.Code != 202 {
			t.Errorf("got %d, want 202", w.Code)
		}
		checkKinds(t, g, "claimed", "timeout", "completed")
		checkState(t, g.store, evt, lease.Done)
	})
}

// An observer that panics does not take the process with it.
func TestEndpoint_HangingHandlerObserverPanics(t *testing.T) {
	bubble(t, func(t *testing.T, g *rig) {
		r := panicking{g.runner}
		h := newEndpoint(t, r, idempotency.Options{Timeout: time.Second}).Wrap(sleeping(time.Minute))
		defer func() {
			if diff := cmp.Diff("observer", recover()); diff != "" {
				t.Errorf("panicked with (-want +got):\n%s", diff)
			}
		}()
		deliver(h, "evt", "")
	})
}

// A panicking runner's observer panics at a timeout.
type panicking struct{ *lease.Runner }

func (p panicking) Observe(_ context.Context, e idempotency.Event) {
	if e.Kind == idempotency.KindTimeout && errors.Is(e.Err, idempotency.ErrTimeout) {
		panic("observer")
	}
}
