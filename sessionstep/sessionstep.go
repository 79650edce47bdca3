// Package sessionstep turns a verification service's callback into a submission
// to a step of a session.
//
// A [Handler] decodes the callback, hands it to a [Submitter], which is your
// session service, and answers in a way that the sender understands:
//
//	sessions, err := sqlstep.New(db, sqlstore.PostgreSQL, nil) // or a Submitter of your own
//	…
//	callback := &sessionstep.Handler{Submitter: sessions, Step: "identity_verification"}
//	mux.Handle("POST /webhooks/ai-verification", verifier.Handler(once.Handler(callback)))
//
// The handler trusts what it is given. Authentication is what hmacverify does in
// front of it, and that an event is applied once is what idempotency does in
// between; a Submitter that keeps the contract of its Submission's key is safe
// without the latter, too.
//
// # The callback
//
//	{"eventId": "evt_1", "sessionId": "sess_1", "status": "verified", "details": {…}}
//
// The status is verified, rejected or needs_review; details may be any JSON and
// may be absent. Fields that are not known are ignored, since senders add some
// over time. Everything else is strict, see [DecodeCallback]. Another shape of
// payload is plugged in with Handler.Decode.
//
// # The answers
//
// A submission that was accepted is answered 200 with
//
//	{"status":"success","eventId":"evt_1"}
//
// and everything else with a problem document (RFC 9457) whose code is stable
// and whose text is constant:
//
//	400  malformed_callback      [ErrMalformed]
//	400  missing_field           [ErrMissingField]
//	404  session_not_found       [ErrSessionNotFound]
//	404  session_not_open        [ErrSessionNotOpen]
//	404  step_not_found          [ErrStepNotFound]
//	404  step_not_in_progress    [ErrStepNotInProgress]
//	413  body_too_large          [net/http.MaxBytesError]
//	422  unknown_status          [ErrUnknownStatus]
//	422  payload_not_acceptable  [ErrNotAcceptable]
//	500  internal                every other error
package sessionstep

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// A Submitter submits payloads to the steps of sessions. It must be safe for
// concurrent use. Package sqlstep has one that keeps its sessions in SQL tables.
type Submitter interface {
	// Submit submits s to the step of the session that it names.
	//
	// It is atomic: it does all that the submission entails, or returns an
	// error and has done nothing, or something that the roll-back of the
	// transaction undoes. If ctx carries a transaction (such as the one of
	// sqlstore.Tx), it must work inside it and neither commit nor roll it back.
	//
	// s.Key makes it repeatable: a second submission under the key of one that
	// was accepted by that step must change nothing and return nil, whatever
	// has become of the step and the session since.
	//
	// An error that wraps one of the sentinels of this package says that s
	// cannot be accepted and decides the answer. Every other error says that it
	// could not be tried, and that the sender should come again.
	Submit(ctx context.Context, s Submission) error
}

// Why a [Submitter] does not accept a submission. Test for them with
// [errors.Is].
var (
	// ErrSessionNotFound means that there is no such session. Answered 404.
	ErrSessionNotFound = errors.New("sessionstep: session not found")

	// ErrSessionNotOpen means that the session does not take submissions any
	// more. Answered 404.
	ErrSessionNotOpen = errors.New("sessionstep: session not open")

	// ErrStepNotFound means that the session has no such step. Answered 404.
	ErrStepNotFound = errors.New("sessionstep: step not found")

	// ErrStepNotInProgress means that the step has not begun or is over.
	// Answered 404.
	ErrStepNotInProgress = errors.New("sessionstep: step not in progress")

	// ErrNotAcceptable means that the step cannot take this payload, now or
	// later. Answered 422.
	ErrNotAcceptable = errors.New("sessionstep: payload not acceptable")
)

// Why a callback is not a [Submission]. Test for them with [errors.Is].
var (
	// ErrMalformed means that the payload is not what was agreed on: no JSON,
	// wrong types, ambiguous, or an ID that cannot be one. Answered 400.
	ErrMalformed = errors.New("sessionstep: malformed callback")

	// ErrMissingField means that a required field is absent, null or empty.
	// Answered 400.
	ErrMissingField = errors.New("sessionstep: missing field")

	// ErrUnknownStatus means that the status is none of those that a
	// [Submission] may have. Answered 422.
	ErrUnknownStatus = errors.New("sessionstep: unknown status")
)

// A Submission is the outcome of one step of one session.
type Submission struct {
	Session string // ID of the session
	Step    string // name of the step within the session

	// Key tells this submission from the others to the same step: the event's
	// ID. It is what makes a second delivery harmless. IDs are the sender's: if
	// several senders submit to the same step, have Handler.Decode put each one's
	// name before them.
	Key string

	Status Status

	// Details is what the sender says beyond that, in JSON as it was sent. Nil
	// if it says nothing.
	Details json.RawMessage
}

// Validate reports why nobody could accept s: an [ErrMissingField], an
// [ErrMalformed] if a name is not a [ValidID], an [ErrUnknownStatus], or an
// [ErrNotAcceptable] if Details is neither nil nor JSON in UTF-8 (RFC 8259). The
// error holds no values. A [Handler] validates before it submits.
func (s Submission) Validate() error {
	if err := errors.Join(checkID("session", s.Session), checkID("step", s.Step), checkID("key", s.Key)); err != nil {
		return err
	}
	if err := checkStatus(s.Status); err != nil {
		return err
	}
	if s.Details != nil && !(utf8.Valid(s.Details) && json.Valid(s.Details)) {
		return fmt.Errorf("%w: details are not JSON", ErrNotAcceptable)
	}
	return nil
}

// Status is what a [Submission] says of its step.
type Status string

// The statuses. There are no others.
const (
	Verified    Status = "verified"     // the step is completed
	Rejected    Status = "rejected"     // the step has failed
	NeedsReview Status = "needs_review" // somebody has to look at it first
)

// MaxIDBytes is the length in bytes that no ID, name or key may exceed.
const MaxIDBytes = 255

// ValidID reports whether id can be the ID of a session, the name of a step or
// the key of a submission: 1 to [MaxIDBytes] bytes of UTF-8 without NUL, which
// PostgreSQL cannot store, and without U+FFFD, which decoders put in place of
// what they could not read, so that different IDs become one.
func ValidID(id string) bool {
	return id != "" && len(id) <= MaxIDBytes && utf8.ValidString(id) && !strings.ContainsAny(id, "\x00\uFFFD")
}

func checkID(field, id string) error {
	switch {
	case id == "":
		return fmt.Errorf("%w: %s", ErrMissingField, field)
	case !ValidID(id):
		return fmt.Errorf("%w: %s of %d bytes cannot be an ID", ErrMalformed, field, len(id))
	}
	return nil
}

func checkStatus(s Status) error {
	switch s {
	case Verified, Rejected, NeedsReview:
		return nil
	case "":
		return fmt.Errorf("%w: status", ErrMissingField)
	}
	return ErrUnknownStatus
}
