package idempotency

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
)

// MaxKeyBytes is the length in bytes that neither part of a [Key] may exceed.
// It is what a byte-exact primary key of two columns holds on every database
// that the stores support.
const MaxKeyBytes = 255

// A Key names one event: an ID, and the scope in which that ID is unique. An
// [Endpoint] makes its keys by itself; [KeyOf] makes them for code without one.
//
// Both parts are bytes. They are compared exactly: no case folding, no
// trimming, no Unicode normalization. The zero Key is not valid.
type Key struct {
	// Scope says whose ID it is: the endpoint's name, and "/" and the tenant
	// where several tenants share it. Required, so that two senders that number
	// their events alike never swallow each other's. Take it from
	// configuration: with a scope that a client can choose, it can repeat an
	// event under another one.
	Scope string

	// ID is the sender's name for the event. Required.
	ID string
}

// KeyOf returns the key of a delivery to the named endpoint. It rests on signed data
// only, see [hmacverify.Delivery.IdempotencyID]. The error wraps [ErrInvalidKey]; it
// wraps [hmacverify.ErrNoIdentity] too if the delivery has no identity.
//
// If an ID occurs twice in a body, this uses the first; encoding/json the last.
func KeyOf(endpoint string, d *hmacverify.Delivery) (Key, error) {
	if d == nil {
		return Key{}, fmt.Errorf("%w: no verified delivery", ErrInvalidKey)
	}
	id, err := d.IdempotencyID()
	if err != nil {
		return Key{}, fmt.Errorf("%w: %w", ErrInvalidKey, err)
	}
	return newKey(scopeOf(endpoint, d), id)
}

// newKey returns a valid key, or none: what is too long for a key is too long for a
// log line too.
func newKey(scope, id string) (Key, error) {
	key := Key{Scope: scope, ID: id}
	if err := key.Validate(); err != nil {
		return Key{}, err
	}
	return key, nil
}

func scopeOf(endpoint string, d *hmacverify.Delivery) string {
	if d == nil || d.Tenant == "" {
		return endpoint
	}
	return endpoint + "/" + d.Tenant
}

// Endpoint returns the name of the endpoint: the scope up to its first "/".
func (k Key) Endpoint() string {
	name, _, _ := strings.Cut(k.Scope, "/")
	return name
}

// Validate reports, wrapping [ErrInvalidKey], why k cannot be a key: a part is
// empty or longer than [MaxKeyBytes]. The error does not hold the key.
func (k Key) Validate() error {
	switch {
	case k.Scope == "":
		return fmt.Errorf("%w: empty scope", ErrInvalidKey)
	case k.ID == "":
		return fmt.Errorf("%w: empty ID", ErrInvalidKey)
	case len(k.Scope) > MaxKeyBytes:
		return fmt.Errorf("%w: scope of %d bytes, at most %d", ErrInvalidKey, len(k.Scope), MaxKeyBytes)
	case len(k.ID) > MaxKeyBytes:
		return fmt.Errorf("%w: ID of %d bytes, at most %d", ErrInvalidKey, len(k.ID), MaxKeyBytes)
	}
	return nil
}

// String returns scope and ID, quoted, for people to read. Its form may change.
func (k Key) String() string { return fmt.Sprintf("%q/%q", k.Scope, k.ID) }

// Downstream returns 64 hexadecimal digits that are the same for every attempt
// at k and differ for every other key. Pass it on as the idempotency key of
// calls to other systems: it is what makes an effect outside the database
// happen once when an attempt is repeated.
func (k Key) Downstream() string {
	h := sha256.New()
	// The length goes first, so that ("a", "bc") and ("ab", "c") differ.
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(len(k.Scope)))
	h.Write(n[:])
	h.Write([]byte(k.Scope))
	h.Write([]byte(k.ID))
	return hex.EncodeToString(h.Sum(nil))
}

// MinRetention is the shortest retention that a store accepts unless its options
// allow a shorter one: senders retry for up to three days, and an event that is
// delivered after its record was purged is processed again.
const MinRetention = 72 * time.Hour

// DefaultRetention is how long stores keep records by default.
const DefaultRetention = 30 * 24 * time.Hour

// DefaultAttemptInterval is the default AttemptInterval of runners. Failures that
// follow each other within it count as one attempt, so that a burst of copies during a
// short outage does not make an event dead.
const DefaultAttemptInterval = 10 * time.Second

// A Fingerprint is the SHA-256 of an event's content. Two deliveries under one
// key with different fingerprints are not the same event, see [ErrMismatch].
// The zero Fingerprint means "not checked" and matches everything.
type Fingerprint [sha256.Size]byte

// FingerprintOf returns the fingerprint of body.
func FingerprintOf(body []byte) Fingerprint { return sha256.Sum256(body) }

// Matches reports whether f and g may belong to the same event: they are equal,
// or one of them was not taken.
func (f Fingerprint) Matches(g Fingerprint) bool {
	var none Fingerprint
	return f == g || f == none || g == none
}
