package hmacverify

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Signer signs deliveries as the sender of a scheme does, for senders and for tests
// of receivers. Create one with [NewSigner]; it is safe for concurrent use. The
// zero Signer signs nothing.
type Signer struct {
	plan *plan
	keys *keyring
	pool *sync.Pool // of *scratch
	now  func() time.Time
}

// NewSigner returns a Signer for scheme s. If the scheme can carry several
// signatures, all keys sign, newest first; else only the newest does. A scheme
// with public keys needs the private ones here: in PKCS #8 form, see [Algorithm], or
// for Ed25519 as they are or as seeds. o may be nil.
//
// It checks scheme, options and keys as [New] does; the error is [ErrConfig].
func NewSigner(s Scheme, o *Options, keys ...string) (*Signer, error) {
	if o == nil {
		o = &Options{}
	}
	p, err := newPlan(s, o)
	switch {
	case err != nil:
		return nil, err
	case o.Keys != nil:
		return nil, p.wrong("Options.Keys", "finds keys for requests: give NewSigner the keys themselves")
	case len(p.headers) == 0:
		return nil, p.wrong("Signature", "names no header, and a Signer does not write into the body")
	}
	r, err := newKeyring(p, p.address, keys)
	if err != nil {
		return nil, err
	}
	if p.scheme.Algorithm.public() {
		if err := r.privateKeys(p); err != nil {
			return nil, err
		}
	}
	if err := new(scratch).keyWith(p, r); err != nil {
		return nil, err
	}
	return &Signer{plan: p, keys: r, pool: &sync.Pool{}, now: o.withDefaults(&p.scheme).Now}, nil
}

// NewRequest returns a signed request that delivers body to url, by Options.Method.
// header holds what else the request needs, such as an ID that the scheme signs or
// a Content-Type; it is copied and may be nil.
func (s *Signer) NewRequest(ctx context.Context, url string, header http.Header, body []byte) (*http.Request, error) {
	if s == nil || s.plan == nil {
		return nil, errZeroSigner
	}
	r, err := http.NewRequestWithContext(ctx, s.plan.method, url, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("hmacverify: new request: %w", err)
	}
	maps.Copy(r.Header, header.Clone())
	in := incoming{header: r.Header, arrival: arrival{request: r}}
	if err := s.sign(&in, body); err != nil {
		return nil, err
	}
	return r, nil
}

// Sign adds the scheme's signature of body to h. Set headers that the scheme signs,
// such as an ID, before. A timestamp header that is set is used as it is; otherwise
// Sign sets it to the current time.
func (s *Signer) Sign(h http.Header, body []byte) error {
	if s == nil || s.plan == nil {
		return errZeroSigner
	}
	return s.sign(&incoming{header: h}, body)
}

// sign signs a delivery that has no signature yet.
func (s *Signer) sign(in *incoming, body []byte) error {
	p, h := s.plan, in.header
	w := takeScratch(s.pool)
	defer w.release(s.pool)
	if err := s.stamp(w, h); err != nil {
		return err
	}
	if err := w.readSignedHeaders(p.template.headers, h); err != nil {
		return err
	}
	if err := w.readTarget(p, &s.keys.address, in.arrival.request); err != nil {
		return err
	}
	signed, err := w.signedBytes(p, s.keys, in, body)
	switch {
	case err != nil:
		return err
	case w.bodyTime != "" && p.scheme.List.Sep != "":
		return p.wrong("Extract", "returns a timestamp, and the Signer does not know where in the list to write it: set Timestamp.ListKey")
	}
	if err := w.keyWith(p, s.keys); err != nil {
		return err
	}
	// All keys sign, so that receivers accept either while keys rotate.
	keys := s.keys.keys()
	if p.scheme.List.Single {
		keys = keys[:1]
	}
	signatures := make([]string, len(keys))
	for i := range keys {
		var sum []byte
		if p.scheme.Algorithm.public() {
			if sum, err = w.signPublic(p, s.keys, i, signed); err != nil {
				return err
			}
		} else {
			sum = w.mac(i, signed)
		}
		signatures[i] = p.scheme.Prefix + p.encode(sum)
	}
	p.place(h, w.timestamp, signatures)
	return nil
}

// stamp chooses the timestamp.
func (s *Signer) stamp(w *scratch, h http.Header) error {
	p := s.plan
	switch {
	// A caller sets the header to sign for another time than now, as a retry does.
	case p.timeHeader != nil && isSet(h, p.timeHeader):
		var err error
		w.timestamp, err = single(h, p.timeHeader)
		return err
	case p.timeHeader != nil:
		w.timestamp = p.scheme.Timestamp.text(s.now())
		h[p.timeHeader[0]] = []string{w.timestamp}
	case p.listTime:
		w.timestamp = p.scheme.Timestamp.text(s.now())
	}
	return nil
}

func isSet(h http.Header, names alternatives) bool {
	_, values := names.in(h)
	return len(values) > 0
}

// text writes a time as the scheme does.
func (t *Timestamp) text(at time.Time) string {
	switch {
	case t.Layout != "":
		return at.UTC().Format(t.Layout)
	case t.Unit == RFC3339:
		return at.UTC().Format(time.RFC3339)
	case t.Unit == Milliseconds:
		return strconv.FormatInt(at.UnixMilli(), 10)
	}
	return strconv.FormatInt(at.Unix(), 10)
}

// encode writes a signature as the scheme does.
func (p *plan) encode(sum []byte) string {
	switch p.scheme.Encoding {
	case Base64:
		return base64Strict.EncodeToString(sum)
	case Base64URL:
		return base64URLStrict.EncodeToString(sum)
	}
	return fmt.Sprintf("%x", sum)
}

// place sets the signature headers. Without a list each signature has a header of
// its own, as long as there are headers.
func (p *plan) place(h http.Header, timestamp string, signatures []string) {
	if p.scheme.List.Sep != "" {
		h[p.places[0]] = []string{p.join(timestamp, signatures)}
		return
	}
	for i := range min(len(p.places), len(signatures)) {
		h[p.places[i]] = []string{signatures[i]}
	}
}

// join builds a list header from the signatures.
func (p *plan) join(timestamp string, signatures []string) string {
	l, groups := p.scheme.List, []string{}
	entries := p.stampEntry(timestamp)
	for i, signature := range signatures {
		key := strconv.Itoa(i + 1) // any key will do if the scheme names none
		if len(l.Keys) > 0 {
			key = l.Keys[0]
		}
		if l.KV != "" {
			signature = key + l.KV + signature
		}
		if entries = append(entries, signature); l.Group != "" {
			groups = append(groups, strings.Join(entries, l.Sep))
			entries = p.stampEntry(timestamp)
		}
	}
	if l.Group != "" {
		return strings.Join(groups, l.Group)
	}
	return strings.Join(entries, l.Sep)
}

// stampEntry starts a list with the timestamp, if the scheme has it there.
func (p *plan) stampEntry(timestamp string) []string {
	switch {
	case !p.listTime:
		return nil
	case p.scheme.List.KV == "":
		return []string{timestamp}
	}
	return []string{p.scheme.Timestamp.ListKey + p.scheme.List.KV + timestamp}
}
