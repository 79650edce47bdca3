package idempotency

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// What a [Runner] says of a delivery whose work it did not run, or whose work did
// not become durable. Test for them with [errors.Is].
var (
	// ErrInvalidKey means that the key is empty or too long. The store was not
	// touched.
	ErrInvalidKey = errors.New("idempotency: invalid key")

	// ErrDuplicate means that the event was finished by an earlier delivery,
	// and that this is durable.
	ErrDuplicate = errors.New("idempotency: event already done")

	// ErrInFlight means that another delivery of the event is being worked on.
	// It may fail, so the sender must come again. See [InFlightError].
	ErrInFlight = errors.New("idempotency: event in flight")

	// ErrMismatch means that the key was used before with other content.
	ErrMismatch = errors.New("idempotency: key used with other content")

	// ErrDead means that the event has failed for good.
	ErrDead = errors.New("idempotency: event failed for good")

	// ErrLeaseLost means that the claim is no longer this owner's: its lease
	// ended and somebody else has claimed the key since. It is also the cause
	// with which the work's context ends.
	ErrLeaseLost = errors.New("idempotency: lease lost")

	// ErrUnavailable means that the store failed, or that it is not known
	// whether the work was committed. The next delivery finds out.
	ErrUnavailable = errors.New("idempotency: store unavailable")
)

// An InFlightError is an [ErrInFlight] that knows when to come again.
type InFlightError struct {
	RetryAfter time.Duration // zero if not known
}

func (e *InFlightError) Error() string { return ErrInFlight.Error() }

// Is reports whether target is [ErrInFlight].
func (e *InFlightError) Is(target error) bool { return target == ErrInFlight }

// Unavailable wraps err, which the store met while doing what, in
// [ErrUnavailable]. It is for implementations of [Runner].
func Unavailable(what string, err error) error {
	return fmt.Errorf("%w: %s: %w", ErrUnavailable, what, err)
}

// verdicts are the errors by which a [Runner] speaks for itself. The first that
// an error wraps is what it says.
var verdicts = [...]error{
	ErrUnavailable, ErrLeaseLost, ErrInFlight, ErrInvalidKey, ErrDuplicate, ErrDead, ErrMismatch,
}

func isVerdict(err error) bool {
	for _, v := range verdicts {
		if errors.Is(err, v) {
			return true
		}
	}
	return false
}

// WorkError returns err, which work has returned to its [Runner], as the error
// of Run: one that is not taken for what the runner itself says. Work that used
// another runner may well return [ErrDuplicate] though its own event is not done.
// It returns err itself unless err wraps such an error. It is for
// implementations of [Runner].
func WorkError(err error) error {
	if err == nil || !isVerdict(err) {
		return err
	}
	opaque := errors.New(err.Error())
	if IsPermanent(err) {
		return Permanent(opaque)
	}
	return opaque
}

// Permanent marks err as a failure that no further attempt can mend: the event
// becomes Dead. It returns nil if err is nil.
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

// Reason returns the text of err as a store keeps it: valid UTF-8 without NUL,
// of at most [MaxReasonBytes].
func Reason(err error) string {
	s := strings.ReplaceAll(strings.ToValidUTF8(err.Error(), "\uFFFD"), "\x00", "\uFFFD")
	if len(s) <= MaxReasonBytes {
		return s
	}
	s = s[:MaxReasonBytes]
	for !utf8.ValidString(s) {
		s = s[:len(s)-1] // at most three times: a rune was cut
	}
	return s
}
