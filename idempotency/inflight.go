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
// It is not singleflight.Group: a follower must be able to stop waiting, and a leader
// that hangs must be able to let its followers go.
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

func routeOf(item Item) route { return route{item.Key, item.Fingerprint} }

// maxFollowers bounds the deliveries of one event that wait for their leader, so that
// copies of one event leave room for others in Options.MaxInFlight.
const maxFollowers = 64

// A flight is what a leader tells its followers.
type flight struct {
	followers int           // guarded by flights.mu
	landed    chan struct{} // closed by the leader
	outcome   Outcome       // set before landed is closed; zero if the leader panicked or hangs
}

// do calls run, unless another goroutine is at work on the route: then it waits for
// that one, at most the given time. If that one has completed the event, the outcome
// is a duplicate with its result. If not, it is KindInFlight: what has made the leader
// fail would make its followers fail as well, so their senders retry later.
func (f *flights) do(ctx context.Context, to route, wait time.Duration, run func(land func()) Outcome) Outcome {
	own := &flight{landed: make(chan struct{})}
	leader, full := f.join(to, own)
	switch {
	case leader == own:
		return f.lead(to, own, run)
	case full:
		return OutcomeOf(KindInFlight, nil)
	}
	defer f.leave(leader)
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	select {
	case <-leader.landed:
	case <-timeout.C:
		return OutcomeOf(KindInFlight, nil)
	case <-ctx.Done():
		return OutcomeOf(KindInFlight, nil)
	}
	kind := KindInFlight
	switch leader.outcome.Kind {
	case KindCompleted, KindIgnored, KindAccepted, KindDuplicate:
		kind = KindDuplicate
	}
	o := OutcomeOf(kind, nil)
	o.Result, o.RetryAfter = leader.outcome.Result, leader.outcome.RetryAfter
	return o
}

// join returns the flight that is under way, which is own if there was none. It is
// full if no more may wait for it.
func (f *flights) join(to route, own *flight) (leader *flight, full bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if leader, ok := f.m[to]; ok {
		if leader.followers >= maxFollowers {
			return leader, true
		}
		leader.followers++
		return leader, false
	}
	if f.m == nil {
		f.m = make(map[route]*flight)
	}
	f.m[to] = own
	return own, false
}

func (f *flights) leave(leader *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	leader.followers--
}

// lead runs and tells the followers, also when run panics. run may land the flight
// before it returns.
func (f *flights) lead(to route, own *flight, run func(land func()) Outcome) (o Outcome) {
	defer func() { f.land(to, own, o) }()
	return run(func() { f.land(to, own, Outcome{}) })
}

// land ends the flight, unless it has ended: its followers learn the outcome, and the
// next delivery leads.
func (f *flights) land(to route, own *flight, o Outcome) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.m[to] == own {
		delete(f.m, to)
		own.outcome = o
		close(own.landed)
	}
}
