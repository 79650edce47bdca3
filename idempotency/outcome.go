package idempotency

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"
)

// Why an event was not processed. Test for them with [errors.Is].
var (
	// ErrInvalidKey means that the key is empty or too long, or that the
	// delivery has none. The store was not touched.
	ErrInvalidKey = errors.New("idempotency: invalid key")

	// ErrDuplicate means that an earlier delivery completed the event, and
	// that this is durable.
	ErrDuplicate = errors.New("idempotency: event already processed")

	// ErrInFlight means that another delivery of the event is being processed.
	// It may fail, so the sender must retry.
	ErrInFlight = errors.New("idempotency: event in flight")

	// ErrMismatch means that the key was used before with other content.
	ErrMismatch = errors.New("idempotency: key used with other content")

	// ErrDead means that the event has failed permanently.
	ErrDead = errors.New("idempotency: event failed permanently")

	// ErrLeaseLost means that the lease expired and another owner has claimed
	// the key since. The work's context ends with it as its cause.
	ErrLeaseLost = errors.New("idempotency: lease lost")

	// ErrUnavailable means that the store failed, or that it is not known
	// whether the work was committed. The next delivery finds out.
	ErrUnavailable = errors.New("idempotency: store unavailable")

	// ErrTimeout means that the work did not finish within Options.Timeout.
	ErrTimeout = errors.New("idempotency: work timed out")

	// ErrOverloaded means that an [Endpoint] is processing as many deliveries
	// as it may.
	ErrOverloaded = errors.New("idempotency: too many deliveries at once")

	errPostponed        = errors.New("idempotency: work postponed")
	errResponseTooLarge = errors.New("idempotency: response larger than Options.MaxResponse")
)

// Kind says what happened to a delivery, or to an event. The values are stable: they
// are the codes of responses and fit to be the label of a metric.
type Kind string

// The kinds of outcomes. [Endpoint] lists the responses to them.
const (
	KindCompleted        Kind = "completed"
	KindIgnored          Kind = "ignored"
	KindAccepted         Kind = "accepted" // stored, to be processed later
	KindDuplicate        Kind = "duplicate"
	KindInFlight         Kind = "in_flight"
	KindMismatch         Kind = "mismatch"
	KindFailed           Kind = "failed"
	KindPostponed        Kind = "postponed" // by RetryIn
	KindTimeout          Kind = "timeout"
	KindResponseTooLarge Kind = "response_too_large"
	KindDead             Kind = "dead"
	KindInvalidKey       Kind = "invalid_key"
	KindRefused          Kind = "refused"
	KindUnavailable      Kind = "unavailable"
	KindLeaseLost        Kind = "lease_lost"
	KindOverloaded       Kind = "overloaded"
)

// The kinds of what happens on the way, for observers.
const (
	KindClaimed    Kind = "claimed"     // the work begins
	KindStolen     Kind = "stolen"      // as claimed, from an owner whose lease had expired
	KindStoreError Kind = "store_error" // a call of the store failed, and is retried or done without
	KindPurged     Kind = "purged"      // records past their retention were deleted
	KindForgotten  Kind = "forgotten"   // a record was deleted on request
)

// An Outcome is what happened to one delivery. The response, the observation and the
// log line follow from its Kind.
type Outcome struct {
	Kind Kind

	// Attempt counts the attempts at the event, this one included. 0: not
	// counted.
	Attempt int

	// Result is the work's, or for a duplicate that of the earlier delivery.
	Result *Result

	// RetryAfter is when an event that is in flight will be free, or for when its work was
	// postponed. 0: not known.
	RetryAfter time.Duration

	// Err is nil for [KindCompleted], [KindIgnored] and [KindAccepted]. It is the work's error
	// for [KindFailed], and wraps the sentinel of every other kind.
	Err error
}

// OutcomeOf returns the outcome of the given kind, whose error wraps the kind's
// sentinel and err, which may be nil. It is for implementations of [Runner].
func OutcomeOf(kind Kind, err error) Outcome {
	sentinel := kind.properties().err
	switch {
	case sentinel == nil || err != nil && errors.Is(err, sentinel):
	case err == nil:
		err = sentinel
	default:
		err = fmt.Errorf("%w: %w", sentinel, err)
	}
	return Outcome{Kind: kind, Err: err}
}

