package sqlstep

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hookonce/hookonce/sessionstep"
	"github.com/hookonce/hookonce/sessionstep/internal/join"
)

// Begin begins a step that is pending. by, a [sessionstep.ValidID], is the name of
// the caller, or the key of the event that the call follows from: it is kept in the
// history.
//
// If the step is in progress, Begin changes nothing. It returns
// [sessionstep.ErrSessionNotFound], [sessionstep.ErrSessionNotOpen],
// [sessionstep.ErrStepNotFound], or [ErrWrongState] if the step has ended or a
// required step of a stage below is not completed.
func (s *Store) Begin(ctx context.Context, session, step, by string) error {
	return s.change(ctx, CauseBegin, session, by, func(d *draft) (changed bool, err error) {
		t, err := d.openStep(step, d.state == SessionPending)
		switch {
		case err != nil:
			return false, err
		case t.State == StepInProgress:
			return false, nil
		case t.State != StepPending || !hasTurn(*t, d.steps):
			return false, ErrWrongState
		}
		t.State = StepInProgress
		return true, nil
	})
}

// Reopen puts a step that has ended back in progress, without a deadline, and the
// session back to pending if it was approved or rejected. A step that needs a review
// still does, until a submission decides it. Steps of later stages stay as they are.
// by is as for [Store.Begin].
//
// If the step is in progress and the session pending, Reopen changes nothing. It
// returns [sessionstep.ErrSessionNotFound], [sessionstep.ErrSessionNotOpen] if the
// session is cancelled, [sessionstep.ErrStepNotFound], or [ErrWrongState] if the step
// was never begun.
func (s *Store) Reopen(ctx context.Context, session, step, by string) error {
	return s.change(ctx, CauseReopen, session, by, func(d *draft) (changed bool, err error) {
		t, err := d.openStep(step, d.state == SessionPending || d.state == SessionApproved || d.state == SessionRejected)
		switch {
		case err != nil:
			return false, err
		case t.State == StepInProgress && d.state == SessionPending:
			return false, nil
		case t.State != StepInProgress && !t.State.ended():
			return false, ErrWrongState
		}
		t.State, d.state = StepInProgress, SessionPending
		return true, nil
	})
}

// SetDeadline sets the deadline of a step that has not ended, to the millisecond, or
// removes it if t is zero. by is as for [Store.Begin].
//
// It returns [sessionstep.ErrSessionNotFound], [sessionstep.ErrSessionNotOpen],
// [sessionstep.ErrStepNotFound], or [ErrWrongState] if the step has ended.
func (s *Store) SetDeadline(ctx context.Context, session, step string, t time.Time, by string) error {
	if !validDeadline(t) {
		return errors.New("sqlstep: deadline before 1970 or after 9999")
	}
	return s.change(ctx, CauseDeadline, session, by, func(d *draft) (changed bool, err error) {
		step, err := d.openStep(step, d.state == SessionPending)
		switch {
		case err != nil:
			return false, err
		case step.State != StepPending && step.State != StepInProgress:
			return false, ErrWrongState
		}
		before := step.Deadline
		step.Deadline = timeOf(millis(t))
		return !step.Deadline.Equal(before), nil
	})
}

// Cancel cancels a pending session. Its steps stay as they are, but lose their
// deadlines, and take no more submissions. by is as for [Store.Begin].
//
// If the session is cancelled, Cancel changes nothing. It returns
// [sessionstep.ErrSessionNotFound], or [sessionstep.ErrSessionNotOpen] if the session
// has ended otherwise.
func (s *Store) Cancel(ctx context.Context, session, by string) error {
	return s.end(ctx, session, SessionCancelled, CauseCancel, by)
}

// Reject rejects a pending session, as after a step that has failed or expired. The
// rest is as for [Store.Cancel], but [Store.Reopen] undoes it.
func (s *Store) Reject(ctx context.Context, session, by string) error {
	return s.end(ctx, session, SessionRejected, CauseReject, by)
}

func (s *Store) end(ctx context.Context, session string, state SessionState, cause Cause, by string) error {
	return s.change(ctx, cause, session, by, func(d *draft) (changed bool, err error) {
		switch d.state {
		case state:
			return false, nil
		case SessionPending:
			d.state = state
			return true, nil
		}
		return false, sessionstep.ErrSessionNotOpen
	})
}

// openStep returns the step of a session that must be open.
func (d *draft) openStep(name string, open bool) (*Step, error) {
	if !open {
		return nil, sessionstep.ErrSessionNotOpen
	}
	step := d.step(name)
	if step == nil {
		return nil, sessionstep.ErrStepNotFound
	}
	return step, nil
}

// change changes a session by f, which reports whether it has.
func (s *Store) change(ctx context.Context, cause Cause, session, by string, f func(*draft) (bool, error)) error {
	if !sessionstep.ValidID(by) {
		return fmt.Errorf("sqlstep: %s: by, of %d bytes, is not a valid ID: name the caller or an event, for the history", cause, len(by))
	}
	return s.transact(ctx, func(tx join.Conn) (*draft, error) {
		return s.changeIn(ctx, tx, cause, session, by, f)
	})
}

func (s *Store) changeIn(ctx context.Context, tx join.Conn, cause Cause, session, by string, f func(*draft) (bool, error)) (*draft, error) {
	if !sessionstep.ValidID(session) {
		return nil, sessionstep.ErrSessionNotFound // not every database takes such a parameter
	}
	d, err := s.load(ctx, tx, session)
	if err != nil {
		return nil, err
	}
	d.cause, d.by = cause, by
	if changed, err := f(d); err != nil || !changed {
		return nil, err
	}
	d.settle()
	return d, s.save(ctx, tx, d)
}
