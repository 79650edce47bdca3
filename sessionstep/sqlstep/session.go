package sqlstep

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/hookonce/hookonce/sessionstep"
)

// ErrSessionExists means that [Store.Create] was asked for a session whose ID is
// taken.
var ErrSessionExists = errors.New("sqlstep: session exists")

// ErrInvalidSession means that what [Store.Create] was asked for cannot be a
// session. The database was not touched.
var ErrInvalidSession = errors.New("sqlstep: invalid session")

// A Session is something that is approved when its required steps are completed.
type Session struct {
	ID        string       `json:"id"`        // see [sessionstep.ValidID]
	State     SessionState `json:"state"`     // empty means SessionPending to Create
	Steps     []Step       `json:"steps"`     // in their order; at least one
	CreatedAt time.Time    `json:"createdAt"` // by the database's clock; Create ignores it
	UpdatedAt time.Time    `json:"updatedAt"` // likewise
}

// A Step is one of the things that a session waits for.
type Step struct {
	Name        string       `json:"name"`        // unique in the session; see [sessionstep.ValidID]
	State       StepState    `json:"state"`       // empty means StepPending to Create
	Required    bool         `json:"required"`    // the session is not approved without it
	NeedsReview bool         `json:"needsReview"` // somebody has to look at it; Create ignores it
	Submissions []Submission `json:"submissions"` // in their order; Create ignores them
}

// A Submission is a [sessionstep.Submission] that was accepted.
type Submission struct {
	Key         string             `json:"key"`
	Status      sessionstep.Status `json:"status"`
	Details     json.RawMessage    `json:"details,omitempty"`
	SubmittedAt time.Time          `json:"submittedAt"` // by the database's clock
}

// SessionState is the state of a [Session].
type SessionState string

// The states of a session. Only a pending one takes submissions. The application
// may write others of its own into the table.
const (
	SessionPending   SessionState = "pending"
	SessionApproved  SessionState = "approved"  // every required step is completed
	SessionRejected  SessionState = "rejected"  // set by the application only
	SessionCancelled SessionState = "cancelled" // set by the application only
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
)

// valid returns a copy of v with its defaults filled in, or says why v cannot be
// a session.
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
	return v, nil
}

func (t Step) valid() (Step, error) {
	if !sessionstep.ValidID(t.Name) {
		return t, errors.New("name")
	}
	switch t.State {
	case StepPending, StepInProgress, StepCompleted, StepFailed:
	case "":
		t.State = StepPending
	default:
		return t, errors.New("unknown state")
	}
	return t, nil
}
