package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/hookonce/hookonce/idempotency"
)

// ErrNoPayload means that no payload is kept of an event.
var ErrNoPayload = errors.New("sqlstore: no payload")

// Payload returns what was kept of the first delivery of key that has left a
// record, under Options.KeepPayloads. The error is [ErrNoPayload] if that is
// nothing.
func (s *Store) Payload(ctx context.Context, key idempotency.Key) (idempotency.Payload, error) {
	p, err := s.findPayload(ctx, s.db, key)
	if errors.Is(err, sql.ErrNoRows) {
		return p, ErrNoPayload
	}
	if err != nil {
		return p, fmt.Errorf("sqlstore: payload: %w", err)
	}
	return p, nil
}

func (s *Store) findPayload(ctx context.Context, c conn, key idempotency.Key) (p idempotency.Payload, err error) {
	row := c.QueryRowContext(ctx, s.sql.findPayload, []byte(key.Scope), []byte(key.ID))
	err = row.Scan(&p.Source, &p.ContentType, &p.Body)
	return p, err
}

// payload returns the payload that ctx carries, and whether it is to be kept.
func (s *Store) payload(ctx context.Context) (p idempotency.Payload, keep bool) {
	if !s.o.KeepPayloads {
		return p, false
	}
	return idempotency.PayloadFrom(ctx)
}

// keepPayload stores the payload that ctx carries, if that is asked for.
func (s *Store) keepPayload(ctx context.Context, c conn, key idempotency.Key) error {
	p, keep := s.payload(ctx)
	if !keep {
		return nil
	}
	body := p.Body
	if body == nil {
		body = []byte{} // nil would be NULL
	}
	_, err := c.ExecContext(ctx, s.sql.keepPayload,
		[]byte(key.Scope), []byte(key.ID), name(p.Source), name(p.ContentType), body)
	return err
}

// name returns s as the table holds it. The sender chooses the media type, and
// one that is too long must not keep its event from being done.
func name(s string) []byte { return []byte(s[:min(len(s), maxName)]) }
