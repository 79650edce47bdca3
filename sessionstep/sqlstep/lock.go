package sqlstep

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/hookonce/hookonce/sessionstep"
	"github.com/hookonce/hookonce/sessionstep/internal/join"
)

// lock waits until the transaction is the only one that changes the session, and
// returns the session's state and the number of its changes.
func (s *Store) lock(ctx context.Context, tx join.Conn, id string) (state SessionState, changes int64, err error) {
	found := false
	err = tx.Query(ctx, s.sql.lockSession, []any{id}, func(row join.Row) error {
		found = true
		return row.Scan((*string)(&state), &changes)
	})
	if err != nil {
		return "", 0, fmt.Errorf("sqlstep: lock session: %w", err)
	}
	if !found {
		return "", 0, sessionstep.ErrSessionNotFound
	}
	return state, changes, nil
}

// load locks the session and reads its steps, in their order.
func (s *Store) load(ctx context.Context, tx join.Conn, id string) (*draft, error) {
	state, seq, err := s.lock(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	d := &draft{id: id, state: state, wasState: state, seq: seq, due: map[string]bool{}, subjects: map[string]bool{}}
	err = tx.Query(ctx, s.sql.findSteps, []any{id}, func(row join.Row) error {
		var step Step
		var deadline sql.NullInt64
		var due bool
		err := row.Scan(&step.Name, &step.Stage, &step.Required, (*string)(&step.State), &step.NeedsReview, &deadline, &due)
		step.Deadline = timeOf(deadline)
		d.steps = append(d.steps, step)
		d.due[step.Name] = due
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("sqlstep: read steps: %w", err)
	}
	d.wasSteps = slices.Clone(d.steps)
	return d, nil
}

// save writes the draft, with its changes.
func (s *Store) save(ctx context.Context, tx join.Conn, d *draft) error {
	for i, step := range d.steps {
		was := d.wasSteps[i]
		if step.State == was.State && step.NeedsReview == was.NeedsReview && step.Deadline.Equal(was.Deadline) {
			continue
		}
		if err := tx.Exec(ctx, s.sql.moveStep, string(step.State), step.NeedsReview, millis(step.Deadline), d.id, step.Name); err != nil {
			return fmt.Errorf("sqlstep: update step: %w", err)
		}
	}
	seq := d.seq
	for _, c := range d.changes() {
		seq = c.Seq
		if err := tx.Exec(ctx, s.sql.insertChange,
			d.id, c.Seq, c.Step, c.From, c.To, c.NeedsReview, string(c.Cause), c.By); err != nil {
			return fmt.Errorf("sqlstep: insert change: %w", err)
		}
	}
	return s.moveSession(ctx, tx, d.id, d.state, seq)
}

// moveSession is the last write of every change of a session, even one that keeps
// its state: a transaction with an older snapshot fails on it.
func (s *Store) moveSession(ctx context.Context, tx join.Conn, id string, state SessionState, changes int64) error {
	if err := tx.Exec(ctx, s.sql.moveSession, string(state), changes, id); err != nil {
		return fmt.Errorf("sqlstep: update session: %w", err)
	}
	return nil
}
