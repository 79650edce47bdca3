package sqlstep

import (
	"context"
	"fmt"

	"github.com/hookonce/hookonce/sessionstep/internal/join"
)

// unfinished is the number of changes of a session that is being created, which only
// the creating transaction can see.
const unfinished = -1

// Create creates the session v with its steps. It returns [ErrSessionExists] if the
// ID is taken, and an error that wraps [ErrInvalidSession] if v is not valid.
func (s *Store) Create(ctx context.Context, v Session) error {
	v, err := v.valid()
	if err != nil {
		return err
	}
	return s.transact(ctx, func(tx join.Conn) (*draft, error) { return nil, s.create(ctx, tx, v) })
}

// create inserts the session's row unless there is one, and then reads whose it is.
// Nothing else works on every database: on MySQL the count of affected rows depends
// on a flag of the connection, and on PostgreSQL a plain INSERT that fails ends the
// transaction, and only the driver's error says why.
func (s *Store) create(ctx context.Context, tx join.Conn, v Session) error {
	if err := tx.Exec(ctx, s.sql.insertSession, v.ID, string(v.State), unfinished); err != nil {
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
		if err := tx.Exec(ctx, s.sql.insertStep,
			v.ID, step.Name, i, step.Stage, step.Required, string(step.State), false, millis(step.Deadline)); err != nil {
			return fmt.Errorf("sqlstep: insert step: %w", err)
		}
	}
	return s.moveSession(ctx, tx, v.ID, v.State, 0)
}
