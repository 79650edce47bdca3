package sqlstep

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/hookonce/hookonce/sessionstep"
)

// lock waits until the transaction is the only one that changes the session, and
// returns the session's state and its count of submissions.
func (s *Store) lock(ctx context.Context, tx *sql.Tx, id string) (state SessionState, count int64, err error) {
	err = tx.QueryRowContext(ctx, s.sql.lockSession, id).Scan((*string)(&state), &count)
	if errors.Is(err, sql.ErrNoRows) {
		return "", 0, sessionstep.ErrSessionNotFound
	}
	if err != nil {
		return "", 0, fmt.Errorf("sqlstep: lock session: %w", err)
	}
	return state, count, nil
}

// steps returns the steps of a session that is locked, in their order.
func (s *Store) steps(ctx context.Context, tx *sql.Tx, session string) (steps []Step, err error) {
	rows, err := tx.QueryContext(ctx, s.sql.findSteps, session)
	if err != nil {
		return nil, fmt.Errorf("sqlstep: read steps: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var step Step
		if err := rows.Scan(&step.Name, (*string)(&step.State), &step.Required); err != nil {
			return nil, fmt.Errorf("sqlstep: read steps: %w", err)
		}
		steps = append(steps, step)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("sqlstep: read steps: %w", err)
	}
	return steps, nil
}

// moveSession is the last write of every change of a session, even one that keeps
// its state: a transaction with an older snapshot fails on it.
func (s *Store) moveSession(ctx context.Context, tx *sql.Tx, id string, state SessionState, count int64) error {
	if _, err := tx.ExecContext(ctx, s.sql.moveSession, string(state), count, id); err != nil {
		return fmt.Errorf("sqlstep: update session: %w", err)
	}
	return nil
}
