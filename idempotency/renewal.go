package idempotency

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

var errRenewalPanicked = errors.New("its renewal panicked")

// A renewal keeps a lease from ending while the work runs. Work that takes less
// than a third of its lease costs a timer and no goroutine.
type renewal struct {
	tenure *tenure
	timer  *time.Timer
	ended  sync.WaitGroup // the goroutine, once the timer has started it

	mu       sync.Mutex
	stopped  bool
	lost     bool
	panicked any                // what the store or the observer panicked with
	cancel   context.CancelFunc // ends the pause or the call to the store
}

func (r *renewal) start(t *tenure) {
	r.tenure = t
	r.ended.Add(1)
	r.timer = time.AfterFunc(t.lease/3, r.run)
}

// stop ends the renewals and waits for one that is under way. A panic of theirs
// goes on here, where whoever called the runner can recover it.
func (r *renewal) stop() {
	if r.timer.Stop() {
		return // it never ran
	}
	r.mu.Lock()
	r.stopped = true
	if r.cancel != nil {
		r.cancel()
	}
	r.mu.Unlock()
	r.ended.Wait()
	if r.panicked != nil {
		panic(r.panicked)
	}
}

// failed reports whether the lease was lost, or could not be renewed in time.
func (r *renewal) failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lost
}

func (r *renewal) run() {
	defer r.ended.Done()
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.tenure.parent))
	defer cancel()
	r.mu.Lock()
	r.cancel = cancel
	stopped := r.stopped
	r.mu.Unlock()
	if stopped {
		return
	}
	defer func() {
		if p := recover(); p != nil {
			r.lose(errRenewalPanicked, p)
		}
	}()
	if err := r.untilLost(ctx); err != nil {
		r.lose(err, nil)
	}
}

// lose ends the work, as nobody renews its lease any more.
func (r *renewal) lose(why error, panicked any) {
	r.mu.Lock()
	r.lost, r.panicked = true, panicked
	r.mu.Unlock()
	r.tenure.cancel(fmt.Errorf("%w: %w", ErrLeaseLost, why))
}

// untilLost renews the lease until ctx ends or the lease is lost, and returns
// why it is.
func (r *renewal) untilLost(ctx context.Context) error {
	t := r.tenure
	// The lease is measured from before the store began to, so that we never
	// think that it is ours when the store thinks that it is not.
	ends := t.start.Add(t.lease)
	for {
		sent := time.Now()
		err := r.once(ctx, ends)
		pause := t.lease / 3
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			ends = sent.Add(t.lease)
		case errors.Is(err, ErrLeaseLost) || !time.Now().Before(ends):
			return err
		default:
			t.notify(EventStoreError, err)
			pause = min(t.lease/9, time.Until(ends))
		}
		if !sleep(ctx, pause) {
			return nil
		}
	}
}

// once asks the store once, until the lease ends if that is still to come.
func (r *renewal) once(ctx context.Context, ends time.Time) error {
	timeout := r.tenure.lease / 3
	if left := time.Until(ends); left > 0 {
		timeout = min(timeout, left)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return r.tenure.Store.Renew(ctx, r.tenure.claim, r.tenure.lease)
}
