package records

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
)

// KeepPayload stores the delivery of item, if there is one and that is asked for. One
// that the server would not take is left out, which is observed: it must not keep its
// event from being processed.
func (e *Engine[T]) KeepPayload(ctx context.Context, c Conn, item idempotency.Item) error {
	if !e.Settings.KeepPayloads || item.Delivery == nil {
		return nil
	}
	err := e.Table.InsertPayload(ctx, c, item.Key, item.Delivery.Stored())
	if errors.Is(err, errPacket) {
		e.Database.Observe(ctx, idempotency.Event{Kind: idempotency.KindStoreError, Key: item.Key, Err: err})
		return nil
	}
	return err
}

// errPacket means that a payload might not fit into a packet of MySQL, which would close
// the connection. As text, the driver's interpolateParams doubles many bytes.
var errPacket = errors.New("the payload is not kept, because it takes more than half of the server's max_allowed_packet")

// InsertPayload stores a delivery, unless one of that key is stored.
func (t *Table) InsertPayload(ctx context.Context, c Conn, key idempotency.Key, p hmacverify.Stored) error {
	delivery, err := json.Marshal(p)
	if err != nil {
		return err
	}
	size := int64(len(delivery) + len(p.Body) + len(key.Scope) + len(key.ID) + 1024) // with the statement
	if limit := t.maxPacket.Load(); limit > 0 && 2*size > limit {
		return errPacket
	}
	body := p.Body
	if body == nil {
		body = []byte{} // nil would be NULL
	}
	_, err = c.Exec(ctx, t.SQL().KeepPayload, []byte(key.Scope), []byte(key.ID), string(delivery), body)
	return RivalIndex(err)
}

// FindPayload returns a stored delivery; without one the error is [sql.ErrNoRows].
func (t *Table) FindPayload(ctx context.Context, c Conn, key idempotency.Key) (p hmacverify.Stored, err error) {
	var delivery, body []byte
	row := c.QueryRow(ctx, t.SQL().FindPayload, []byte(key.Scope), []byte(key.ID))
	if err := row.Scan(&delivery, &body); err != nil {
		return p, err
	}
	err = json.Unmarshal(delivery, &p)
	p.Body = body
	return p, err
}
