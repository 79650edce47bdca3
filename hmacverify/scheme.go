package hmacverify

import "time"

// Scheme describes how one sender signs its webhooks. It is plain data: take a
// preset and change a field, or write one from the sender's documentation. [New]
// refuses a Scheme that is incomplete or contradicts itself, and says why.
//
// Only Name and Signature are required. The defaults are HMAC-SHA256 over the raw
// body, in hex, with the key as it is, without timestamp and identity.
type Scheme struct {
	// Name is the sender's name, at most 64 printable ASCII bytes without space
	// and "/". Required.
	Name string

	// Algorithm makes the signature. It is never taken from a request, which
	// could choose a weaker one. Default SHA256.
	Algorithm Algorithm

	// Signature names the headers that carry signatures; one of them is enough. A
	// [Signer] with several keys uses one for each. Names of one header are separated
	// by commas, see Field.Header. Required, unless Extract finds signatures in the
	// body.
	Signature []string

	// Prefix is the text before each signature, as "sha256=" or "v0=". Default
	// none.
	Prefix string

	// PrefixOptional accepts signatures without Prefix, too. Default false.
	PrefixOptional bool

	// List splits a header that carries more than one value. Default: the header
	// is one signature.
	List List

	// Encoding is how signatures are written. Default Hex, upper or lower case.
	Encoding Encoding

	// Signed is the template of the signed bytes. It may name {body},
	// {timestamp}, {id} (the header ID.Header), {header:X} (see Field.Header), {method}, {url}, {path}
	// and {query} (from Options, never from Host or X-Forwarded headers), and
	// {params}: the form fields of the body, sorted, names and values concatenated.
	// Other text is literal. It must name {body} or {params}, because a signature
	// that does not cover the body protects nothing. Default "{body}".
	//
	// If Extract is set, Signed may name what the function's bytes cover, in any
	// order and without other text: {body} if they cover the body or its digest.
	// Default then: nothing.
	Signed string

	// URLForm is how the sender writes the URL that it signs. Default URLExact.
	URLForm URLForm

	// Timestamp says where the signed time is. If a scheme has one, every
	// delivery must. Default: the scheme has none.
	Timestamp Timestamp

	// KeyEncoding is how the key is written; it is never guessed. Default
	// RawKey.
	KeyEncoding KeyEncoding

	// KeyPrefix is removed from the key before it is decoded, if it is there, as
	// "whsec_". Default none.
	KeyPrefix string

	// ID says where the event's ID is. Default: it has none.
	ID Field

	// Type says where the event's type is. Default: it has none.
	Type Field

	// Identity says what identifies an event. Default NoIdentity.
	Identity Identity

	// BeforeCompression says that the signature covers the body as it was before
	// compression. Default false: it covers what is sent, as Nylas's does. See
	// Delivery.Body.
	BeforeCompression bool

	// JSONObject refuses a body that does not start with a brace. Set it for a
	// sender whose setup has the endpoint sign a text, as preset.XChallenge does,
	// so that no such signature passes for a delivery. Default false.
	JSONObject bool

	// Sender describes how the sender behaves; defaults follow from it. Default:
	// nothing is known.
	Sender Sender

	// Extract finds the signed bytes for the few senders that no template
	// describes. Signatures and timestamp are found as for any other scheme.
	// Default none.
	Extract ExtractFunc
}

// Algorithm makes signatures.
type Algorithm int

// The algorithms. The first three are HMAC with that hash. For the others a
// [Verifier] has public keys and a [Signer] private ones, in PKIX and in PKCS #8 form
// (RFC 5280, RFC 5958): in PEM, or as base64 with [Base64Key]. Those of Ed25519 may
// be the bare 32 bytes.
const (
	SHA256 Algorithm = iota
	SHA1
	SHA512
	Ed25519   // RFC 8032
	ECDSAP256 // SHA-256, a signature in ASN.1 (RFC 3279, section 2.2.3)
	RSASHA256 // PKCS #1 v1.5 (RFC 8017, section 8.2), keys of 2048 to 8192 bits
	RSASHA512 // the same with SHA-512
)

