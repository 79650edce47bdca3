package sqlstep

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/hookonce/hookonce/sessionstep"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// Session returns the session with its steps and their submissions as they stood
// at one moment. It returns [sessionstep.ErrSessionNotFound] if there is none.
func (s *Store) Session(ctx context.Context, id string) (Session, error) {
	rows, err := s.query(ctx, s.sql.findSession, id)
	if err != nil {
		return Session{}, fmt.Errorf("sqlstep: read session: %w", err)
	}
	defer rows.Close()
	v := Session{ID: id}
	var found bool
	for rows.Next() {
		found = true
		if err := v.add(rows); err != nil {
			return Session{}, fmt.Errorf("sqlstep: read session: %w", err)
		}
	}
	if err := rows.Err(); err != nil {
		return Session{}, fmt.Errorf("sqlstep: read session: %w", err)
	}
	if !found {
		return Session{}, sessionstep.ErrSessionNotFound
	}
	return v, nil
}

// query reads in the transaction that ctx carries, so that it sees what that has
// written and does not wait for a second connection.
func (s *Store) query(ctx context.Context, statement string, args ...any) (*sql.Rows, error) {
	if tx, ok := sqlstore.Tx(ctx); ok {
		return tx.QueryContext(ctx, statement, args...)
	}
	return s.db.QueryContext(ctx, statement, args...)
}

// add takes in one row of findSession: the session, one of its steps, and one of
// that step's submissions. It comes in the order of steps and submissions.
func (v *Session) add(rows *sql.Rows) error {
	var created, updated int64
	var name, state, key, status, details sql.NullString
	var required, needsReview sql.NullBool
	var submitted sql.NullInt64
	if err := rows.Scan(
		(*string)(&v.State), &created, &updated,
		&name, &state, &required, &needsReview,
		&key, &status, &details, &submitted,
	); err != nil {
		return err
	}
	v.CreatedAt, v.UpdatedAt = time.UnixMilli(created).UTC(), time.UnixMilli(updated).UTC()
	if !name.Valid {
		return nil // a session that somebody else has made without steps
	}
	if n := len(v.Steps); n == 0 || v.Steps[n-1].Name != name.String {
		v.Steps = append(v.Steps, Step{
			Name:        name.String,
			State:       StepState(state.String),
			Required:    required.Bool,
			NeedsReview: needsReview.Bool,
			Submissions: []Submission{}, // so that JSON says [] and not null
		})
	}
	if !key.Valid {
		return nil
	}
	sub := Submission{
		Key:         key.String,
		Status:      sessionstep.Status(status.String),
		SubmittedAt: time.UnixMilli(submitted.Int64).UTC(),
	}
	if details.Valid {
		sub.Details = json.RawMessage(details.String)
	}
	step := &v.Steps[len(v.Steps)-1]
	step.Submissions = append(step.Submissions, sub)
	return nil
}
