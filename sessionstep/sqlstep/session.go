package sqlstep

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/hookonce/hookonce/sessionstep"
)

// ErrSessionExists means that the ID given to [Store.Create] is taken.
var ErrSessionExists = errors.New("sqlstep: session exists")

// ErrInvalidSession means that [Store.Create] was called with a session that is not
// valid. The database was not touched.
var ErrInvalidSession = errors.New("sqlstep: invalid session")

// ErrWrongState means that a step cannot be moved as asked from the state that it is
// in, or that its turn has not come.
var ErrWrongState = errors.New("sqlstep: not possible in the step's state")

// A Session is approved when all of its required steps are completed.
type Session struct {
	ID        string       `json:"id"`        // see [sessionstep.ValidID]
	State     SessionState `json:"state"`     // default in Create: SessionPending
	Steps     []Step       `json:"steps"`     // in order; at least one
	CreatedAt time.Time    `json:"createdAt"` // by the database's clock; Create ignores it
	UpdatedAt time.Time    `json:"updatedAt"` // likewise
}

// A Step is one part of a [Session].
type Step struct {
	Name        string       `json:"name"`        // unique in the session; see [sessionstep.ValidID]
	State       StepState    `json:"state"`       // default in Create: StepPending
	Required    bool         `json:"required"`    // for the session to be approved
	NeedsReview bool         `json:"needsReview"` // a person has to decide; Create ignores it
	Submissions []Submission `json:"submissions"` // in order; Create ignores them

	// Stage orders the steps; those of one stage are taken in parallel. A pending step
	// of a stage above 0 begins by itself as soon as all required steps of the stages
	// below are completed; one of stage 0 begins in Create, by its State, or by
	// [Store.Begin]. Default: 0.
	Stage int `json:"stage,omitempty"`

	// Deadline is when [Store.Expire] may expire the step, to the millisecond. It is
	// removed when the step ends. Default: none.
	Deadline time.Time `json:"deadline,omitzero"`
}

// A Submission is a [sessionstep.Submission] that was accepted.
type Submission struct {
	Key         string              `json:"key"`
	Status      sessionstep.Outcome `json:"status"`
	Details     json.RawMessage     `json:"details,omitempty"`
	SubmittedAt time.Time           `json:"submittedAt"` // by the database's clock
}

// SessionState is the state of a [Session].
type SessionState string

// The states of a session. Only a pending one takes submissions. The application
// may write others of its own into the table.
const (
	SessionPending   SessionState = "pending"
	SessionApproved  SessionState = "approved"  // every required step is completed
	SessionRejected  SessionState = "rejected"  // by Reject
	SessionCancelled SessionState = "cancelled" // by Cancel
)

// StepState is the state of a [Step].
type StepState string

// The states of a step. Only one that is in progress takes submissions. The
// application may write others of its own into the table.
const (
	StepPending    StepState = "pending" // not begun
	StepInProgress StepState = "in_progress"
	StepCompleted  StepState = "completed"
	StepFailed     StepState = "failed"
	StepExpired    StepState = "expired" // by Expire
)

// ended reports whether a step in the state is over.
func (s StepState) ended() bool {
	return s == StepCompleted || s == StepFailed || s == StepExpired
}

// valid returns a copy of v with its defaults filled in, or why v is not valid.
func (v Session) valid() (Session, error) {
	if !sessionstep.ValidID(v.ID) {
		return v, fmt.Errorf("%w: ID", ErrInvalidSession)
	}
	switch v.State {
	case SessionPending, SessionApproved, SessionRejected, SessionCancelled:
	case "":
		v.State = SessionPending
	default:
		return v, fmt.Errorf("%w: unknown state", ErrInvalidSession)
	}
	if len(v.Steps) == 0 {
		return v, fmt.Errorf("%w: no steps", ErrInvalidSession)
	}
	names := make(map[string]bool)
	steps := make([]Step, len(v.Steps))
	for i, step := range v.Steps {
		if names[step.Name] {
			return v, fmt.Errorf("%w: step %d: name occurs twice", ErrInvalidSession, i)
		}
		names[step.Name] = true
		var err error
		if steps[i], err = step.valid(); err != nil {
			return v, fmt.Errorf("%w: step %d: %w", ErrInvalidSession, i, err)
		}
	}
	v.Steps = steps
	beginNext(v.State, v.Steps)
	return v, nil
}

func (t Step) valid() (Step, error) {
	if !sessionstep.ValidID(t.Name) {
		return t, errors.New("name")
	}
	switch t.State {
	case StepPending, StepInProgress, StepCompleted, StepFailed, StepExpired:
	case "":
		t.State = StepPending
	default:
		return t, errors.New("unknown state")
	}
	if t.Stage < 0 {
		return t, errors.New("negative stage")
	}
	if !validDeadline(t.Deadline) {
		return t, errors.New("deadline before 1970 or after 9999")
	}
	if t.State.ended() {
		t.Deadline = time.Time{}
	}
	t.NeedsReview = false
	return t, nil
}

// validDeadline reports whether every database can keep t.
func validDeadline(t time.Time) bool {
	return t.IsZero() || t.Unix() >= 0 && t.UTC().Year() <= 9999
}
