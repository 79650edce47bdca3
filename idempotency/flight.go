package idempotency

import (
	"context"
	"errors"
	"sync"
	"time"
)

// flights collapses concurrent deliveries of one event in one process, so that a
// storm of duplicates takes one connection to the store for each event and not
// one for each request. The zero flights is ready.
//
// It is not singleflight.Group: a follower must be able to stop waiting, and
// must try for itself, rather than fail too, when the leader has failed.
type flights struct {
	mu sync.Mutex
	m  map[route]*flight // of the leaders at work
}

// A route is what deliveries must have in common to fly together. Other content
// under the same key does not wait for a leader: the store refuses it, whatever
// becomes of that one.
type route struct {
	key Key
	fp  Fingerprint
}

// A flight is what a leader tells its followers. The zero flight is ready.
type flight struct {
	done   chan struct{} // made by the first follower, closed by the leader
	result *Result       // result and over are set before done is closed
	over   bool          // the event is finished, by this flight or before
}

// do calls run, unless another goroutine is at work on the route: then it waits
// for that one, for at most the given time. If that has finished the event it
// returns its result and [ErrDuplicate]; if not, it is the next to try. It is
// own that others follow then.
func (f *flights) do(ctx context.Context, to route, own *flight, wait time.Duration, run func() (*Result, error)) (*Result, error) {
	leader, done := f.join(to, own)
	if leader == own {
		return f.lead(to, own, run)
	}
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	for leader != own {
		select {
		case <-done:
		case <-timeout.C:
			return nil, &InFlightError{}
		case <-ctx.Done():
			return nil, &InFlightError{}
		}
		if leader.over {
			return leader.result, ErrDuplicate
		}
		leader, done = f.join(to, own)
	}
	return f.lead(to, own, run)
}

// join returns the flight that is under way, which is own if there was none, and
// the channel that tells its followers of its end.
func (f *flights) join(to route, own *flight) (leader *flight, done <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	leader = f.m[to]
	if leader == nil {
		if f.m == nil {
			f.m = make(map[route]*flight)
		}
		f.m[to] = own
		return own, nil
	}
	if leader.done == nil {
		leader.done = make(chan struct{})
	}
	return leader, leader.done
}

// lead runs and tells the followers, also when run panics.
func (f *flights) lead(to route, own *flight, run func() (*Result, error)) (result *Result, err error) {
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.m, to)
		if own.done != nil {
			close(own.done)
		}
	}()
	result, err = run()
	own.result, own.over = result, err == nil || errors.Is(err, ErrDuplicate)
	return result, err
}
