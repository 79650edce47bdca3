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
	return s.transact(ctx, func(tx join.Conn) (*draft, error) { return s.submit(ctx, tx, sub) })
}

// SubmitTx is [Store.Submit] in tx, which the caller commits. If it returns an
// error, the caller must roll tx back.
func (s *Store) SubmitTx(ctx context.Context, tx *sql.Tx, sub sessionstep.Submission) error {
	return s.in(ctx, conn{tx}, func(tx join.Conn) (*draft, error) { return s.submit(ctx, tx, sub) })
}

func (s *Store) submit(ctx context.Context, tx join.Conn, sub sessionstep.Submission) (*draft, error) {
	if err := sub.Validate(); err != nil {
		return nil, err
	}
	d, err := s.load(ctx, tx, sub.Session)
	if err != nil {
		return nil, err
	}
	step := d.step(sub.Step)
	late, refusal := s.admit(d.state, step, sub)
	if refusal != nil {
		seq, err := s.recorded(ctx, tx, sub)
		if err != nil || seq != 0 {
			return nil, err // seq: accepted earlier, and step or session have moved on
		}
		return nil, refusal
	}
	first, err := s.record(ctx, tx, sub, d.seq+1)
	if err != nil || !first {
		return nil, err
	}
	d.by = sub.Key
	d.take(step, sub.Status, late)
	d.settle()
	return d, s.save(ctx, tx, d)
}

// refuse returns why the step, nil if there is none, takes no submissions, or nil if
// it does.
func refuse(state SessionState, step *Step) error {
	switch {
	case state != SessionPending:
		return sessionstep.ErrSessionNotOpen
	case step == nil:
		return sessionstep.ErrStepNotFound
	case step.State != StepInProgress:
		return sessionstep.ErrStepNotInProgress
	}
	return nil
}

// apply moves the step as the status of a submission says. Verified and rejected also
// end the need for a review.
func (t *Step) apply(status sessionstep.Outcome) {
	t.NeedsReview = status == sessionstep.NeedsReview
	switch status {
	case sessionstep.Verified:
		t.end(StepCompleted)
	case sessionstep.Rejected:
		t.end(StepFailed)
	case sessionstep.NeedsReview:
		t.State = StepInProgress
	}
}

// record inserts sub with the seq of the change that it makes unless its key is
// there, and then reads the key's. If that is seq, sub is new: the session is locked,
// so no other submission has that number. See create for why it does not count
// affected rows.
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

// recorded returns the seq of the submission with the key of sub, or 0.
func (s *Store) recorded(ctx context.Context, tx join.Conn, sub sessionstep.Submission) (seq int64, err error) {
	args := []any{sub.Session, sub.Step, sub.Key}
	err = tx.Query(ctx, s.sql.findSubmission, args, func(row join.Row) error { return row.Scan(&seq) })
	if err != nil {
		return 0, fmt.Errorf("sqlstep: read submission: %w", err)
	}
	return seq, nil
}