// AsError returns what a function like RunTx returns: nil if the event was
// processed, else Err. An error of the work that wraps a sentinel of this package,
// because the work used another runner, is not taken for this runner's: the sentinel
// is hidden from [errors.Is], and all else stays.
func (o Outcome) AsError() error {
	if p := kindOf(o.Err); o.Kind == KindFailed && p.err != nil && p.kind != KindPostponed {
		return &opaqueError{o.Err}
	}
	return o.Err
}

// An opaqueError is err without the sentinels of this package.
type opaqueError struct{ err error }

func (e *opaqueError) Error() string { return e.err.Error() }

// Is is for [errors.Is], which would find the sentinels through Unwrap.
func (e *opaqueError) Is(target error) bool {
	return kindOf(target).err == nil && errors.Is(e.err, target)
}

// As is for [errors.As].
func (e *opaqueError) As(target any) bool { return errors.As(e.err, target) }

// properties are what follows from a kind.
type properties struct {
	kind    Kind
	err     error      // the sentinel that stands for it
	status  int        // of the default response; 0 if the work or the sender decides
	retry   bool       // the response has a Retry-After
	level   slog.Level // of the default log line
	logged  bool
	message string // of the default log line
}

// kinds is the one table of outcomes. An error that wraps several sentinels is the
// first of them, so those after which the sender retries stand before those after
// which it may stop.
var kinds = [...]properties{
	{KindUnavailable, ErrUnavailable, http.StatusServiceUnavailable, true, slog.LevelError, true, "webhook not processed: store unavailable"},
	{KindLeaseLost, ErrLeaseLost, http.StatusServiceUnavailable, true, slog.LevelError, true, "webhook not completed: lease lost"},
	{KindInFlight, ErrInFlight, http.StatusServiceUnavailable, true, 0, false, ""},
	{KindOverloaded, ErrOverloaded, http.StatusServiceUnavailable, true, slog.LevelError, true, "webhook not processed: too many at once"},
	{KindTimeout, ErrTimeout, http.StatusServiceUnavailable, true, slog.LevelError, true, "webhook not processed: timed out"},
	{KindPostponed, errPostponed, http.StatusServiceUnavailable, true, 0, false, ""},
	{KindInvalidKey, ErrInvalidKey, http.StatusBadRequest, false, slog.LevelError, true, "webhook not processed: no usable ID"},
	{KindDuplicate, ErrDuplicate, http.StatusConflict, false, 0, false, ""},
	{KindDead, ErrDead, http.StatusConflict, false, slog.LevelError, true, "webhook is dead"},
	{KindMismatch, ErrMismatch, http.StatusUnprocessableEntity, false, slog.LevelError, true, "webhook not processed: other content under its ID"},
	{KindResponseTooLarge, errResponseTooLarge, http.StatusInternalServerError, false, slog.LevelError, true, "webhook's response too large"},
	{KindFailed, nil, http.StatusInternalServerError, false, slog.LevelError, true, "webhook failed"},
	{KindRefused, nil, 0, false, slog.LevelWarn, true, "webhook refused"},
	{KindStoreError, nil, 0, false, slog.LevelWarn, true, "webhook store error"},
	{KindCompleted, nil, 0, false, 0, false, ""},
	{KindIgnored, nil, 0, false, 0, false, ""},
	{KindAccepted, nil, 0, false, 0, false, ""},
	{KindClaimed, nil, 0, false, 0, false, ""},
	{KindStolen, nil, 0, false, 0, false, ""},
	{KindPurged, nil, 0, false, 0, false, ""},
	{KindForgotten, nil, 0, false, 0, false, ""},
}

// properties returns what follows from k; those of a failure if k is unknown.
func (k Kind) properties() *properties {
	for i := range kinds {
		if kinds[i].kind == k {
			return &kinds[i]
		}
	}
	return KindFailed.properties()
}

// kindOf returns the kind that err stands for.
func kindOf(err error) *properties {
	for i := range kinds {
		if kinds[i].err != nil && errors.Is(err, kinds[i].err) {
			return &kinds[i]
		}
	}
	return KindFailed.properties()
}
