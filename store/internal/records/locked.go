package records

import (
	"context"
	"database/sql"
	"errors"

	"github.com/hookonce/hookonce/idempotency"
)

// errLocked means that the table cannot even be read, as while a migration alters it.
var errLocked = errors.New("the table is locked, or the server does not answer")

// AfterWait returns the outcome of a claim that waited in vain: another transaction
// has the event in flight, whose record cannot be seen before it commits; unless the
// table cannot be read at all. No transaction of the caller may be open, as this takes
// a connection.
func (e *Engine[T]) AfterWait(ctx context.Context, key idempotency.Key) idempotency.Outcome {
	err := e.Table.WithWait(ctx, func(ctx context.Context) error {
		return e.Table.readable(ctx, e.Database.Pool(), key)
	})
	if err == nil {
		return idempotency.OutcomeOf(idempotency.KindInFlight, nil)
	}
	if errors.Is(err, ErrWaited) {
		err = errLocked
	}
	return Unavailable("claim", err)
}

// readable reads the status of an event, which no row's lock holds up.
func (t *Table) readable(ctx context.Context, c Conn, key idempotency.Key) error {
	var ignored any
	row := c.QueryRow(ctx, t.SQL().Lookup, []byte(key.Scope), []byte(key.ID))
	err := row.Scan(&ignored, &ignored, &ignored, &ignored, &ignored)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return err
}
