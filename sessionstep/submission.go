package sessionstep

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// A Submission is the outcome of one step of one session.
type Submission struct {
	Session string // ID of the session
	Step    string // name of the step within the session

	// Key identifies this submission among those to the same step: the event's
	// ID. It makes a second delivery harmless. Event IDs are unique per sender
	// only: if several senders submit to the same step, let Options.Decode
	// prefix each key with the sender's name.
	Key string

	Status Outcome // the status of the callback

	// Details holds whatever else the sender reports, in JSON as it was sent.
	// nil if there is nothing.
	Details json.RawMessage
}

// Validate reports why no Submitter could accept s: [ErrMissingField],
// [ErrMalformed] if an ID or a name is not a [ValidID], [ErrUnknownStatus], or
// [ErrNotAcceptable] if Details is neither nil nor JSON in UTF-8 (RFC 8259). The
// error holds no values of s. A [Handler] validates before it submits.
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

// An Outcome is what a [Submission] reports about its step.
type Outcome string

// The outcomes. There are no others.
const (
	Verified    Outcome = "verified"     // the step is completed
	Rejected    Outcome = "rejected"     // the step has failed
	NeedsReview Outcome = "needs_review" // a person has to decide first
)

// MaxIDBytes is the longest that an ID, a name or a key may be, in bytes.
const MaxIDBytes = 255

// ValidID reports whether id can be the ID of a session, the name of a step or
// the key of a submission: 1 to [MaxIDBytes] bytes of UTF-8 without NUL and U+FFFD.
//
// PostgreSQL cannot store NUL. Decoders put U+FFFD in place of what they cannot
// read, so that different IDs become one.
func ValidID(id string) bool {
	return id != "" && len(id) <= MaxIDBytes && utf8.ValidString(id) && !strings.ContainsAny(id, "\x00\uFFFD")
}

func checkID(field, id string) error {
	switch {
	case id == "":
		return fmt.Errorf("%w: %s", ErrMissingField, field)
	case !ValidID(id):
		return fmt.Errorf("%w: %s of %d bytes is not a valid ID", ErrMalformed, field, len(id))
	}
	return nil
}

func checkStatus(s Outcome) error {
	switch s {
	case Verified, Rejected, NeedsReview:
		return nil
	case "":
		return fmt.Errorf("%w: status", ErrMissingField)
	}
	return ErrUnknownStatus
}
