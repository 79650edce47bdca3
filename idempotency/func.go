package idempotency

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
)

// A Func processes one event. tx is what the [Runner] provides; d is the delivery, or
// the part of it that is the event if the request carries several, nil if the endpoint
// accepts unverified requests. It returns nil when the event is
// processed. An error rolls back what f did on tx, and says how to go on:
//
//   - any error: the response is 500, or the status that the error carries (see
//     [WithStatus]), and the sender retries. A serialization failure or deadlock of
//     the database is retried right away, from BEGIN. A 4xx does not count toward
//     the MaxAttempts of a runner: the work has answered, not failed.
//   - [Permanent]: the event is dead. It is not processed again until it is freed. A
//     body that can never be decoded is Permanent; add WithStatus(400, err) if the
//     sender should see it.
//   - [RetryIn]: the work is too early. It is tried again after a given time, and this was no
//     failed attempt.
//   - [ErrIgnored], or another error with a method EventIgnored() bool that returns
//     true: there is nothing to do for the event. What f wrote is committed, the event
//     is recorded, and the sender gets a 2xx.
type Func[T any] func(ctx context.Context, tx T, d *hmacverify.Delivery) error

// ByType returns a Func that calls the one that funcs has for the event's type, and
// fallback for all other types. A nil fallback ignores them, see [ErrIgnored]. It
// needs verified deliveries: without one it returns an error.
//
// A type in a header is not signed by most senders; look at the body before you rely
// on it.
func ByType[T any](funcs map[string]Func[T], fallback Func[T]) Func[T] {
	return func(ctx context.Context, tx T, d *hmacverify.Delivery) error {
		if d == nil {
			return errors.New("idempotency: ByType: the endpoint accepts unverified requests, which have no type")
		}
		if f := funcs[d.EventType()]; f != nil {
			return f(ctx, tx, d)
		}
		if fallback == nil {
			return ErrIgnored
		}
		return fallback(ctx, tx, d)
	}
}

// ErrIgnored is what a [Func] returns for an event that it has nothing to do for.
// The event is recorded as processed and the sender gets a 2xx; the observer sees
// [KindIgnored].
//
// A package that does not import this one says the same by an error of its own with a
// method EventIgnored() bool, as package sessionstep does: if it returns true anywhere
// in the tree of the error that the work returned, the event is ignored.
var ErrIgnored = errors.New("idempotency: event ignored")

// isIgnored reports whether err says that there is nothing to do for the event.
func isIgnored(err error) bool {
	if errors.Is(err, ErrIgnored) {
		return true
	}
	e, ok := errors.AsType[interface {
		error
		EventIgnored() bool
	}](err)
	return ok && e.EventIgnored()
}

// Permanent marks err as a failure that no retry can correct: the event becomes
// dead. It returns nil if err is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

// IsPermanent reports whether err was marked by [Permanent].
func IsPermanent(err error) bool {
	_, ok := errors.AsType[*permanentError](err)
	return ok
}

type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }

// RetryIn marks err, which may be nil, as a reason to try again after d: the work is too
// early, or a service has said when to try again. It is not a failed attempt: it does not
// count toward MaxAttempts, and is observed as [KindPostponed]. The sender gets 503 with a
// Retry-After of d, at most 30 s; an inbox tries again after d instead of after its Backoff.
// If d is 0 or less, the Retry-After is that of [Options], and an inbox tries again at once.
func RetryIn(d time.Duration, err error) error {
	if err == nil {
		err = errPostponed
	}
	return &retryError{err, max(d, 0)}
}

type retryError struct {
	err   error
	after time.Duration
}

func (e *retryError) Error() string        { return e.err.Error() }
func (e *retryError) Unwrap() error        { return e.err }
func (e *retryError) Is(target error) bool { return target == errPostponed }

// IsAnswer reports whether err is an answer to the sender rather than a failed
// attempt: it carries a 4xx, see [WithStatus], or is from [RetryIn], and is neither
// [Permanent] nor a sign that the time was up. Runners do not count it toward MaxAttempts.
func IsAnswer(err error) bool {
	return (statusOf(err)/100 == 4 || errors.Is(err, errPostponed)) && !IsPermanent(err) && !errors.Is(err, ErrTimeout)
}

// WithStatus returns err with the HTTP status, 400 to 599, that its response shall
// have. It returns nil if err is nil, and panics if the status is another: a 2xx
// would tell the sender to stop although nothing is recorded.
func WithStatus(status int, err error) error {
	if status < 400 || status > 599 {
		panic(fmt.Sprintf("idempotency: WithStatus(%d): not an error status", status))
	}
	if err == nil {
		return nil
	}
	return &statusError{status, err}
}

type statusError struct {
	status int
	err    error
}

func (e *statusError) Error() string { return e.err.Error() }
func (e *statusError) Unwrap() error { return e.err }

// HTTPStatus returns the status.
func (e *statusError) HTTPStatus() int { return e.status }

// statusOf returns the status that an error in err's tree carries by a method
// HTTPStatus, 0 if none does or it is not an error status.
func statusOf(err error) int {
	carrier, ok := errors.AsType[interface {
		error
		HTTPStatus() int
	}](err)
	if !ok {
		return 0
	}
	if s := carrier.HTTPStatus(); s >= 400 && s <= 599 {
		return s
	}
	return 0
}
