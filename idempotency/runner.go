package idempotency

import "context"

// A Runner runs the work of an event once. [Leased] is one, over any [Store];
// sqlstore has one that does it in a database transaction.
type Runner interface {
	// Run claims key, calls work if the claim wins, and makes record and work
	// durable. It returns nil only when they are.
	//
	// If an earlier run has finished the event, Run returns that run's result
	// (nil if none was kept) and [ErrDuplicate]. If work returns an error, its
	// effect is undone as far as the runner's mode can, the event can be
	// delivered again, and Run returns that error, see [WorkError]. Every other
	// error wraps one of [ErrInvalidKey], [ErrInFlight], [ErrMismatch],
	// [ErrDead], [ErrLeaseLost] and [ErrUnavailable]; no error of work does.
	//
	// A runner may call work again, from the start, after a conflict in the
	// database undid it. If work panics, Run undoes and releases first and then
	// panics with the same value.
	Run(ctx context.Context, key Key, fp Fingerprint, work Work) (*Result, error)
}

// Work is what is to be done once. The context that it gets carries the
// [Attempt] and, depending on the runner, the transaction; it ends when the work
// can no longer become durable. A non-nil error means that the work was not
// done. The result, which may be nil, is kept for duplicates.
type Work func(ctx context.Context) (*Result, error)

// An Attempt is one try at the work of an event.
//
// The Token grows with every claim of the event while its record is kept; after the
// record was purged it begins at 1 again. Whoever compares tokens must not keep
// them for longer than the store keeps records.
type Attempt struct {
	Key    Key
	Number int   // counts from 1; 0 if the runner does not count
	Token  int64 // the fencing token; 0 if the record and the work commit together
	Owner  Owner // of the claim; zero if the record and the work commit together
}

// AttemptFrom returns the attempt that ctx belongs to; ok is false outside of a
// [Runner].
func AttemptFrom(ctx context.Context) (a Attempt, ok bool) {
	a, ok = ctx.Value(attemptKey{}).(Attempt)
	return a, ok
}

// WithAttempt returns a context that carries a. It is for implementations of
// [Runner].
func WithAttempt(ctx context.Context, a Attempt) context.Context {
	return context.WithValue(ctx, attemptKey{}, a)
}

type attemptKey struct{}
