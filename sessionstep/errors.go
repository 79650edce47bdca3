package sessionstep

import (
	"errors"
	"net/http"
)

// Why a [Submitter] does not accept a submission. Test for them with [errors.Is].
//
// Each of the sentinels of this package has a method HTTPStatus() int that returns
// the status of its response. Package idempotency finds it in an error's tree and
// answers accordingly, without importing this package.
var (
	// ErrSessionNotFound means that there is no such session. Answered 404.
	ErrSessionNotFound = newRefusal(http.StatusNotFound, "session_not_found", "sessionstep: session not found")

	// ErrSessionNotOpen means that the session no longer takes submissions.
	// Answered 404.
	ErrSessionNotOpen = newRefusal(http.StatusNotFound, "session_not_open", "sessionstep: session not open")

	// ErrStepNotFound means that the session has no such step. Answered 404.
	ErrStepNotFound = newRefusal(http.StatusNotFound, "step_not_found", "sessionstep: step not found")

	// ErrStepNotInProgress means that the step has not begun or has ended.
	// Answered 404.
	ErrStepNotInProgress = newRefusal(http.StatusNotFound, "step_not_in_progress", "sessionstep: step not in progress")

	// ErrNotAcceptable means that the step cannot take this payload, now or
	// later. Answered 422.
	ErrNotAcceptable = newRefusal(http.StatusUnprocessableEntity, "payload_not_acceptable", "sessionstep: payload not acceptable")
)

// Why a callback is not a [Submission]. Test for them with [errors.Is].
var (
	// ErrMalformed means that the payload is not what was agreed on: not JSON,
	// of wrong types, ambiguous, or with an ID that is not a [ValidID].
	// Answered 400.
	ErrMalformed = newRefusal(http.StatusBadRequest, "malformed_callback", "sessionstep: malformed callback")

	// ErrMissingField means that a required field is absent, null or empty.
	// Answered 400.
	ErrMissingField = newRefusal(http.StatusBadRequest, "missing_field", "sessionstep: missing field")

	// ErrUnknownStatus means that the status is not an [Outcome]. Answered 422.
	ErrUnknownStatus = newRefusal(http.StatusUnprocessableEntity, "unknown_status", "sessionstep: unknown status")
)

// ErrNoResult means that the payload is news: it reports no result, so there is nothing
// to submit. Options.Decode returns it for events such as "the person has begun".
// Answered 200, since there is nothing that the sender could do better.
//
// It has a method EventIgnored() bool, which returns true. Package idempotency finds it
// in an error's tree and records the event as ignored, without importing this package.
var ErrNoResult error = &ignored{text: "sessionstep: no result in the payload"}

// An ignored is an error that the sender need not see.
type ignored struct {
	text string
	err  error // nil for ErrNoResult
}

func (e *ignored) Error() string      { return e.text }
func (e *ignored) Unwrap() error      { return e.err }
func (e *ignored) EventIgnored() bool { return true }

func isIgnored(err error) bool {
	_, ok := errors.AsType[*ignored](err)
	return ok
}

// A refusal is a sentinel with its response. It is compared by its address.
type refusal struct {
	status     int
	code, text string
}

func newRefusal(status int, code, text string) error { return &refusal{status, code, text} }

func (e *refusal) Error() string   { return e.text }
func (e *refusal) HTTPStatus() int { return e.status }
