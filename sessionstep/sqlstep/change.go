package sqlstep

import "time"

// A Change is one change of a session or of one of its steps, as [Store.History]
// returns it. Together with a change that was asked for, what follows from it is
// listed: the session that is approved, the steps that begin.
type Change struct {
	Seq  int64     `json:"seq"`            // counts from 1 in the session
	At   time.Time `json:"at"`             // by the database's clock
	Step string    `json:"step,omitempty"` // "" for a change of the session itself

	// From and To are the states before and after, a SessionState or a StepState.
	// They are the same if the step did not move.
	From string `json:"from"`
	To   string `json:"to"`

	NeedsReview bool  `json:"needsReview"` // of the step, after the change
	Cause       Cause `json:"cause"`

	// By is the key of the submission, or the name that was given to the method which
	// made the change. "" for an expiry.
	By string `json:"by"`
}

// A Cause is why a session or a step has changed.
type Cause string

// The causes. A change of a session has that of the step that it follows from.
const (
	CauseSubmission Cause = "submission" // a submission to a step in progress
	CauseLate       Cause = "late"       // a submission that Options.Late has admitted
	CauseTurn       Cause = "turn"       // the required steps of the stages below are completed
	CauseBegin      Cause = "begin"      // Begin
	CauseReopen     Cause = "reopen"     // Reopen
	CauseDeadline   Cause = "deadline"   // SetDeadline
	CauseExpiry     Cause = "expiry"     // Expire
	CauseReject     Cause = "reject"     // Reject
	CauseCancel     Cause = "cancel"     // Cancel
)

// A draft is a locked session as one call changes it. Methods change it in memory
// only; [Store.save] writes what is different in the end.
type draft struct {
	id    string
	state SessionState
	steps []Step
	due   map[string]bool // the steps whose deadline has passed
	seq   int64           // of the last change

	wasState SessionState
	wasSteps []Step

	cause    Cause
	by       string
	subjects map[string]bool // the steps that the call is about
	applied  bool            // whether it moves them, as the event says
}

// step returns the step of the name, or nil, and makes it a subject.
func (d *draft) step(name string) *Step {
	for i := range d.steps {
		if d.steps[i].Name == name {
			d.subjects[name] = true
			return &d.steps[i]
		}
	}
	return nil
}

// end ends the step.
func (t *Step) end(state StepState) { t.State, t.Deadline = state, time.Time{} }

// settle does what follows from the moves of steps.
func (d *draft) settle() {
	if d.state == SessionPending && completed(d.steps) && d.applied && d.ended() {
		d.state = SessionApproved
	}
	beginNext(d.state, d.steps)
	for i := range d.steps {
		if d.state != SessionPending {
			d.steps[i].Deadline = time.Time{}
		}
	}
}

// ended reports whether one of the subjects has ended.
func (d *draft) ended() bool {
	for _, step := range d.steps {
		if d.subjects[step.Name] && step.State.ended() {
			return true
		}
	}
	return false
}

// completed reports whether all required steps are completed, and there are any.
func completed(steps []Step) bool {
	some := false
	for _, step := range steps {
		if step.Required && step.State != StepCompleted {
			return false
		}
		some = some || step.Required
	}
	return some
}

// beginNext begins the steps whose turn has come in a session in the state.
func beginNext(state SessionState, steps []Step) {
	if state != SessionPending {
		return
	}
	for i := range steps {
		if t := &steps[i]; t.State == StepPending && t.Stage > 0 && hasTurn(*t, steps) {
			t.State = StepInProgress
		}
	}
}

// hasTurn reports whether all required steps of the stages below that of t are
// completed.
//
// This is all the order there is. Conditions, branches and loops would make it a
// workflow engine: begin such steps with [Store.Begin], when your own code says so.
func hasTurn(t Step, steps []Step) bool {
	for _, other := range steps {
		if other.Required && other.Stage < t.Stage && other.State != StepCompleted {
			return false
		}
	}
	return true
}

// changes returns what is different: the subjects first, and then what follows.
func (d *draft) changes() (changes []Change) {
	for _, subject := range []bool{true, false} {
		for i, step := range d.steps {
			was := d.wasSteps[i]
			if d.subjects[step.Name] != subject || !subject && step.State == was.State {
				continue
			}
			c := Change{Step: step.Name, From: string(was.State), To: string(step.State), NeedsReview: step.NeedsReview, Cause: d.cause, By: d.by}
			if !subject {
				c.Cause = CauseTurn
			}
			changes = append(changes, c)
		}
		if subject && d.state != d.wasState {
			changes = append(changes, Change{From: string(d.wasState), To: string(d.state), Cause: d.cause, By: d.by})
		}
	}
	for i := range changes {
		changes[i].Seq = d.seq + int64(i) + 1
	}
	return changes
}
