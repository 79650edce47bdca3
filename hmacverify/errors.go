package hmacverify

import "errors"

// The reasons for which a delivery is refused. They are for the error hook
// and for errors.Is; a client is never told which of them it was. No error of
// this package holds a key, a signature, a body or a header's value.
var (
	// ErrMissing: a header that the scheme needs is absent or empty.
	ErrMissing = errors.New("hmacverify: signature, timestamp or signed header missing")

	// ErrMalformed: a header that the scheme needs is there, but cannot be
	// what an honest sender sent: not one signature of the right length and
	// encoding, a header or a list's timestamp given twice, too many
	// candidates, or an ID that contains the separator of the signed bytes.
	ErrMalformed = errors.New("hmacverify: signature header malformed or ambiguous")

	// ErrTimestamp: the timestamp is not canonical, or is further from the
	// receiver's clock, in either direction, than the tolerance.
	ErrTimestamp = errors.New("hmacverify: timestamp invalid or outside the tolerance")

	// ErrMismatch: no key made any of the signatures.
	ErrMismatch = errors.New("hmacverify: signature does not match")

	// ErrNoKey: there is no key to verify with: the Verifier is the zero
	// value, or the key function knows no key for this request.
	ErrNoKey = errors.New("hmacverify: no key")

	// ErrMethod: the request's method is not the one that is signed.
	ErrMethod = errors.New("hmacverify: method not allowed")

	// ErrBodyTooLarge: the body is larger than Options.MaxBody.
	ErrBodyTooLarge = errors.New("hmacverify: body too large")

	// ErrBodyUnreadable: the body could not be read to its end, usually
	// because the client went away.
	ErrBodyUnreadable = errors.New("hmacverify: body unreadable")

	// ErrNoIdentity: the delivery is authentic, but nothing in what was signed
	// tells it from others. See Delivery.IdempotencyID.
	ErrNoIdentity = errors.New("hmacverify: delivery has no replay-proof identity")

	// ErrConfig: New, NewSigner or the key function was given something that
	// cannot work: no key, a key that does not decode, a scheme that
	// contradicts itself. The text says what.
	ErrConfig = errors.New("hmacverify: configuration")
)

// What is wrong with a key, for the text of an ErrConfig.
var (
	errBadKey   = errors.New("does not decode as the scheme's KeyEncoding")
	errEmptyKey = errors.New("is empty")
	errKeySize  = errors.New("has the wrong length for Ed25519")
)
