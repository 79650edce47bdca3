package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

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
	var delivery []byte
	if err := row.Scan(&delivery, &p.Body); err != nil {
		return p, err
	}
	var kept keptDelivery
	err = json.Unmarshal(delivery, &kept)
	p.Source, p.ContentType = kept.Scheme, kept.Header.Get("Content-Type")
	return p, err
}

// keptDelivery is what the column delivery holds, as JSON.
type keptDelivery struct {
	Scheme string      `json:"scheme"`
	Header http.Header `json:"header"`
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
	kept := keptDelivery{Scheme: name(p.Source), Header: http.Header{"Content-Type": {name(p.ContentType)}}}
	delivery, err := json.Marshal(kept)
	if err != nil {
		return err
	}
	_, err = c.ExecContext(ctx, s.sql.keepPayload, []byte(key.Scope), []byte(key.ID), string(delivery), body)
	return err
}

// name returns s as the table holds it. The sender chooses the media type, and
// one that is too long must not keep its event from being done.
func name(s string) string { return s[:min(len(s), maxName)] }
