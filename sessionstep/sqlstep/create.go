package sqlstep

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/hookonce/hookonce/sessionstep"
)

// unfinished is the count of submissions that a session has while it is being
// created, in a transaction that nobody else can see into.
const unfinished = -1

// Create makes the session v with its steps. It returns [ErrSessionExists] if
// the ID is taken, and an error that wraps [ErrInvalidSession] if v is not one.
func (s *Store) Create(ctx context.Context, v Session) error {
	v, err := v.valid()
	if err != nil {
		return err
	}
	return s.transact(ctx, func(tx *sql.Tx) error { return s.create(ctx, tx, v) })
}

// create inserts the session's row unless there is one, and then looks whose it
// is. Nothing else tells on every database: the count of affected rows means two
// things on MySQL, depending on a flag of the connection, and the failure of a
// plain INSERT ends the transaction on PostgreSQL and is known by a driver's
// error only.
func (s *Store) create(ctx context.Context, tx *sql.Tx, v Session) error {
	if _, err := tx.ExecContext(ctx, s.sql.insertSession, v.ID, string(v.State), unfinished); err != nil {
		return fmt.Errorf("sqlstep: insert session: %w", err)
	}
	_, count, err := s.lock(ctx, tx, v.ID)
	if err != nil {
		return err
	}
	if count != unfinished {
		return ErrSessionExists
	}
	for i, step := range v.Steps {
		if _, err := tx.ExecContext(ctx, s.sql.insertStep, v.ID, step.Name, i, string(step.State), step.Required, false); err != nil {
			return fmt.Errorf("sqlstep: insert step: %w", err)
		}
	}
	return s.moveSession(ctx, tx, v.ID, v.State, 0)
}

// lock makes the transaction wait until it is the only one that changes the
// session, and returns the session's state and its count of submissions.
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

// moveSession ends every change of a session, also one that leaves its state
// alone: the write is what a transaction with an older snapshot trips over.
func (s *Store) moveSession(ctx context.Context, tx *sql.Tx, id string, state SessionState, count int64) error {
	if _, err := tx.ExecContext(ctx, s.sql.moveSession, string(state), count, id); err != nil {
		return fmt.Errorf("sqlstep: update session: %w", err)
	}
	return nil
}
