package hmacverify

import (
	"errors"
	"fmt"
)

// The reasons to refuse a delivery, for errors.Is and for logs. The client does
// not see which of them it was. No error of this package holds a key, a signature,
// a body or a header's value.
var (
	// ErrMissing: the signature, the timestamp or a signed header is absent or
	// empty.
	ErrMissing = errors.New("hmacverify: signature, timestamp or signed header missing")

	// ErrMalformed: the delivery cannot be the sender's: no signature of the right
	// length and encoding, a header given twice, a list with too many signatures
	// or without exactly one timestamp, an ID that contains the separator of the
	// signed bytes, or a body that is not of the kind that the scheme signs.
	ErrMalformed = errors.New("hmacverify: delivery malformed or ambiguous")

	// ErrTimestamp: the timestamp is not canonical, or differs from the clock, in
	// either direction, by more than the tolerance.
	ErrTimestamp = errors.New("hmacverify: timestamp invalid or outside the tolerance")

	// ErrMismatch: no key made any of the signatures.
	ErrMismatch = errors.New("hmacverify: signature does not match")

	// ErrNoKey: there is no key to verify with, because the Verifier was not
	// created by New or because Options.Keys knows none for this request.
	ErrNoKey = errors.New("hmacverify: no key")

	// ErrMethod: the request's method is not Options.Method.
	ErrMethod = errors.New("hmacverify: method not allowed")

	// ErrBodyTooLarge: the body is larger than Options.MaxBody.
	ErrBodyTooLarge = errors.New("hmacverify: body too large")

	// ErrBodyTimeout: the body did not arrive in time, see Options.BodyTimeout.
	ErrBodyTimeout = errors.New("hmacverify: body did not arrive in time")

	// ErrOverloaded: the bodies that are not verified yet hold as much memory as
	// Options.MaxUnverified allows.
	ErrOverloaded = errors.New("hmacverify: too many unverified bodies at once")

	// ErrBodyUnreadable: the body could not be read to its end, usually because
	// the client disconnected.
	ErrBodyUnreadable = errors.New("hmacverify: body unreadable")

	// ErrNoIdentity: the delivery is authentic, but nothing in the signed bytes
	// identifies its event. See Delivery.IdempotencyID.
	ErrNoIdentity = errors.New("hmacverify: delivery has no replay-proof identity")

	// ErrConfig: New, NewSigner or Options.Keys was given something that cannot
	// work. The text names the scheme and the field and says what is allowed.
	ErrConfig = errors.New("hmacverify: configuration")
)

var (
	errZeroVerifier = fmt.Errorf("%w: the Verifier was not created by New", ErrNoKey)
	errZeroSigner   = fmt.Errorf("%w: the Signer was not created by NewSigner", ErrNoKey)
)
