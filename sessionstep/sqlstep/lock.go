package sqlstep

import (
	"context"
	"fmt"

	"github.com/hookonce/hookonce/sessionstep"
	"github.com/hookonce/hookonce/sessionstep/internal/join"
)

// lock waits until the transaction is the only one that changes the session, and
// returns the session's state and its count of submissions.
func (s *Store) lock(ctx context.Context, tx join.Conn, id string) (state SessionState, count int64, err error) {
	found := false
	err = tx.Query(ctx, s.sql.lockSession, []any{id}, func(row join.Row) error {
		found = true
		return row.Scan((*string)(&state), &count)
	})
	if err != nil {
		return "", 0, fmt.Errorf("sqlstep: lock session: %w", err)
	}
	if !found {
		return "", 0, sessionstep.ErrSessionNotFound
	}
	return state, count, nil
}

// steps returns the steps of a session that is locked, in their order.
func (s *Store) steps(ctx context.Context, tx join.Conn, session string) (steps []Step, err error) {
	err = tx.Query(ctx, s.sql.findSteps, []any{session}, func(row join.Row) error {
		var step Step
		err := row.Scan(&step.Name, (*string)(&step.State), &step.Required)
		steps = append(steps, step)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("sqlstep: read steps: %w", err)
	}
	return steps, nil
}

// moveSession is the last write of every change of a session, even one that keeps
// its state: a transaction with an older snapshot fails on it.
func (s *Store) moveSession(ctx context.Context, tx join.Conn, id string, state SessionState, count int64) error {
	if err := tx.Exec(ctx, s.sql.moveSession, string(state), count, id); err != nil {
		return fmt.Errorf("sqlstep: update session: %w", err)
	}
	return nil
}
