package sqlstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
)

// ErrNoPayload means that no payload is kept of an event.
var ErrNoPayload = idempotency.ErrNoPayload

// Payload returns what is kept of an event: the delivery that an inbox has accepted, or
// that Options.KeepPayloads has kept, its first that left a record. Its RestoreUnverified
// method restores the delivery. The error is [ErrNoPayload] if nothing is kept.
func (s *Store) Payload(ctx context.Context, key idempotency.Key) (hmacverify.Stored, error) {
	p, err := s.engine.Payload(ctx, key)
	if err != nil && !errors.Is(err, ErrNoPayload) {
		err = fmt.Errorf("sqlstore: %w", err)
	}
	return p, err
}
