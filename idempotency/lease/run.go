package lease

import (
	"context"
	"errors"
	"time"

	"github.com/hookonce/hookonce/idempotency"
)

// finishTimeout bounds what is written after the work: completion and release go
// ahead when the caller's context has ended.
const finishTimeout = 10 * time.Second

// finishPauses are the pauses between attempts to record the end of the work. It is
// worth trying again: work that is done but not recorded is repeated.
var finishPauses = [...]time.Duration{50 * time.Millisecond, 250 * time.Millisecond, time.Second}

var errPanicked = errors.New("the work panicked")

// A heldLease is one leased attempt, from the claim that won to its completion or
// release.
type heldLease struct {
	runner  *Runner
	claim   Claim
	stolen  bool
	counted bool      // the claim has increased the attempts
	start   time.Time // before the claim was sent
	leased  time.Time // before the latest lease was asked for
}

// run does the work while the lease is renewed, and records how it ended.
func (l *heldLease) run(ctx context.Context, work idempotency.Work[Claim]) idempotency.Outcome {
	workCtx, cancel := context.WithCancelCause(context.WithValue(ctx, claimKey{}, l.claim))
	defer cancel(nil)
	renewal := startRenewal(ctx, l, cancel)
	defer renewal.stop()

	// A panic is not recovered, so that its value and its stack stay what they
	// are. This runs while it passes, and for runtime.Goexit.
	returned := false
	defer func() {
		if !returned {
			o := l.fail(ctx, errPanicked, renewal)
			l.observe(ctx, o.Kind, o.Err)
		}
	}()
	if l.stolen {
		l.observe(ctx, idempotency.KindStolen, nil)
	}
	l.observe(ctx, idempotency.KindClaimed, nil)
	result, err := work(workCtx, l.claim)
	returned = true
	if err != nil {
		return l.fail(ctx, err, renewal)
	}
	return l.complete(ctx, result)
}

// complete records that the work is done.
func (l *heldLease) complete(ctx context.Context, result *idempotency.Result) idempotency.Outcome {
	err := l.finish(ctx, func(ctx context.Context) error {
		return l.runner.store.Complete(ctx, l.claim, result)
	})
	if err != nil && result != nil && !errors.Is(err, idempotency.ErrLeaseLost) {
		// It may be the result that the store cannot take. The effect stands, so
		// it must not be repeated for that.
		l.observe(ctx, idempotency.KindStoreError, err)
		result = nil
		err = l.finish(ctx, func(ctx context.Context) error {
			return l.runner.store.Complete(ctx, l.claim, nil)
		})
	}
	switch {
	case err == nil:
		return idempotency.Outcome{Kind: idempotency.KindCompleted, Attempt: l.claim.Attempt, Result: result}
	case errors.Is(err, idempotency.ErrLeaseLost):
		return l.outcome(idempotency.KindLeaseLost, err)
	}
	o := unavailable("complete", err)
	o.Attempt = l.claim.Attempt
	return o
}

// fail records that the work failed because of err.
func (l *heldLease) fail(ctx context.Context, err error, renewal *renewal) idempotency.Outcome {
	answered, maxAttempts := idempotency.IsAnswer(err), l.runner.o.MaxAttempts
	f := Failure{
		Reason:  Reason(err),
		Dead:    idempotency.IsPermanent(err) || !answered && maxAttempts > 0 && l.claim.Attempt >= maxAttempts,
		Uncount: answered && l.counted,
	}
	releaseErr := l.finish(ctx, func(ctx context.Context) error {
		return l.runner.store.Release(ctx, l.claim, f)
	})
	failed := idempotency.Outcome{Kind: idempotency.KindFailed, Attempt: l.claim.Attempt, Err: err}
	switch {
	case releaseErr == nil && f.Dead:
		return l.outcome(idempotency.KindDead, failed.AsError())
	case releaseErr == nil:
		return failed
	case errors.Is(releaseErr, idempotency.ErrLeaseLost) || renewal.failed():
		// Another owner is at work, so this failure says nothing of the event.
		return l.outcome(idempotency.KindLeaseLost, failed.AsError())
	case idempotency.IsPermanent(err):
		// The sender must not stop before the event is recorded as dead.
		o := unavailable("release", releaseErr)
		o.Attempt = l.claim.Attempt
		return o
	}
	// The event is free when the lease expires.
	l.observe(ctx, idempotency.KindStoreError, releaseErr)
	return failed
}

func (l *heldLease) outcome(kind idempotency.Kind, err error) idempotency.Outcome {
	o := idempotency.OutcomeOf(kind, err)
	o.Attempt = l.claim.Attempt
	return o
}

// finish records the end of the attempt, whether or not the caller's context has
// ended, and tries again while the store fails.
func (l *heldLease) finish(ctx context.Context, write func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer cancel()
	for _, pause := range finishPauses {
		err := write(ctx)
		if err == nil || errors.Is(err, idempotency.ErrLeaseLost) || !sleep(ctx, pause) {
			return err
		}
	}
	return write(ctx)
}

func (l *heldLease) observe(ctx context.Context, kind idempotency.Kind, err error) {
	l.runner.Observe(ctx, idempotency.Event{
		Kind:     kind,
		Key:      l.claim.Key,
		Attempt:  l.claim.Attempt,
		Duration: time.Since(l.start),
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
