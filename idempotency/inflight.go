package idempotency

import (
	"context"
	"sync"
	"time"
)

// flights collapses concurrent deliveries of one event in one process, so that a
// storm of duplicates takes one connection to the store for each event and not one
// for each request. The zero flights is ready.
//
// It is not singleflight.Group: a follower must be able to stop waiting, and must
// try by itself, rather than fail too, when the leader has failed.
type flights struct {
	mu sync.Mutex
	m  map[route]*flight // of the leaders at work
}

// A route is what deliveries must have in common to fly together. Other content under
// the same key does not wait for a leader: the store refuses it, whatever becomes of
// that one.
type route struct {
	key Key
	fp  Fingerprint
}

// A flight is what a leader tells its followers.
type flight struct {
	landed  chan struct{} // closed by the leader
	outcome Outcome       // set before landed is closed; zero if the leader panicked
}

// do calls run, unless another goroutine is at work on the route: then it waits for
// that one, at most the given time. If that one has completed the event, the outcome
// is a duplicate with its result; if not, this one is the next to try.
func (f *flights) do(ctx context.Context, to route, wait time.Duration, run func() Outcome) Outcome {
	own := &flight{landed: make(chan struct{})}
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	for {
		leader := f.join(to, own)
		if leader == own {
			return f.lead(to, own, run)
		}
		select {
		case <-leader.landed:
		case <-timeout.C:
			return OutcomeOf(KindInFlight, nil)
		case <-ctx.Done():
			return OutcomeOf(KindInFlight, nil)
		}
		switch leader.outcome.Kind {
		case KindCompleted, KindIgnored, KindDuplicate:
			o := OutcomeOf(KindDuplicate, nil)
			o.Result = leader.outcome.Result
			return o
		}
	}
}

// join returns the flight that is under way, which is own if there was none.
func (f *flights) join(to route, own *flight) (leader *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if leader, ok := f.m[to]; ok {
		return leader
	}
	if f.m == nil {
		f.m = make(map[route]*flight)
	}
	f.m[to] = own
	return own
}

// lead runs and tells the followers, also when run panics.
func (f *flights) lead(to route, own *flight, run func() Outcome) Outcome {
	defer func() {
		f.mu.Lock()
		delete(f.m, to)
		f.mu.Unlock()
		close(own.landed)
	}()
	own.outcome = run()
	return own.outcome
}
