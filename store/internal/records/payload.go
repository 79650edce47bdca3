package records

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

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
	if errors.Is(err, errNotKept) {
		e.Database.Observe(ctx, idempotency.Event{Kind: idempotency.KindStoreError, Key: item.Key, Err: err})
		return nil
	}
	return err
}

// errNotKept means that a payload cannot be stored, without its event being at fault.
var errNotKept = errors.New("the payload is not kept")

// errPacket means that a payload might not fit into a packet of MySQL, which would close
// the connection. As text, the driver's interpolateParams doubles many bytes.
var errPacket = errors.New("it takes more than half of the server's max_allowed_packet")

// A Privacy is what the user has done to payloads before they are stored, and after they
// are read. The zero value does nothing.
type Privacy struct {
	Redact     func(d *hmacverify.Stored)
	Seal, Open func(key idempotency.Key, data []byte) ([]byte, error)
}

// sealed stands for the delivery of a payload that is sealed: all of it is in the body.
const sealed = `{"sealed":true}`

// encode returns the two columns of a payload.
func (t *Table) encode(key idempotency.Key, p hmacverify.Stored) (delivery string, body []byte, err error) {
	if t.Privacy.Redact != nil {
		p.Header = p.Header.Clone() // which it may change; it is the request's
		t.Privacy.Redact(&p)
	}
	text, err := json.Marshal(p)
	if err != nil {
		return "", nil, err
	}
	if t.Privacy.Seal == nil {
		return string(text), bytesArg(p.Body), nil
	}
	plain := binary.BigEndian.AppendUint32(nil, uint32(len(text)))
	plain = append(append(plain, text...), p.Body...)
	body, err = t.Privacy.Seal(key, plain)
	if err != nil {
		return "", nil, fmt.Errorf("sealing the payload: %w", err)
	}
	return sealed, bytesArg(body), nil
}

// decode returns the payload that encode has made the columns of. One that was stored
// before payloads were sealed is read as it is.
func (t *Table) decode(key idempotency.Key, delivery, body []byte) (p hmacverify.Stored, err error) {
	if string(delivery) == sealed {
		if t.Privacy.Open == nil {
			return p, errors.New("the payload is sealed, and Options.Open is not set")
		}
		plain, err := t.Privacy.Open(key, body)
		if err != nil {
			return p, fmt.Errorf("opening the payload: %w", err)
		}
		if len(plain) < 4 || uint64(len(plain)-4) < uint64(binary.BigEndian.Uint32(plain)) {
			return p, errors.New("opening the payload: Options.Open has returned something else than was sealed")
		}
		n := binary.BigEndian.Uint32(plain)
		delivery, body = plain[4:4+n], plain[4+n:]
	}
	err = json.Unmarshal(delivery, &p)
	p.Body = body
	return p, err
}

// bytesArg is b as a parameter: nil would be NULL.
func bytesArg(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// InsertPayload stores a delivery, unless one of that key is stored.
func (t *Table) InsertPayload(ctx context.Context, c Conn, key idempotency.Key, p hmacverify.Stored) error {
	delivery, body, err := t.encode(key, p)
	if err != nil {
		return fmt.Errorf("%w: %w", errNotKept, err)
	}
	if !t.fits(len(delivery) + len(body)) {
		return fmt.Errorf("%w: %w", errNotKept, errPacket)
	}
	_, err = c.Exec(ctx, t.SQL().KeepPayload, []byte(key.Scope), []byte(key.ID), delivery, body)
	return RivalIndex(err)
}

// fits reports whether the server takes a payload of that many bytes, with its statement.
func (t *Table) fits(size int) bool {
	limit := t.maxPacket.Load()
	return limit <= 0 || 2*int64(size+2*idempotency.MaxKeyBytes+1024) <= limit
}

// FindPayload returns a stored delivery; without one the error is [sql.ErrNoRows].
func (t *Table) FindPayload(ctx context.Context, c Conn, key idempotency.Key) (p hmacverify.Stored, err error) {
	var delivery, body []byte
	row := c.QueryRow(ctx, t.SQL().FindPayload, []byte(key.Scope), []byte(key.ID))
	if err := row.Scan(&delivery, &body); err != nil {
		return p, err
	}
	return t.decode(key, delivery, body)
}
