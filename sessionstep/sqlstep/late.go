package sqlstep

import (
	"fmt"

	"github.com/hookonce/hookonce/sessionstep"
)

// Late is what becomes of a submission that is late: its step has ended, or its
// session is not pending. It is what Options.Late returns. Whatever the rule is, a
// key that was accepted before changes nothing.
type Late string

const (
	// LateRefuse refuses it, with [sessionstep.ErrStepNotInProgress] or
	// [sessionstep.ErrSessionNotOpen].
	LateRefuse Late = ""

	// LateRecord accepts it and moves nothing. It is listed among the step's
	// submissions and in the history.
	LateRecord Late = "record"

	// LateReview accepts it, moves nothing, and marks the step for review unless the
	// submission says what the step's state says. Decide with Reopen, and then Submit.
	LateReview Late = "review"

	// LateReopen accepts it and moves the step as if it were in progress. An approved
	// session is pending again, unless all its required steps are completed then.
	//
	// A sender that does not keep its results in order can so undo a newer one by an
	// older one.
	LateReopen Late = "reopen"
)

// admit reports by which rule the step takes the submission, or why it does not.
func (s *Store) admit(state SessionState, step *Step, sub sessionstep.Submission) (Late, error) {
	refusal := refuse(state, step)
	late := step != nil && (state != SessionPending || step.State.ended())
	if refusal == nil || !late || s.late == nil {
		return LateRefuse, refusal
	}
	switch rule := s.late(state, *step, sub); rule {
	case LateRefuse:
		return rule, refusal
	case LateRecord, LateReview, LateReopen:
		return rule, nil
	default:
		return rule, fmt.Errorf("sqlstep: Options.Late returned %q: return one of the constants of type Late", rule)
	}
}

// take changes the step as a submission of the status does.
//
// A late one moves nothing in a session that was rejected or cancelled, and no step
// that was never begun.
func (d *draft) take(step *Step, status sessionstep.Outcome, late Late) {
	d.cause = CauseSubmission
	if late != LateRefuse {
		d.cause = CauseLate
	}
	begun := step.State == StepInProgress || step.State.ended()
	open := d.state == SessionPending || d.state == SessionApproved
	switch {
	case late == LateRecord || !begun || !open:
	case late == LateReview:
		step.NeedsReview = step.NeedsReview || !agree(step.State, status)
	default:
		d.applied, d.state = true, SessionPending // settle approves it again, if it is to
		step.apply(status)
	}
}

// agree reports whether a submission of the status says what the step's state says.
func agree(state StepState, status sessionstep.Outcome) bool {
	return state == StepCompleted && status == sessionstep.Verified ||
		state == StepFailed && status == sessionstep.Rejected
}
