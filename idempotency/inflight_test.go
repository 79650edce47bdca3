package idempotency_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
)

// conflicting has duplicates told from first deliveries by their status.
var conflicting = answering(hmacverify.Conflict)

// sleeping is a handler that takes d of time.
func sleeping(d time.Duration) http.Handler {
	return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(d) })
}

// deliverAll sends n deliveries of evt at once and returns how often each status was
// the response; 0 is a panic. To be called in a bubble.
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

// Concurrent deliveries in one process take the store once. 64 wait, and the others
// leave room for other events.
func TestEndpoint_ConcurrentDuplicates(t *testing.T) {
	bubble(t, func(t *testing.T, g *rig) {
		h := newEndpoint(t, g.runner, idempotency.Options{Sender: answering(hmacverify.Replay)}).Wrap(
			http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				time.Sleep(time.Second)
				w.WriteHeader(http.StatusCreated)
			}))
		if diff := cmp.Diff(map[int]int{201: 65, 503: 35}, deliverAll(h, 100)); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
		checkCalls(t, g, "Claim", "Complete")
		duplicates := 0
		want := idempotency.Event{Kind: "duplicate", Endpoint: "test", Key: evt, Status: 201, Duration: time.Second}
		for _, e := range g.observed() {
			if e.Kind != "duplicate" {
				continue
			}
			duplicates++
			if diff := cmp.Diff(want, e, cmpopts.IgnoreFields(idempotency.Event{}, "Err")); diff != "" {
				t.Fatalf("follower's event (-want +got):\n%s", diff)
			}
		}
		if duplicates != 64 {
			t.Errorf("%d duplicates observed, want 64", duplicates)
		}
	})
}

// What has made the leader fail would make its followers fail as well, one after the
// other: they retry later.
func TestEndpoint_LeaderFails(t *testing.T) {
	for _, tt := range []struct {
		name   string
		leader http.HandlerFunc
		status int
	}{
		{"because it failed", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500) }, 500},
		{"because it panicked", func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, g *rig) {
				calls := 0
				h := newEndpoint(t, g.runner, idempotency.Options{Wait: 2*time.Second + 1, Sender: conflicting}).Wrap(
					http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						time.Sleep(time.Second)
						if calls++; calls == 1 {
							tt.leader(w, r)
						}
					}))
				if diff := cmp.Diff(map[int]int{tt.status: 1, 503: 9}, deliverAll(h, 10)); diff != "" {
					t.Errorf("statuses (-want +got):\n%s", diff)
				}
				if calls != 1 {
					t.Errorf("%d calls, want 1", calls)
				}
				if diff := cmp.Diff(map[int]int{200: 1, 409: 9}, deliverAll(h, 10)); diff != "" {
					t.Errorf("statuses of the retries (-want +got):\n%s", diff)
				}
				checkState(t, g.store, evt, lease.Done)
			})
		})
	}
}

// A leader that ignored the event has processed it.
func TestEndpoint_LeaderIgnores(t *testing.T) {
	bubble(t, func(t *testing.T, g *rig) {
		h := newEndpoint(t, g.runner, idempotency.Options{Sender: conflicting}).Handle(func(context.Context, lease.Claim, *hmacverify.Delivery) error {
			time.Sleep(time.Second)
			return idempotency.ErrIgnored
		})
		if diff := cmp.Diff(map[int]int{200: 1, 409: 9}, deliverAll(h, 10)); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
		checkCalls(t, g, "Claim", "Complete")
	})
}

// A follower waits for at most Wait.
func TestEndpoint_Wait(t *testing.T) {
	bubble(t, func(t *testing.T, g *rig) {
		start := time.Now()
		h := newEndpoint(t, g.runner, idempotency.Options{Wait: 1500 * time.Millisecond}).Wrap(
			http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				time.Sleep(2 * time.Second)
				w.WriteHeader(500)
			}))
		if diff := cmp.Diff(map[int]int{500: 1, 503: 9}, deliverAll(h, 10)); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
		if got := time.Since(start); got != 2*time.Second {
			t.Errorf("took %v, want 2s", got)
		}
		waited := 0
		for _, e := range g.observed() {
			if e.Kind == "in_flight" && e.Duration == 1500*time.Millisecond {
				waited++
			}
		}
		if waited != 9 {
			t.Errorf("%d were observed to wait for 1.5s, want 9", waited)
		}
	})
}

