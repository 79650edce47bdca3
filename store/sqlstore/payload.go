package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
)

// ErrNoPayload means that no payload is kept of an event.
var ErrNoPayload = errors.New("sqlstore: no payload")

// Payload returns what Options.KeepPayloads kept of an event: its first delivery that
// left a record. Its RestoreUnverified method restores the delivery. The error is
// [ErrNoPayload] if nothing is kept.
func (s *Store) Payload(ctx context.Context, key idempotency.Key) (hmacverify.Stored, error) {
	p, err := s.findPayload(ctx, s.db, key)
	if errors.Is(err, sql.ErrNoRows) {
		return p, ErrNoPayload
	}
	if err != nil {
		return p, fmt.Errorf("sqlstore: payload: %w", err)
	}
	return p, nil
}

func (s *Store) findPayload(ctx context.Context, c conn, key idempotency.Key) (p hmacverify.Stored, err error) {
	var delivery, body []byte
	row := c.QueryRowContext(ctx, s.table.SQL().FindPayload, []byte(key.Scope), []byte(key.ID))
	if err := row.Scan(&delivery, &body); err != nil {
		return p, err
	}
	err = json.Unmarshal(delivery, &p)
	p.Body = body
	return p, err
}
