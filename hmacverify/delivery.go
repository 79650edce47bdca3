package hmacverify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"
)

// Delivery is a delivery whose signature was verified. It must not be changed once
// others can see it.
type Delivery struct {
	// Scheme is the scheme's name.
	Scheme string

	// Tenant is the name that the key function returned. Empty without one.
	Tenant string

	// Key is the index of the key that matched; 0 is the newest. While it is
	// not 0, the sender still signs with an older key.
	Key int

	// Time is the signed time of sending, within the tolerance. Zero if the
	// scheme has no timestamp.
	Time time.Time

	// ID is the event's ID, from the place that the scheme names. Empty if it
	// is absent, or longer than 255 bytes.
	ID string

	// IDSigned reports whether ID was inside the signed bytes. If not, an
	// attacker who replays a delivery can choose it.
	IDSigned bool

	// Identity says what IdempotencyID returns.
	Identity Identity

	// Header is the request's header. It is shared: read only. Most senders
	// sign none of it.
	Header http.Header `json:"-"`

	// Body is the body, byte for byte. It is shared: read only.
	Body []byte `json:"-"`

	eventType string    // if it is known already
	typePath  []string  // where it is in the body, if not
	verifier  *Verifier // nil for a delivery that was not verified by one
}

// IdempotencyID returns what identifies the event and cannot be changed by a
// replay: the signed ID, or "sha256:" and the hex digest of the body for senders
// whose bodies never repeat for different events. The error is [ErrNoIdentity] if
// the scheme has neither, or the body lacks the signed ID.
//
// An ID that is not signed is returned only if the scheme says
// [InsecureUnsignedID].
func (d *Delivery) IdempotencyID() (string, error) {
	switch {
	case d.Identity == NoIdentity && !d.IDSigned:
		return "", fmt.Errorf("%w: %s signs nothing that tells its events apart", ErrNoIdentity, d.Scheme)
	case d.Identity == BodyDigest:
		sum := sha256.Sum256(d.Body)
		return "sha256:" + hex.EncodeToString(sum[:]), nil
	case d.ID == "":
		return "", fmt.Errorf("%w: %s delivery without a usable ID", ErrNoIdentity, d.Scheme)
	case !d.IDSigned && d.Identity != InsecureUnsignedID:
		return "", fmt.Errorf("%w: the ID of %s is not signed", ErrNoIdentity, d.Scheme)
	}
	return d.ID, nil
}

// EventType returns the event's type, from the header or the place in the body
// that the scheme names; empty if it is not there. Most schemes do not sign
// headers. A type in the body is looked up on each call, because many senders put
// it at the end.
func (d *Delivery) EventType() string {
	if d.eventType != "" || d.typePath == nil {
		return d.eventType
	}
	s, _ := jsonText(jsonValue(d.Body, d.typePath))
	return string(s)
}

// String describes the delivery without its body.
func (d Delivery) String() string {
	name := d.Scheme
	if d.Tenant != "" {
		name += "/" + d.Tenant
	}
	return fmt.Sprintf("delivery of %s: id %q (signed %t), key %d, %d bytes",
		name, d.ID, d.IDSigned, d.Key, len(d.Body))
}

// Format prints String, whatever the verb: no format shows the body.
func (d Delivery) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, d.String()) }

// LogValue makes log/slog print String: its JSON would show the body.
func (d Delivery) LogValue() slog.Value { return slog.StringValue(d.String()) }

type contextKey struct{}

// NewContext returns a context that carries d, for tests and for code that
// receives deliveries without net/http. [Verifier.Handler] calls it.
func NewContext(ctx context.Context, d *Delivery) context.Context {
	return context.WithValue(ctx, contextKey{}, d)
}

// FromContext returns the delivery that [Verifier.Handler] verified; ok is false
// if there is none.
func FromContext(ctx context.Context) (d *Delivery, ok bool) {
	d, ok = ctx.Value(contextKey{}).(*Delivery)
	return d, ok && d != nil
}
