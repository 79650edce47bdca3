package sqlstore

import (
	"context"
	"errors"

	"github.com/hookonce/hookonce/idempotency"
)

// errLocked means that the table cannot even be read, as while a migration alters it.
var errLocked = errors.New("the table is locked, or the server does not answer")

// afterWait returns the outcome of a claim that waited in vain: another transaction
// has the event in flight, whose record cannot be seen before it commits; unless the
// table cannot be read at all. No transaction of the caller may be open, as this takes
// a connection.
func (s *Store) afterWait(ctx context.Context, key idempotency.Key) idempotency.Outcome {
	err := s.withWait(ctx, func(ctx context.Context) error {
		_, err := s.lookup(ctx, s.db, key) // which no row's lock holds up
		return err
	})
	if err == nil || errors.Is(err, ErrNotFound) {
		return idempotency.OutcomeOf(idempotency.KindInFlight, nil)
	}
	if errors.Is(err, errWaited) {
		err = errLocked
	}
	return unavailable("claim", err)
}