// A follower whose client has disconnected stops waiting.
func TestEndpoint_WaitWithoutClient(t *testing.T) {
	bubble(t, func(t *testing.T, g *rig) {
		h := newEndpoint(t, g.runner, idempotency.Options{Wait: time.Hour, Timeout: time.Hour}).Wrap(sleeping(time.Minute))
		go deliver(h, "evt", "")
		synctest.Wait()
		r := newDelivery("evt", "")
		ctx, cancel := context.WithTimeout(r.Context(), time.Second)
		defer cancel()
		start := time.Now()
		checkProblem(t, serve(h, r.WithContext(ctx)), 503, "in_flight")
		if got := time.Since(start); got != time.Second {
			t.Errorf("waited for %v, want 1s", got)
		}
		time.Sleep(time.Minute) // the leader's end
	})
}

// Other content under the same key does not wait for the leader.
func TestEndpoint_OtherContentDoesNotWait(t *testing.T) {
	bubble(t, func(t *testing.T, g *rig) {
		h := newEndpoint(t, g.runner, idempotency.Options{CheckContent: true, Timeout: time.Hour}).Wrap(sleeping(time.Minute))
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

func TestEndpoint_OtherEventsDoNotWait(t *testing.T) {
	bubble(t, func(t *testing.T, g *rig) {
		var atOnce, most atomic.Int64
		h := newEndpoint(t, g.runner, idempotency.Options{}).Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
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

// What the leader has not made durable is no duplicate.
func TestEndpoint_LeaderCompletionFails(t *testing.T) {
	bubble(t, func(t *testing.T, g *rig) {
		g.failing("Complete", errBoom)
		h := newEndpoint(t, g.runner, idempotency.Options{}).Wrap(sleeping(time.Millisecond))
		if diff := cmp.Diff(map[int]int{503: 10}, deliverAll(h, 10)); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
	})
}

// While a delivery is processed, a duplicate is neither a 2xx nor a 4xx, whether
// this process or another has the first (L5, L6).
func TestEndpoint_DuplicateInFlight(t *testing.T) {
	t.Parallel()
	for _, sender := range []hmacverify.Response{hmacverify.Conflict, hmacverify.Acknowledge, hmacverify.Replay} {
		synctest.Test(t, func(t *testing.T) {
			g := newRig(t)
			o := idempotency.Options{Sender: answering(sender)}
			var here http.Handler
			there := newEndpoint(t, g.runner, o).Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("processed twice") }))
			here = newEndpoint(t, g.runner, o).Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				same, other := deliver(here, "evt", ""), deliver(there, "evt", "")
				checkProblem(t, same, 503, "in_flight")
				checkProblem(t, other, 503, "in_flight")
				// The other's lease has 28 seconds left: the first duplicate waited 2.
				if a, b := same.Header().Get("Retry-After"), other.Header().Get("Retry-After"); a != "5" || b != "28" {
					t.Errorf("got Retry-After %q and %q, want 5 and 28", a, b)
				}
			}))
			checkEmpty(t, deliver(here, "evt", ""), 200, "")
		})
	}
}

// Copies of one event cannot use up MaxInFlight, and those that have stopped waiting
// leave their places to others.
func TestEndpoint_FollowersBounded(t *testing.T) {
	bubble(t, func(t *testing.T, g *rig) {
		h := newEndpoint(t, g.runner, idempotency.Options{MaxInFlight: 67, Wait: 10 * time.Second}).Wrap(
			http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if strings.HasPrefix(r.Header.Get("Event-Id"), "slow") {
					time.Sleep(25 * time.Second)
				}
			}))
		go deliver(h, "slow", "")
		synctest.Wait()
		for range 2 {
			var refused atomic.Int64
			for range 100 {
				go func() {
					start := time.Now()
					if checkProblem(t, deliver(h, "slow", ""), 503, "in_flight"); time.Since(start) == 0 {
						refused.Add(1)
					}
				}()
				synctest.Wait()
			}
			if got := refused.Load(); got != 36 {
				t.Errorf("%d of 100 copies were refused at once, want 36", got)
			}
			if w := deliver(h, "other", ""); w.Code != 200 {
				t.Errorf("another event got %d, want 200", w.Code)
			}
			time.Sleep(10 * time.Second)
			synctest.Wait()
		}
		time.Sleep(5 * time.Second) // the leader's end
	})
}
