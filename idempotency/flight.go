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
	m  map[Key]*flight // of the leaders at work
}

type flight struct {
	done   chan struct{} // closed when the fields below are set
	fp     Fingerprint
	result *Result
	over   bool // the event is finished, by this flight or before
}

// do calls run, unless another goroutine is at work on key: then it waits for
// that one, for at most the given time. If that has finished the event it
// returns its result and [ErrDuplicate]; if not, it is the next to try.
func (f *flights) do(ctx context.Context, key Key, fp Fingerprint, wait time.Duration, run func() (*Result, error)) (*Result, error) {
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	for {
		own, leader := f.join(key, fp)
		if leader == nil {
			return f.lead(own, key, run)
		}
		select {
		case <-leader.done:
		case <-timeout.C:
			return nil, &InFlightError{}
		case <-ctx.Done():
			return nil, &InFlightError{}
		}
		if leader.over && leader.fp == fp {
			return leader.result, ErrDuplicate
		}
	}
}

// join returns the flight of key that is under way, or else one to lead.
func (f *flights) join(key Key, fp Fingerprint) (own, leader *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if leader = f.m[key]; leader != nil {
		return nil, leader
	}
	if f.m == nil {
		f.m = make(map[Key]*flight)
	}
	own = &flight{done: make(chan struct{}), fp: fp}
	f.m[key] = own
	return own, nil
}

// lead runs and tells the followers, also when run panics.
func (f *flights) lead(own *flight, key Key, run func() (*Result, error)) (result *Result, err error) {
	defer func() {
		f.mu.Lock()
		delete(f.m, key)
		f.mu.Unlock()
		close(own.done)
	}()
	result, err = run()
	own.result, own.over = result, err == nil || errors.Is(err, ErrDuplicate)
	return result, err
}
