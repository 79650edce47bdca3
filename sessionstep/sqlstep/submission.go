package sqlstep

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/hookonce/hookonce/sessionstep"
	"github.com/hookonce/hookonce/sessionstep/internal/join"
)

// Submit implements [sessionstep.Submitter]. It joins the transaction that ctx
// carries, or begins and commits one of its own.
func (s *Store) Submit(ctx context.Context, sub sessionstep.Submission) error {
	return s.transact(ctx, func(tx join.Conn) error { return s.submit(ctx, tx, sub) })
}

// SubmitTx is [Store.Submit] in tx, which the caller commits. If it returns an
// error, the caller must roll tx back.
func (s *Store) SubmitTx(ctx context.Context, tx *sql.Tx, sub sessionstep.Submission) error {
	return s.submit(ctx, conn{tx}, sub)
}

func (s *Store) submit(ctx context.Context, tx join.Conn, sub sessionstep.Submission) error {
	if err := sub.Validate(); err != nil {
		return err
	}
	state, count, err := s.lock(ctx, tx, sub.Session)
	if err != nil {
		return err
	}
	steps, err := s.steps(ctx, tx, sub.Session)
	if err != nil {
		return err
	}
	if refusal := refuse(state, steps, sub.Step); refusal != nil {
		seq, err := s.recorded(ctx, tx, sub)
		if err != nil || seq != 0 {
			return err // seq: accepted earlier, and step or session have moved on
		}
		return refusal
	}
	seq := count + 1
	first, err := s.record(ctx, tx, sub, seq)
	if err != nil || !first {
		return err
	}
	if err := s.moveStep(ctx, tx, sub); err != nil {
		return err
	}
	if completes(steps, sub) {
		state = SessionApproved
	}
	return s.moveSession(ctx, tx, sub.Session, state, seq)
}

// refuse returns why the step takes no submissions, or nil if it does.
func refuse(state SessionState, steps []Step, name string) error {
	if state != SessionPending {
		return sessionstep.ErrSessionNotOpen
	}
	for _, step := range steps {
		switch {
		case step.Name != name:
		case step.State != StepInProgress:
			return sessionstep.ErrStepNotInProgress
		default:
			return nil
		}
	}
	return sessionstep.ErrStepNotFound
}

// completes reports whether sub completes the last of the required steps.
func completes(steps []Step, sub sessionstep.Submission) bool {
	if sub.Status != sessionstep.Verified {
		return false
	}
	var required bool
	for _, step := range steps {
		switch {
		case step.Name == sub.Step:
			required = step.Required
		case step.Required && step.State != StepCompleted:
			return false
		}
	}
	return required
}

// record inserts sub as number seq of its session unless its key is there, and then
// reads the key's number. If that is seq, sub is new: the session is locked, so no
// other submission has that number. See create for why it does not count affected
// rows.
func (s *Store) record(ctx context.Context, tx join.Conn, sub sessionstep.Submission, seq int64) (first bool, err error) {
	details := sql.NullString{String: string(sub.Details), Valid: sub.Details != nil}
	if err := tx.Exec(ctx, s.sql.insertSubmission,
		sub.Session, sub.Step, sub.Key, seq, string(sub.Status), details); err != nil {
		return false, fmt.Errorf("sqlstep: insert submission: %w", err)
	}
	got, err := s.recorded(ctx, tx, sub)
	if err == nil && got == 0 {
		return false, errors.New("sqlstep: submission not found after its insertion")
	}
	return got == seq, err
}

// recorded returns the number of the submission with the key of sub, or 0.
func (s *Store) recorded(ctx context.Context, tx join.Conn, sub sessionstep.Submission) (seq int64, err error) {
	args := []any{sub.Session, sub.Step, sub.Key}
	err = tx.Query(ctx, s.sql.findSubmission, args, func(row join.Row) error { return row.Scan(&seq) })
	if err != nil {
		return 0, fmt.Errorf("sqlstep: read submission: %w", err)
	}
	return seq, nil
}

// moveStep moves the step as the submission's status says. Verified and rejected
// also end the need for a review.
func (s *Store) moveStep(ctx context.Context, tx join.Conn, sub sessionstep.Submission) error {
	state, needsReview := StepInProgress, false
	switch sub.Status {
	case sessionstep.Verified:
		state = StepCompleted
	case sessionstep.Rejected:
		state = StepFailed
	case sessionstep.NeedsReview:
		needsReview = true
	}
	if err := tx.Exec(ctx, s.sql.moveStep, string(state), needsReview, sub.Session, sub.Step); err != nil {
		return fmt.Errorf("sqlstep: update step: %w", err)
	}
	return nil
}
