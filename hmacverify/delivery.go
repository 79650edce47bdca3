package hmacverify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"time"
)

// Delivery is what is known of a delivery whose signature was verified.
// It must not be changed once others can see it.
type Delivery struct {
	// Scheme is the scheme's name.
	Scheme string

	// Tenant is the name that the key function gave, else empty.
	Tenant string

	// Key is the index of the key that matched; 0 is the newest. While it is
	// not 0 the sender has not finished its rotation.
	Key int

	// Time is when the sender says that it sent, within the tolerance and
	// signed. Zero if the scheme has no timestamp.
	Time time.Time

	// ID is the event's ID where the scheme says where it is; empty if it is
	// not there or is longer than 255 bytes.
	ID string

	// IDSigned reports whether ID was inside the signed bytes. If not, whoever
	// replays a delivery can choose it.
	IDSigned bool

	// Type is the event's type if a header says it, which no signature
	// covers in most schemes. Where the body says it, see EventType.
	Type string

	// Identity is what IdempotencyID rests on.
	Identity Identity

	// Body is the body, byte for byte. It is shared: read only.
	Body []byte `json:"-"`

	typePath []string
}

// IdempotencyID returns what identifies the event and cannot be changed by
// whoever replays it: the signed ID, or "sha256:" and the body's digest in hex
// where a sender's bodies never repeat for different events. If there is
// neither, or the signed ID is not in the body, the error is [ErrNoIdentity].
//
// A header that is not signed is never used, unless the scheme says
// [InsecureUnsignedID].
func (d *Delivery) IdempotencyID() (string, error) {
	switch {
	case d.Identity == NoIdentity && !d.IDSigned:
		return "", fmt.Errorf("%w: nothing that %s signs tells its events apart", ErrNoIdentity, d.Scheme)
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

// Scope returns the name of the sender that IDs are unique within: Scheme, or
// Scheme and Tenant joined by a slash. It rests on configuration alone, so a
// replay cannot move an event to another scope.
func (d *Delivery) Scope() string {
	if d.Tenant == "" {
		return d.Scheme
	}
	return d.Scheme + "/" + d.Tenant
}

// EventType returns Type, or looks for the type in the body where the scheme
// says that it is there; empty if it is not. It scans the body when it is
// called, and not before, because many senders put the type last.
func (d *Delivery) EventType() string {
	if d.Type != "" || d.typePath == nil {
		return d.Type
	}
	s, _ := jsonText(jsonValue(d.Body, d.typePath))
	return string(s)
}

// String describes the delivery without its body.
func (d Delivery) String() string {
	return fmt.Sprintf("delivery of %s: id %q (signed %t), key %d, %d bytes",
		d.Scope(), d.ID, d.IDSigned, d.Key, len(d.Body))
}

// Format prints String, whatever the verb: no format shows the body.
func (d Delivery) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, d.String()) }

// LogValue makes log/slog print String: its JSON would show the body.
func (d Delivery) LogValue() slog.Value { return slog.StringValue(d.String()) }

type contextKey struct{}

// NewContext returns a context that carries d, for tests and for those who
// receive deliveries without net/http. [Verifier.Handler] does it by itself.
func NewContext(ctx context.Context, d *Delivery) context.Context {
	return context.WithValue(ctx, contextKey{}, d)
}

// FromContext returns the delivery that [Verifier.Handler] verified, and
// whether there is one.
func FromContext(ctx context.Context) (*Delivery, bool) {
	d, ok := ctx.Value(contextKey{}).(*Delivery)
	return d, ok && d != nil
}
