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
	row := c.QueryRowContext(ctx, s.sql().findPayload, []byte(key.Scope), []byte(key.ID))
	if err := row.Scan(&delivery, &body); err != nil {
		return p, err
	}
	err = json.Unmarshal(delivery, &p)
	p.Body = body
	return p, err
}

// keepPayload stores the delivery of item, if there is one and that is asked for. One
// that the server would not take is left out, which is observed: it must not keep its
// event from being processed.
func (s *Store) keepPayload(ctx context.Context, c conn, item idempotency.Item) error {
	if !s.o.KeepPayloads || item.Delivery == nil {
		return nil
	}
	err := s.insertPayload(ctx, c, item.Key, item.Delivery.Stored())
	if errors.Is(err, errPacket) {
		s.Observe(ctx, idempotency.Event{Kind: idempotency.KindStoreError, Key: item.Key, Err: err})
		return nil
	}
	return err
}

// errPacket means that a payload might not fit into a packet of MySQL, which would close
// the connection. As text, the driver's interpolateParams doubles many bytes.
var errPacket = errors.New("the payload is not kept, because it takes more than half of the server's max_allowed_packet")

func (s *Store) insertPayload(ctx context.Context, c conn, key idempotency.Key, p hmacverify.Stored) error {
	delivery, err := json.Marshal(p)
	if err != nil {
		return err
	}
	size := int64(len(delivery) + len(p.Body) + len(key.Scope) + len(key.ID) + 1024) // with the statement
	if limit := s.maxPacket.Load(); limit > 0 && 2*size > limit {
		return errPacket
	}
	body := p.Body
	if body == nil {
		body = []byte{} // nil would be NULL
	}
	_, err = c.ExecContext(ctx, s.sql().keepPayload, []byte(key.Scope), []byte(key.ID), string(delivery), body)
	return rivalIndex(err)
}
