package lease

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hookonce/hookonce/idempotency"
)

// grace is how long after its deadline work may take to notice, and is renewed.
const grace = 2 * time.Second

var errRenewalPanicked = errors.New("its renewal panicked")

// A renewal keeps a lease from expiring while the work runs. Work that takes less
// than a third of its lease costs a timer and no goroutine.
type renewal struct {
	lease  *heldLease
	late   time.Time       // when it ends though the work runs; zero: never
	ctx    context.Context // not canceled with the caller's
	cancel context.CancelFunc
	lose   context.CancelCauseFunc // ends the work
	timer  *time.Timer
	ended  sync.WaitGroup // the goroutine, once the timer has started it

	mu       sync.Mutex
	lost     bool
	panicked any // what the store or the observer panicked with
}

// startRenewal renews l until stop is called. It ends the work with lose if the
// lease is lost.
func startRenewal(ctx context.Context, l *heldLease, lose context.CancelCauseFunc) *renewal {
	r := &renewal{lease: l, lose: lose}
	if deadline, ok := ctx.Deadline(); ok {
		r.late = deadline.Add(grace)
	}
	r.ctx, r.cancel = context.WithCancel(context.WithoutCancel(ctx))
	r.ended.Add(1)
	r.timer = time.AfterFunc(time.Until(l.leased.Add(l.runner.o.Lease/3)), r.run)
	return r
}

// stop ends the renewals and waits for one that is under way. A panic in a renewal
// continues here, where the runner's caller can recover it.
func (r *renewal) stop() {
	r.cancel()
	if r.timer.Stop() {
		return // it never ran
	}
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
	defer func() {
		if p := recover(); p != nil {
			r.fail(errRenewalPanicked, p)
		}
	}()
	if err := r.untilLost(); err != nil {
		r.fail(err, nil)
	}
}

// fail ends the work, as its lease is no longer renewed.
func (r *renewal) fail(why error, panicked any) {
	r.mu.Lock()
	r.lost, r.panicked = true, panicked
	r.mu.Unlock()
	r.lose(fmt.Errorf("%w: %w", idempotency.ErrLeaseLost, why))
}

// untilLost renews the lease until the work has ended or the lease is lost, and
// returns why it is lost. Work that ignores its deadline is left to the end of its
// lease, when another can take over.
func (r *renewal) untilLost() error {
	length := r.lease.runner.o.Lease
	// The lease is measured from before the store was called, so that it never
	// counts as ours when it has expired for the store.
	expires := r.lease.leased.Add(length)
	for r.late.IsZero() || time.Now().Before(r.late) {
		sent := time.Now()
		err := r.once(expires)
		pause := length / 3
		switch {
		case r.ctx.Err() != nil:
			return nil
		case err == nil:
			expires = sent.Add(length)
		case errors.Is(err, idempotency.ErrLeaseLost) || !time.Now().Before(expires):
			return err
		default:
			r.lease.observe(r.ctx, idempotency.KindStoreError, err)
			pause = min(length/9, time.Until(expires))
		}
		if !sleep(r.ctx, pause) {
			return nil
		}
	}
	return nil
}

// once calls the store once, for at most as long as the lease lasts.
func (r *renewal) once(expires time.Time) error {
	length := r.lease.runner.o.Lease
	timeout := length / 3
	if left := time.Until(expires); left > 0 {
		timeout = min(timeout, left)
	}
	ctx, cancel := context.WithTimeout(r.ctx, timeout)
	defer cancel()
	return r.lease.runner.store.Renew(ctx, r.lease.claim, length)
}
