package hmacverify

import (
	"fmt"
	"net/http"
	"sync"
	"time"
)

// Verifier verifies the deliveries of one scheme. Create one with [New] and
// reuse it; it is safe for concurrent use. The zero Verifier refuses everything.
type Verifier struct {
	plan *plan
	keys *keyring   // nil if Options.Keys finds them
	pool *sync.Pool // of *scratch
	opts Options    // with the defaults filled in

	bodies BodyReader
}

// New returns a Verifier for scheme s. Give it more than one key while you
// rotate, newest first. It needs at least one, unless o.Keys finds them. o may be
// nil.
//
// New checks scheme, options and keys, so that a mistake shows at start and not
// at the first delivery. The error is [ErrConfig]; it names the scheme and the
// field and says what is allowed. It never holds a key.
func New(s Scheme, o *Options, keys ...string) (*Verifier, error) {
	if o == nil {
		o = &Options{}
	}
	p, err := newPlan(s, o)
	if err != nil {
		return nil, err
	}
	v := &Verifier{plan: p, pool: &sync.Pool{}, opts: o.withDefaults(&p.scheme)}
	v.bodies.configure(v.opts)
	if o.Keys != nil {
		if len(keys) > 0 {
			return nil, p.wrong("Options.Keys", "finds the keys, so New must be given none")
		}
		return v, nil
	}
	if v.keys, err = newVerifyKeys(p, p.address, keys); err != nil {
		return nil, err
	}
	if err := new(scratch).keyWith(p, v.keys); err != nil {
		return nil, err
	}
	return v, nil
}

// Scheme returns the scheme that v verifies.
func (v *Verifier) Scheme() Scheme {
	if v == nil || v.plan == nil {
		return Scheme{}
	}
	return v.plan.scheme
}

// Tolerance returns how far a signed time may be from the clock, and so for how
// long a captured delivery can be replayed. Keep the record of an event longer
// than that. It is 0 if the scheme has no timestamp and [InsecureAnyTime] if any
// time is accepted; deliveries can then be replayed without limit.
func (v *Verifier) Tolerance() time.Duration {
	if v == nil || v.plan == nil {
		return 0
	}
	return v.plan.tolerance
}

// Verified reports whether v verified d.
func (v *Verifier) Verified(d *Delivery) bool {
	return v != nil && d != nil && d.verifier == v
}

// Verify verifies a delivery that was received just now. It does no I/O, and
// allocates nothing but the strings that it returns, unless the scheme uses
// {params}, an ExtractFunc, public keys or a timestamp in the body.
//
// The errors are [ErrMissing], [ErrMalformed], [ErrTimestamp] and [ErrMismatch].
// A body without the expected ID is not an error: the delivery is authentic, and
// [Delivery.IdempotencyID] reports what it lacks.
//
// With Options.Keys there is no key without a request; use [Verifier.Check].
func (v *Verifier) Verify(h http.Header, body []byte) (Delivery, error) {
	return v.verify(&incoming{header: h, body: body})
}

// VerifyAt is Verify for a delivery that has waited in a queue: its timestamp is
// compared with the time at which it was received. The zero time is now.
func (v *Verifier) VerifyAt(received time.Time, h http.Header, body []byte) (Delivery, error) {
	return v.verify(&incoming{header: h, body: body, received: received})
}

// incoming is a delivery before it is verified.
type incoming struct {
	header   http.Header
	arrival  arrival   // of Check, which has yet to read the body; its request is nil for Verify
	body     []byte    // of Verify
	received time.Time // zero is now
}

// verify is the one way to verify a delivery. Each step is in the file that its
// comment names. They are in the order of cost and of trust: what the headers alone
// decide comes before the body is read, and nothing in the body is believed before
// its signature has matched.
func (v *Verifier) verify(in *incoming) (d Delivery, err error) {
	if v == nil || v.plan == nil {
		return d, errZeroVerifier
	}
	p := v.plan
	r := in.arrival.request
	if r != nil && r.Method != p.method {
		return d, fmt.Errorf("%w: %.16q", ErrMethod, r.Method)
	}
	s := takeScratch(v.pool)
	defer s.release(v.pool)

	// candidates.go: the signatures to compare with, and other texts of headers.
	if err = s.readHeaders(p, in.header); err != nil {
		return d, err
	}

	// timestamp.go: an old request is refused here, before it costs a look-up.
	var sent time.Time
	if p.timeHeader != nil || p.listTime {
		if sent, err = v.checkTime(s.timestamp, in.received); err != nil {
			return d, err
		}
	}

	// keys.go: those that New was given, or the tenant's.
	keys, err := v.findKeys(s, r)
	if err != nil {
		return d, err
	}

	// address.go: the signed URL, as configured.
	if err = s.readTarget(p, &keys.address, r); err != nil {
		return d, err
	}

	// body.go: the first step that waits for the client.
	body := in.body
	if r != nil {
		body, err = in.arrival.read()
	}
	if err != nil {
		return d, err
	}

	// encoding.go: some senders compress what they have signed.
	if p.scheme.BeforeCompression {
		if body, err = v.decompress(in, body); err != nil {
			return d, err
		}
	}

	// signed.go: what the signature covers.
	signed, err := s.signedBytes(p, keys, in, body)
	if err != nil {
		return d, err
	}

	// match.go: one MAC for each key, until one equals a candidate.
	key, ok := s.match(p, keys, signed)
	for !ok && s.nextOrigin(&keys.address) { // the URL as the sender also writes it
		if signed, err = s.signedBytes(p, keys, in, body); err != nil {
			return d, err
		}
		key, ok = s.match(p, keys, signed)
	}
	if !ok {
		return d, ErrMismatch
	}

	// encoding.go: the others sign what they have compressed.
	if body, err = v.decompress(in, body); err != nil {
		return d, err
	}

	// fields.go: from here on the body is authentic.
	inBody, err := s.readBodyTime(p, body)
	if err != nil {
		return d, err
	}
	if inBody != "" {
		if sent, err = v.checkTime(inBody, in.received); err != nil {
			return d, err
		}
	}
	id, idSigned := s.readID(p, in.header, body)
	return Delivery{
		Scheme: p.scheme.Name, Tenant: keys.tenant, Key: key, Time: sent,
		ID: id, IDSigned: idSigned, Identity: p.scheme.Identity, Ping: len(p.pingPaths) > 0 && p.isPing(body),
		Header: in.header, Body: body,
		eventType: optional(in.header, p.typeHeader), typePath: p.typePath, verifier: v,
	}, nil
}
