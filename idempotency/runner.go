package idempotency

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
)

// A Runner runs the work of an event once. A sqlstore.Store is one that does it in a
// database transaction, a lease.Runner one that holds a lease on the event. T is
// what it hands to the work.
type Runner[T any] interface {
	// Run claims item.Key, calls work if the claim wins, and makes record and
	// work durable. The outcome is [KindCompleted] only when they are.
	//
	// If an earlier run has completed the event, the outcome is
	// [KindDuplicate], with that run's result. If work returns an error, its
	// effect is undone as far as the runner's mode can, the event can be
	// delivered again, and the outcome is [KindFailed] with that error, or
	// [KindDead]; so it is if the database refuses to commit what work did.
	// The other outcomes are [KindInFlight], [KindMismatch], [KindLeaseLost],
	// [KindUnavailable] and [KindInvalidKey].
	//
	// A runner may call work again, from the start, after a conflict in the
	// database rolled it back. If work panics, Run rolls back and releases,
	// reports that through Observe, and lets the panic pass.
	Run(ctx context.Context, item Item, work Work[T]) Outcome

	// Observe reports e to the runner's observer. The runner itself reports
	// what happens while it runs; the caller of Run reports the outcome.
	Observe(ctx context.Context, e Event)

	// Retention is how long the runner remembers a completed event. 0: not
	// limited, or not to be checked.
	Retention() time.Duration
}

// Run has r run the work of item, reports the outcome to r's observer, and returns
// it: an [Endpoint] without HTTP. Work can return [ErrIgnored] and [Permanent] errors,
// see [Func].
func Run[T any](ctx context.Context, r Runner[T], item Item, work Work[T]) Outcome {
	start := time.Now()
	o := process(ctx, r, item, work)
	r.Observe(ctx, Event{
		Kind:     o.Kind,
		Key:      item.Key,
		Attempt:  o.Attempt,
		Duration: time.Since(start),
		Err:      o.Err,
	})
	return o
}

// process has r run the work, and reads from the work's error what kind of outcome it
// asks for.
func process[T any](ctx context.Context, r Runner[T], item Item, work Work[T]) Outcome {
	ignored := false
	o := r.Run(ctx, item, func(ctx context.Context, tx T) (*Result, error) {
		result, err := work(ctx, tx)
		ignored = isIgnored(err)
		if ignored {
			return result, nil
		}
		return result, timedOut(ctx, err)
	})
	switch {
	case o.Kind == KindCompleted && ignored:
		o.Kind = KindIgnored
	case o.Kind == KindFailed && errors.Is(o.Err, ErrTimeout):
		o.Kind = KindTimeout
	case o.Kind == KindFailed && errors.Is(o.Err, errResponseTooLarge):
		o.Kind = KindResponseTooLarge
	case o.Kind == KindFailed && errors.Is(o.Err, errPostponed):
		o.Kind = KindPostponed
		if early, ok := errors.AsType[*retryError](o.Err); ok {
			o.RetryAfter = early.after
		}
	}
	return o
}

// timedOut marks an error by which the work says that its context has ended.
func timedOut(ctx context.Context, err error) error {
	over := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
	if !over || ctx.Err() == nil || errors.Is(context.Cause(ctx), ErrLeaseLost) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrTimeout, err)
}

// Work is what is to be done once. Its context ends when the work can no longer
// become durable. An error means that the work was not done. The result, which may
// be nil, is kept for duplicates.
type Work[T any] func(ctx context.Context, tx T) (*Result, error)

// An Item is one event to be processed.
type Item struct {
	Key Key

	// Fingerprint is that of the event's content. Zero: not checked.
	Fingerprint Fingerprint

	// Delivery is what a store that keeps payloads keeps. Nil: nothing.
	Delivery *hmacverify.Delivery
}

// A Result is a handler's response to the event, kept so that a duplicate can get it
// again.
type Result struct {
	Status      int    // HTTP status; 0 if the work was not an HTTP handler
	ContentType string // media type of Body
	Body        []byte
}
