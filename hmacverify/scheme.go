package hmacverify

import (
	"net/http"
	"time"
)

// Scheme describes how one sender signs its webhooks. It is plain data: take
// one from a preset and change a field, or write one from the provider's page.
// [New] refuses a Scheme that is incomplete or contradicts itself, and says why.
//
// The zero value of every field but Name and Signature is a usable default:
// HMAC-SHA256 over the raw body, in hex, with the key as it is, no timestamp
// and no identity.
type Scheme struct {
	// Name is the sender's name. Required; at most 64 printable ASCII bytes
	// without space and "/".
	Name string

	// Algorithm is what makes the signature. Default SHA256. It comes from
	// here only: what a request says of it is not looked at.
	Algorithm Algorithm

	// Signature names the headers that carry signatures. One is enough for a
	// request to be accepted. Required unless Extract finds them in the body.
	Signature []string

	// Prefix stands before each signature, as "sha256=" or "v0=".
	// PrefixOptional says that senders may leave it out.
	Prefix         string
	PrefixOptional bool

	// List splits a header that carries more than one value. The zero List is
	// for headers that are one signature.
	List List

	// Encoding is how signatures are written. Default Hex, in either case.
	Encoding Encoding

	// Signed is the template of the signed bytes, default "{body}". It may
	// name {body}, {timestamp}, {id} (the header that ID names), {header:X},
	// {url} and {method} (both from Options, never from the request), and
	// {params}: the form fields of the body, sorted, names and values
	// concatenated. All else is literal. One of {body} and {params} is
	// mandatory: a signature that does not cover the body protects nothing.
	Signed string

	// Timestamp says where the signed time is. A scheme that has one makes it
	// mandatory. The zero Timestamp is for schemes without.
	Timestamp Timestamp

	// KeyEncoding says how the key is written; it is never guessed. KeyPrefix
	// is cut off first if it is there, as "whsec_".
	KeyEncoding KeyEncoding
	KeyPrefix   string

	// ID and Type say where the event's ID and type are.
	ID   Field
	Type Field

	// Identity says what tells one event from another, see [Identity].
	Identity Identity

	// JSONObject refuses every body that is no JSON object, which is to say,
	// that does not begin with a brace. It is for senders to whose questions an
	// endpoint must answer with a signature, see [XChallenge].
	JSONObject bool

	// Sender describes how the sender behaves. The zero Sender is one that
	// nothing is known of.
	Sender Sender

	// Extract is for the few senders that no template describes. When it is
	// set, Signed must be empty.
	Extract ExtractFunc
}

// Algorithm is what makes a signature.
type Algorithm int

// The algorithms. The first three are HMAC with that hash. With Ed25519 the
// keys of a [Verifier] are public keys and those of a [Signer] private ones.
const (
	SHA256 Algorithm = iota
	SHA1
	SHA512
	Ed25519
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
	// Sep separates the entries: ",", ";" or " ". Empty: not a list.
	Sep string

	// KV separates an entry's key from its value. Empty: entries are bare
	// values, and an entry's key is its position, "0" for the first.
	KV string

	// Keys are the keys whose values are signatures; all others are ignored.
	// Empty: all but the timestamp's.
	Keys []string

	// Group, if set, separates whole lists from each other: Persona sends one
	// per key while keys rotate. Their timestamps must be equal.
	Group string
}

// Timestamp says where the time of sending is and how it is written. At most
// one of Header, ListKey and JSON is set.
type Timestamp struct {
	// Header is the name of a header. It must be in the template.
	Header string

	// ListKey is a key in the signature header's List, "0" for the first
	// entry of a list without keys. It must be in the template.
	ListKey string

	// JSON is a path in the signed body, see Field.JSON.
	JSON string

	// Unit is how the time is written, default Seconds. Layout is used
	// instead if it is set: a layout of package time.
	Unit   Unit
	Layout string

	// Tolerance is how far the time may be from the receiver's clock, in
	// either direction, inclusive. Default 5 minutes.
	Tolerance time.Duration
}

// InsecureAnyTime as a tolerance accepts any timestamp: a captured delivery
// can be replayed for ever, and only its identity stops it.
const InsecureAnyTime time.Duration = -1

// Unit is how a timestamp is written.
type Unit int

// The units of timestamps. Seconds and Milliseconds are decimal digits, since
// 1970, without sign or leading zeros.
const (
	Seconds Unit = iota
	Milliseconds
	RFC3339
)

// Field says where a value of a delivery is. At most one of the two is set.
type Field struct {
	// Header is the name of a header.
	Header string

	// JSON is a path in the body: the names of members, outermost first,
	// joined by dots; a number is an index in an array. "data.id", "0.id".
	JSON string
}

// Identity says what tells one event of a sender from another, so that the
// same event delivered twice is recognised even if an attacker replays it.
type Identity int

const (
	// NoIdentity: nothing that is signed tells events apart. There is no
	// default key; the handler has to find one in the body.
	NoIdentity Identity = iota

	// SignedID: the ID is inside the signed bytes, so it cannot be changed.
	SignedID

	// BodyDigest: there is no signed ID, but two different events never have
	// the same body, so the SHA-256 of the body will do.
	BodyDigest

	// InsecureUnsignedID: the ID is in a header that is not signed. Whoever
	// captures one delivery can have its work done again and again, under a
	// new ID each time. No preset chooses it.
	InsecureUnsignedID
)

// ExtractFunc takes from a request what no template describes. It must not
// keep or change header and body. An error refuses the delivery with
// [ErrMalformed].
type ExtractFunc func(url string, header http.Header, body []byte) (Extracted, error)

// Extracted is what an [ExtractFunc] found.
type Extracted struct {
	// Signed is what the signature was made over.
	Signed []byte

	// Signatures are the candidates, if they are not in the headers that
	// Scheme.Signature names.
	Signatures []string

	// Timestamp is checked as Scheme.Timestamp says; empty is no timestamp.
	// It must be within Signed.
	Timestamp string

	// ID is the event's ID. It must be within Signed.
	ID string
}
