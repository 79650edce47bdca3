package idempotency

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// MaxKeyBytes is the length in bytes that neither part of a [Key] may exceed.
// It is what a byte-exact primary key of two columns holds on every database
// that the stores support.
const MaxKeyBytes = 255

// A Key names one event: an ID, and the scope in which that ID is unique.
//
// Both parts are bytes. They are compared exactly: no case folding, no
// trimming, no Unicode normalization. The zero Key is not valid.
type Key struct {
	// Scope says whose ID it is: the provider, the endpoint, the tenant. It is
	// required, so that two senders that number their events alike never
	// swallow each other's. Take it from configuration; a scope that a caller
	// can choose lets that caller repeat an event under another one.
	Scope string

	// ID is the sender's name for the event. It is required.
	ID string
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
