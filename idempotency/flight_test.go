package idempotency_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookonce/hookonce/idempotency"
)

// deliverAll sends n deliveries of evt at once and returns how often each status
// was answered. To be called in a bubble.
func deliverAll(h http.Handler, n int) map[int]int {
	statuses := make(map[int]int)
	answered := make(chan int)
	for range n {
		go func() {
			status := 0 // if it panics
			defer func() {
				recover()
				answered <- status
			}()
			status = deliver(h, "evt", "").Code
		}()
	}
	for range n {
		statuses[<-answered]++
	}
	return statuses
}

func TestConcurrentDeliveriesTakeTheStoreOnce(t *testing.T) {
	bubble(t, func(t *testing.T, l *idempotency.Leased, store *faulty, _ *journal) {
		j := new(journal)
		once := &idempotency.Middleware{Runner: l, Key: headerKey, Duplicate: idempotency.Replay, Observe: j.observe}
		h := once.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Second)
			w.WriteHeader(http.StatusCreated)
		}))
		if diff := cmp.Diff(map[int]int{201: 100}, deliverAll(h, 100)); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
		checkCalls(t, store, "claim", "complete")
		if len(j.events) != 99 {
			t.Errorf("%d events, want 99", len(j.events))
		}
		want := idempotency.Event{Kind: idempotency.EventDuplicate, Key: evt, Duration: time.Second}
		for _, e := range j.events {
			if diff := cmp.Diff(want, e); diff != "" {
				t.Errorf("follower's event (-want +got):\n%s", diff)
				break
			}
		}
	})
}

func TestFollowersTryWhenTheLeaderHasNotFinishedTheEvent(t *testing.T) {
	for _, tt := range []struct {
		name   string
		leader http.HandlerFunc
		status int
	}{
		{"because it failed", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500) }, 500},
		{"because it panicked", func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, l *idempotency.Leased, store *faulty, _ *journal) {
				calls := 0
				once := &idempotency.Middleware{Runner: l, Key: headerKey, Wait: 2*time.Second + 1}
				h := once.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					time.Sleep(time.Second)
					if calls++; calls == 1 {
						tt.leader(w, r)
					}
				}))
				// The second to lead finishes just before the others give up.
				if diff := cmp.Diff(map[int]int{tt.status: 1, 200: 1, 409: 8}, deliverAll(h, 10)); diff != "" {
					t.Errorf("statuses (-want +got):\n%s", diff)
				}
				checkState(t, store.Store, evt, idempotency.Done)
			})
		})
	}
}

func TestFollowersWaitForAtMostWaitInAll(t *testing.T) {
	bubble(t, func(t *testing.T, l *idempotency.Leased, store *faulty, _ *journal) {
		j := new(journal)
		once := &idempotency.Middleware{Runner: l, Key: headerKey, Wait: 1500 * time.Millisecond, Observe: j.observe}
		start := time.Now()
		h := once.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Second)
			w.WriteHeader(500)
		}))
		// Leaders fail after 1 and 2 seconds; the other 8 give up in between.
		if diff := cmp.Diff(map[int]int{500: 2, 503: 8}, deliverAll(h, 10)); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
		if got := time.Since(start); got != 2*time.Second {
			t.Errorf("took %v, want 2s", got)
		}
		for _, e := range j.events {
			if e.Kind != idempotency.EventInFlight || e.Duration != 1500*time.Millisecond {
				t.Errorf("got %+v", e)
			}
		}
	})
}

func TestFollowerWhoseClientHasGoneStopsWaiting(t *testing.T) {
	bubble(t, func(t *testing.T, l *idempotency.Leased, _ *faulty, _ *journal) {
		once := &idempotency.Middleware{Runner: l, Key: headerKey, Wait: time.Hour}
		h := once.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(time.Minute) }))
		go deliver(h, "evt", "")
		synctest.Wait()
		r := newDelivery("evt", "")
		ctx, cancel := context.WithTimeout(r.Context(), time.Second)
		defer cancel()
		start := time.Now()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r.WithContext(ctx))
		checkProblem(t, w, 503, "in_flight")
		if got := time.Since(start); got != time.Second {
			t.Errorf("waited for %v, want 1s", got)
		}
		time.Sleep(time.Minute) // the leader's end
	})
}

func TestOtherContentDoesNotWaitForTheLeader(t *testing.T) {
	bubble(t, func(t *testing.T, l *idempotency.Leased, _ *faulty, _ *journal) {
		once := &idempotency.Middleware{Runner: l, Key: headerKey, CheckContent: true}
		h := once.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(time.Minute) }))
		go deliver(h, "evt", "ours")
		synctest.Wait()
		start := time.Now()
		checkProblem(t, deliver(h, "evt", "theirs"), 422, "mismatch")
		if got := time.Since(start); got != 0 {
			t.Errorf("waited for %v, want not at all", got)
		}
		time.Sleep(time.Minute) // the leader's end
	})
}

func TestOtherEventsDoNotWait(t *testing.T) {
	bubble(t, func(t *testing.T, l *idempotency.Leased, _ *faulty, _ *journal) {
		var atOnce, most atomic.Int64
		once := &idempotency.Middleware{Runner: l, Key: headerKey}
		h := once.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			most.Store(max(most.Load(), atOnce.Add(1)))
			time.Sleep(time.Second)
			atOnce.Add(-1)
		}))
		for i := range 10 {
			go deliver(h, fmt.Sprint(i), "")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if most.Load() != 10 {
			t.Errorf("%d handlers at once, want 10", most.Load())
		}
	})
}

// What the leader has not made durable is nobody's duplicate.
func TestFollowersOfALeaderWhoseCompletionFailedAreNotDuplicates(t *testing.T) {
	bubble(t, func(t *testing.T, l *idempotency.Leased, store *faulty, _ *journal) {
		store.before = func(_ context.Context, verb string, _ int) error {
			if verb == "complete" {
				return errBoom
			}
			return nil
		}
		once := &idempotency.Middleware{Runner: l, Key: headerKey}
		h := once.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(time.Millisecond) }))
		if diff := cmp.Diff(map[int]int{503: 10}, deliverAll(h, 10)); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
	})
}
