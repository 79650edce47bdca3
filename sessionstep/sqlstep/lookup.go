package sqlstep

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/hookonce/hookonce/sessionstep"
	"github.com/hookonce/hookonce/sessionstep/internal/join"
)

// Session returns the session with its steps and their submissions, all of one
// moment. It returns [sessionstep.ErrSessionNotFound] if there is none.
func (s *Store) Session(ctx context.Context, id string) (Session, error) {
	v := Session{ID: id}
	found := false
	err := s.reader(ctx).Query(ctx, s.sql.findSession, []any{id}, func(row join.Row) error {
		found = true
		return v.add(row)
	})
	if err != nil {
		return Session{}, fmt.Errorf("sqlstep: read session: %w", err)
	}
	if !found {
		return Session{}, sessionstep.ErrSessionNotFound
	}
	return v, nil
}

// add adds a row of findSession: the session, one of its steps, and one of that
// step's submissions. The rows are in the order of steps and submissions.
func (v *Session) add(r join.Row) error {
	var created, updated int64
	var name, state, key, status, details sql.NullString
	var required, needsReview sql.NullBool
	var stage, deadline, submitted sql.NullInt64
	if err := r.Scan(
		(*string)(&v.State), &created, &updated,
		&name, &stage, &required, &state, &needsReview, &deadline,
		&key, &status, &details, &submitted,
	); err != nil {
		return err
	}
	v.CreatedAt, v.UpdatedAt = time.UnixMilli(created).UTC(), time.UnixMilli(updated).UTC()
	if !name.Valid {
		return nil // a session that the application inserted without steps
	}
	if n := len(v.Steps); n == 0 || v.Steps[n-1].Name != name.String {
		v.Steps = append(v.Steps, Step{
			Name:        name.String,
			State:       StepState(state.String),
			Required:    required.Bool,
			Stage:       int(stage.Int64),
			NeedsReview: needsReview.Bool,
			Deadline:    timeOf(deadline),
			Submissions: []Submission{}, // so that JSON says [] and not null
		})
	}
	if !key.Valid {
		return nil
	}
	sub := Submission{
		Key:         key.String,
		Status:      sessionstep.Outcome(status.String),
		SubmittedAt: time.UnixMilli(submitted.Int64).UTC(),
	}
	if details.Valid {
		sub.Details = json.RawMessage(details.String)
	}
	step := &v.Steps[len(v.Steps)-1]
	step.Submissions = append(step.Submissions, sub)
	return nil
}

// History returns the changes of the session and its steps, in order. It returns
// [sessionstep.ErrSessionNotFound] if there is no such session.
func (s *Store) History(ctx context.Context, session string) ([]Change, error) {
	changes := []Change{}
	found := false
	err := s.reader(ctx).Query(ctx, s.sql.findChanges, []any{session}, func(row join.Row) error {
		found = true
		var seq, at sql.NullInt64
		var step, from, to, cause, by sql.NullString
		var needsReview sql.NullBool
		if err := row.Scan(&seq, &step, &from, &to, &needsReview, &cause, &by, &at); err != nil || !seq.Valid {
			return err
		}
		changes = append(changes, Change{
			Seq: seq.Int64, Step: step.String, From: from.String, To: to.String,
			NeedsReview: needsReview.Bool, Cause: Cause(cause.String), By: by.String, At: timeOf(at),
		})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("sqlstep: read changes: %w", err)
	}
	if !found {
		return nil, sessionstep.ErrSessionNotFound
	}
	return changes, nil
}

// timeOf returns the time of milliseconds since 1970, and the zero time for NULL.
func timeOf(ms sql.NullInt64) time.Time {
	if !ms.Valid {
		return time.Time{}
	}
	return time.UnixMilli(ms.Int64).UTC()
}

// millis is the opposite of timeOf.
func millis(t time.Time) sql.NullInt64 {
	if t.IsZero() {
		return sql.NullInt64{}
	}
	return sql.NullInt64{Int64: t.UnixMilli(), Valid: true}
}
