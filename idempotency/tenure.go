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
var finishPauses = [...]time.Duration{50 * time.Millisecond, 250 * time.Millisecond, time.Second}

var errNotReturned = errors.New("the work panicked")

// A tenure is the time between a claim that won and the end of its attempt. It is
// the work's context.
type tenure struct {
	lazyContext
	*Leased
	lease   time.Duration
	claim   Claim
	attempt int
	stolen  bool
	start   time.Time // before the claim was sent
	renewal renewal
}

// Value implements [context.Context].
func (t *tenure) Value(key any) any {
	if _, ok := key.(attemptKey); ok {
		return Attempt{Key: t.claim.Key, Number: t.attempt, Token: t.claim.Token, Owner: t.claim.Owner}
	}
	return t.lazyContext.Value(key)
}

// run does the work while the lease is renewed, and records how it ended.
func (t *tenure) run(work Work) (*Result, error) {
	defer t.close()
	t.renewal.start(t)
	defer t.renewal.stop()

	// A panic is not recovered, so that its value and its stack stay what they
	// are. This runs while it passes, and for runtime.Goexit.
	returned := false
	defer func() {
		if !returned {
			t.release(errNotReturned)
		}
	}()
	if t.stolen {
		t.notify(EventStolen, nil)
	}
	t.notify(EventClaimed, nil)
	result, err := work(t)
	returned = true
	if err != nil {
		return nil, t.fail(err)
	}
	if err := t.complete(result); err != nil {
		return nil, err
	}
	return result, nil
}

// complete records that the work is done.
func (t *tenure) complete(result *Result) error {
	err := t.finish(func(ctx context.Context) error {
		return t.Store.Complete(ctx, t.claim, result)
	})
	switch {
	case err == nil:
		t.notify(EventCompleted, nil)
		return nil
	case errors.Is(err, ErrLeaseLost):
		t.notify(EventLost, err)
		return err
	}
	t.notify(EventStoreError, err)
	return Unavailable("complete", err)
}

// fail records that the work failed because of err, and returns what to say.
func (t *tenure) fail(err error) error {
	writeErr := t.release(err)
	switch {
	case writeErr == nil:
		return WorkError(err)
	case errors.Is(writeErr, ErrLeaseLost) || t.renewal.failed():
		// Somebody else is at it, so this failure says nothing of the event.
		return fmt.Errorf("%w: %w", ErrLeaseLost, WorkError(err))
	case IsPermanent(err):
		// Nobody may be told that the event is Dead before it is.
		return Unavailable("release", writeErr)
	}
	return WorkError(err) // the event is free when the lease has ended
}

// release records that the attempt failed because of cause.
func (t *tenure) release(cause error) error {
	f := Failure{
		Reason: Reason(cause),
		Dead:   IsPermanent(cause) || t.MaxAttempts > 0 && t.attempt >= t.MaxAttempts,
	}
	err := t.finish(func(ctx context.Context) error {
		return t.Store.Release(ctx, t.claim, f)
	})
	switch {
	case errors.Is(err, ErrLeaseLost):
		t.notify(EventLost, cause)
	case err != nil:
		t.notify(EventStoreError, err)
	case f.Dead:
		t.notify(EventDead, cause)
	default:
		t.notify(EventReleased, cause)
	}
	return err
}

// finish writes the end of the attempt, whether or not the caller's context has
// ended, and tries again while the store fails.
func (t *tenure) finish(write func(context.Context) error) error {
	ctx := &lazyContext{parent: context.WithoutCancel(t.parent), deadline: time.Now().Add(finishTimeout)}
	defer ctx.close()
	for _, pause := range finishPauses {
		err := write(ctx)
		if err == nil || errors.Is(err, ErrLeaseLost) || !sleep(ctx, pause) {
			return err
		}
	}
	return write(ctx)
}

func (t *tenure) notify(kind EventKind, err error) {
	t.Leased.notify(t.parent, t.start, Event{Kind: kind, Key: t.claim.Key, Attempt: t.attempt, Err: err})
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
