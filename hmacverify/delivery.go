package hmacverify

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"
)

// Delivery is a delivery whose signature was verified. Do not change it once it is
// shared.
type Delivery struct {
	// Scheme is the scheme's name.
	Scheme string

	// Tenant is the name that Options.Keys returned. Empty without it.
	Tenant string

	// Key is the index of the key that matched, 0 for the newest. As long as it is
	// not 0, the sender still signs with an older key.
	Key int

	// Time is the signed time, within the tolerance. Zero if the scheme has no
	// timestamp.
	Time time.Time

	// ID is the event's ID, from the place that the scheme names. Empty if it is
	// absent or longer than 255 bytes.
	ID string

	// IDSigned reports whether ID is in the signed bytes. If not, an attacker who
	// replays a delivery can choose it.
	IDSigned bool

	// Identity is the scheme's; it decides what IdempotencyID returns.
	Identity Identity

	// Ping reports that the delivery carries no event: the sender tests the endpoint,
	// see Sender.Pings.
	Ping bool

	// Outer is for an event that [Delivery.Items] returned: what the request says
	// around it, by the paths of Items.Outer. Nil without them.
	Outer map[string]string `json:"-"`

	// Header is the request's header, shared with it: do not change it. Most
	// senders do not sign it.
	Header http.Header `json:"-"`

	// Body is the body, byte for byte, shared with the request: do not change it.
	// But one that was sent with Content-Encoding gzip is decompressed, here and in
	// the request that the handler gets, and both headers lack that field; it must
	// not be larger than Options.MaxBody then either. IdempotencyID has the digest of
	// this Body.
	Body []byte `json:"-"`

	eventType string    // from a header or from a store
	typePath  []string  // where it is in the body otherwise
	verifier  *Verifier // nil unless one verified the delivery
	isItem    bool      // one event of several in a request
}

// IdempotencyID returns what identifies the event and cannot be changed by a
// replay: the signed ID, or "sha256:" and the body's digest in hex for schemes with
// [BodyDigest]. The error is [ErrNoIdentity] if the scheme has neither or the body
// lacks the signed ID.
//
// It returns an ID that is not signed only for schemes with [InsecureUnsignedID].
func (d *Delivery) IdempotencyID() (string, error) {
	switch {
	case d.Identity == NoIdentity && !d.IDSigned:
		return "", fmt.Errorf("%w: %s signs nothing that identifies its events", ErrNoIdentity, d.Scheme)
	case d.Identity == BodyDigest:
		return digestOf(d.Body), nil
	case d.ID == "":
		return "", fmt.Errorf("%w: this delivery of %s has no ID, or one over %d bytes", ErrNoIdentity, d.Scheme, maxID)
	case !d.IDSigned && d.Identity != InsecureUnsignedID:
		return "", fmt.Errorf("%w: the ID of %s is not signed", ErrNoIdentity, d.Scheme)
	}
	return d.ID, nil
}

// EventType returns the event's type, from the header or the place in the body that
// the scheme names; empty if it is not there. A type in a header is usually not
// signed. One in the body is looked up on each call: many senders put it at the end
// of the body, and not every handler needs it.
func (d *Delivery) EventType() string {
	if d.eventType != "" || d.typePath == nil {
		return d.eventType
	}
	s, _ := jsonText(jsonValue(d.Body, d.typePath))
	return string(s)
}

// String describes the delivery without its body and headers.
func (d Delivery) String() string {
	name := d.Scheme
	if d.Tenant != "" {
		name += "/" + d.Tenant
	}
	return fmt.Sprintf("delivery of %s: id %q (signed %t), key %d, %d bytes",
		name, d.ID, d.IDSigned, d.Key, len(d.Body))
}

// Format prints String for every verb, so that no format shows the body.
func (d Delivery) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, d.String()) }

// LogValue makes log/slog print String, because its JSON would show the body.
func (d Delivery) LogValue() slog.Value { return slog.StringValue(d.String()) }

type contextKey struct{}

// NewContext returns a context that carries d, as [Verifier.Handler] passes it on.
// Use it in tests and where deliveries arrive without net/http.
func NewContext(ctx context.Context, d *Delivery) context.Context {
	return context.WithValue(ctx, contextKey{}, d)
}

// FromContext returns the delivery that [Verifier.Handler] verified. ok is false if
// there is none.
func FromContext(ctx context.Context) (d *Delivery, ok bool) {
	d, ok = ctx.Value(contextKey{}).(*Delivery)
	return d, ok && d != nil
}
