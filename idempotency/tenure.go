package idempotency

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// finishTimeout bounds what is written after the work: completion and release go
// ahead when the caller's context has ended, but not for ever.
const finishTimeout = 10 * time.Second

// finishPauses are waited between the tries to write the end of an attempt. It
// is worth trying again: work that is done and not recorded as done is repeated.
var finishPauses = []time.Duration{50 * time.Millisecond, 250 * time.Millisecond, time.Second}

var errPanicked = errors.New("the work panicked")

// A tenure is the time between a claim that won and the end of its attempt.
type tenure struct {
	*Leased
	lease   time.Duration
	claim   Claim
	attempt int
	start   time.Time // of the delivery, for the observer
}

// run does the work while the lease is renewed, and records how it ended.
func (t *tenure) run(ctx context.Context, work Work) (*Result, error) {
	workCtx, end := context.WithCancelCause(ctx)
	defer end(nil)
	stopRenewing := t.keepRenewing(ctx, end)

	// A panic is not recovered, so that its value and its stack stay what they
	// are. This runs while it passes, and for runtime.Goexit.
	returned := false
	defer func() {
		if !returned {
			stopRenewing()
			t.release(ctx, errPanicked)
		}
	}()
	result, err := work(WithAttempt(workCtx, Attempt{Key: t.claim.Key, Number: t.attempt, Token: t.claim.Token}))
	returned = true

	if err == nil {
		err = t.complete(ctx, result)
	} else if errors.Is(context.Cause(workCtx), ErrLeaseLost) {
		t.notify(ctx, EventLost, err)
		err = fmt.Errorf("%w: %w", ErrLeaseLost, err)
	} else if writeErr := t.release(ctx, err); writeErr != nil && IsPermanent(err) {
		// Nobody may be told that the event is Dead before it is.
		err = Unavailable("release", writeErr)
	}
	stopRenewing()
	if err != nil {
		return nil, err
	}
	return result, nil
}

// complete records that the work is done.
func (t *tenure) complete(ctx context.Context, result *Result) error {
	err := t.finish(ctx, func(ctx context.Context) error {
		return t.Store.Complete(ctx, t.claim, result)
	})
	switch {
	case err == nil:
		t.notify(ctx, EventCompleted, nil)
		return nil
	case errors.Is(err, ErrLeaseLost):
		t.notify(ctx, EventLost, err)
		return err
	}
	t.notify(ctx, EventStoreError, err)
	return Unavailable("complete", err)
}

// release records that the attempt failed because of cause. If that cannot be
// written, the event is free all the same once the lease has ended.
func (t *tenure) release(ctx context.Context, cause error) error {
	f := Failure{
		Reason: Reason(cause),
		Dead:   IsPermanent(cause) || t.MaxAttempts > 0 && t.attempt >= t.MaxAttempts,
	}
	err := t.finish(ctx, func(ctx context.Context) error {
		return t.Store.Release(ctx, t.claim, f)
	})
	switch {
	case errors.Is(err, ErrLeaseLost):
		t.notify(ctx, EventLost, cause)
	case err != nil:
		t.notify(ctx, EventStoreError, err)
	case f.Dead:
		t.notify(ctx, EventDead, cause)
	default:
		t.notify(ctx, EventReleased, cause)
	}
	return err
}

// finish writes the end of the attempt, whether or not ctx has ended, and tries
// again while the store fails.
func (t *tenure) finish(ctx context.Context, write func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer cancel()
	for _, pause := range finishPauses {
		err := write(ctx)
		if err == nil || errors.Is(err, ErrLeaseLost) || !sleep(ctx, pause) {
			return err
		}
	}
	return write(ctx)
}

// keepRenewing renews the lease every third of its length until stop is called,
// which waits for the renewal under way. If the lease is lost, or has ended
// while the store could not be reached, it calls lost with the cause.
func (t *tenure) keepRenewing(ctx context.Context, lost context.CancelCauseFunc) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		// The lease is measured from before the store began to, so that we
		// never think that it is ours after the store thinks that it is not.
		for ends := t.start.Add(t.lease); sleep(ctx, t.lease/3); {
			sent := time.Now()
			err := t.renew(ctx)
			switch {
			case err == nil:
				ends = sent.Add(t.lease)
			case errors.Is(err, ErrLeaseLost) || !time.Now().Before(ends):
				lost(fmt.Errorf("%w: %w", ErrLeaseLost, err))
				return
			default:
				t.notify(ctx, EventStoreError, err)
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

func (t *tenure) renew(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, t.lease/3)
	defer cancel()
	return t.Store.Renew(ctx, t.claim, t.lease)
}

func (t *tenure) notify(ctx context.Context, kind EventKind, err error) {
	t.Observe.Notify(ctx, Event{
		Kind:     kind,
		Key:      t.claim.Key,
		Attempt:  t.attempt,
		Duration: time.Since(t.start),
		Err:      err,
	})
}

// sleep waits for d and reports whether it did; it stops when ctx ends.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