// Encoding is how a signature is written in a header.
type Encoding int

// The encodings of signatures. Base64 is padded; Base64URL may be.
const (
	Hex Encoding = iota
	Base64
	Base64URL
)

// KeyEncoding is how a key is written.
type KeyEncoding int

// The encodings of keys. The bytes of a RawKey are the key. A Base64Key may be
// padded or not.
const (
	RawKey KeyEncoding = iota
	Base64Key
	HexKey
)

// List describes a header of several values, such as "t=1,v1=ab,v1=cd" or
// "v1,ab= v1,cd=".
type List struct {
	// Sep separates the entries: ",", ";" or " ". Default: not a list.
	Sep string

	// KV separates an entry's key from its value. Default: entries are bare
	// values, and an entry's key is its position, "0" for the first.
	KV string

	// Keys are the keys whose values are signatures; all others are ignored.
	// Default: all but the timestamp's.
	Keys []string

	// Group separates lists from each other: Persona sends one per key while
	// keys rotate. Their timestamps must be equal. Default: one list.
	Group string

	// Single says that the list holds one signature and that receivers read no
	// more: WorkOS's own SDK reads the first v1 alone. A Signer then signs with its
	// newest key only. Verifying is the same. Default false.
	Single bool
}

// Timestamp says where the signed time is and how it is written. At most one of
// Header, ListKey and JSON is set.
type Timestamp struct {
	// Header is the name of a header, see Field.Header; Scheme.Signed must name
	// {timestamp}. Default none.
	Header string

	// ListKey is a key in the signature header's List, "0" for the first entry
	// of a list without keys; Scheme.Signed must name {timestamp}. Default none.
	ListKey string

	// JSON is a path in the signed body, see Field.JSON. Default none.
	JSON string

	// Unit is how the time is written. Default Seconds.
	Unit Unit

	// Layout is how the time is written, as a layout of package time, if it is
	// none of the units. Default Unit.
	Layout string

	// Tolerance is how far the time may be from the receiver's clock, in either
	// direction, inclusive. Options.Tolerance overrides it.
	//
	// Default 5 minutes, and Sender.RetryWindow more unless each retry is signed anew
	// (RetryTimeNew in Scheme.Sender): after an outage the retries of an event must
	// still be accepted. A replay within that time is stopped by the record of the
	// event, which must be kept for longer, see [Verifier.Tolerance].
	Tolerance time.Duration
}

// InsecureAnyTime as a tolerance accepts any timestamp. A captured delivery can
// then be replayed at any time, and only the record of its event stops it.
const InsecureAnyTime time.Duration = -1

// Unit is how a timestamp is written.
type Unit int

// The units of timestamps. Seconds and Milliseconds count from 1970, in decimal
// digits without sign or leading zeros.
const (
	Seconds Unit = iota
	Milliseconds
	RFC3339
)

// Field says where a value of a delivery is. At most one of the two is set.
type Field struct {
	// Header is the name of a header, or names separated by commas, as
	// "X-Shopify-Topic, Shopify-Topic": the first counts that a delivery has.
	// Default none.
	Header string

	// JSON is a path in the body: the names of members, outermost first, joined
	// by dots; a number is an index in an array. "data.id", "0.id". Default none.
	JSON string
}

// Identity says what identifies an event, so that a second delivery of it is
// recognised as a duplicate even if an attacker replays the first.
type Identity int

// The identities. See [Delivery.IdempotencyID].
const (
	// NoIdentity: nothing that is signed identifies an event. There is no default
	// key; choose one from the body.
	NoIdentity Identity = iota

	// SignedID: the ID is in the signed bytes, so it cannot be changed.
	SignedID

	// BodyDigest: no ID is signed, but two events never have the same body, so the
	// body's SHA-256 identifies them.
	BodyDigest

	// InsecureUnsignedID: the ID is in a header that is not signed. An attacker
	// who captures a delivery can have it processed again under any number of new
	// IDs. No preset uses it.
	InsecureUnsignedID
)
