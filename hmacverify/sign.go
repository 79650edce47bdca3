package hmacverify

import (
	"crypto/ed25519"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Signer signs deliveries as the sender of a scheme does: for those who send
// webhooks, and for tests. Make one with [NewSigner]; it is safe for
// concurrent use.
type Signer struct {
	plan *plan
	keys *keyring
	now  func() time.Time
}

// NewSigner returns a Signer. Of several keys all sign, newest first, if the
// scheme can carry several signatures, else the newest. Of the options it uses
// URL, Method and Now. The keys of an Ed25519 scheme are private keys or seeds.
func NewSigner(s Scheme, o *Options, keys ...string) (*Signer, error) {
	if o == nil {
		o = &Options{}
	}
	if err := o.check(len(keys)); err != nil {
		return nil, err
	}
	p, err := newPlan(s, o)
	if err != nil {
		return nil, err
	}
	if len(p.headers) == 0 {
		return nil, p.wrong("the signature is in the body, which a Signer does not write")
	}
	r, err := newKeyring(p, keys)
	if err != nil {
		return nil, err
	}
	if s.Algorithm == Ed25519 {
		if err := r.privateKeys(); err != nil {
			return nil, err
		}
	}
	r.url = o.URL
	return &Signer{plan: p, keys: r, now: o.withDefaults().now}, nil
}

// Sign adds the scheme's signature of body to the headers. Headers that the
// scheme signs, such as an ID, must be set before. A timestamp header that is
// set is used as it is; else it is set to the time of now.
func (s *Signer) Sign(h http.Header, body []byte) error {
	p := s.plan
	w := s.keys.get(p)
	defer s.keys.put(w)
	if err := s.stamp(w, h); err != nil {
		return err
	}
	if err := w.render(p, s.keys, h); err != nil {
		return err
	}
	signed, err := s.signedBytes(w, h, body)
	if err != nil {
		return err
	}
	keys := s.keys.keys()
	signatures := make([]string, len(keys))
	for i, key := range keys {
		if p.scheme.Algorithm == Ed25519 {
			signatures[i] = p.scheme.Prefix + p.encode(ed25519.Sign(key, w.message(signed)))
		} else {
			signatures[i] = p.scheme.Prefix + p.encode(w.mac(i, signed))
		}
	}
	s.place(w, h, signatures)
	return nil
}

// stamp decides the timestamp.
func (s *Signer) stamp(w *work, h http.Header) error {
	p := s.plan
	switch {
	case p.timeHeader != "" && len(h[p.timeHeader]) > 0:
		var err error
		w.timestamp, err = single(h, p.timeHeader)
		return err
	case p.timeHeader != "":
		w.timestamp = p.scheme.Timestamp.format(s.now())
		h[p.timeHeader] = []string{w.timestamp}
	case p.listTime:
		w.timestamp = p.scheme.Timestamp.format(s.now())
	}
	return nil
}

// signedBytes is the Verifier's, without its checks of time and signature.
func (s *Signer) signedBytes(w *work, h http.Header, body []byte) ([]byte, error) {
	switch {
	case s.plan.template.params:
		return formFields(body)
	case s.plan.scheme.Extract != nil:
		x, err := s.plan.extract(w, s.keys.url, h, body)
		return x.Signed, err
	}
	return body, nil
}

// place writes the signatures where the scheme has them.
func (s *Signer) place(w *work, h http.Header, signatures []string) {
	p := s.plan
	if p.scheme.List.Sep != "" {
		h[p.headers[0]] = []string{p.join(w.timestamp, signatures)}
		return
	}
	for i := range min(len(p.headers), len(signatures)) {
		h[p.headers[i]] = []string{signatures[i]}
	}
}

// join makes a list header of the signatures.
func (p *plan) join(timestamp string, signatures []string) string {
	l, groups := p.scheme.List, []string{}
	entries := p.stampEntry(timestamp)
	for i, signature := range signatures {
		key := strconv.Itoa(i + 1)
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

// stampEntry begins a list with the timestamp, if that is where it goes.
func (p *plan) stampEntry(timestamp string) []string {
	switch {
	case !p.listTime:
		return nil
	case p.scheme.List.KV == "":
		return []string{timestamp}
	}
	return []string{p.scheme.Timestamp.ListKey + p.scheme.List.KV + timestamp}
}

// format is the inverse of parse.
func (t Timestamp) format(at time.Time) string {
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

// privateKeys replaces the decoded keys by Ed25519 private keys.
func (r *keyring) privateKeys() error {
	keys := r.keys()
	for i, key := range keys {
		switch len(key) {
		case ed25519.SeedSize:
			keys[i] = ed25519.NewKeyFromSeed(key)
		case ed25519.PrivateKeySize:
		default:
			return fmt.Errorf("%w: key %d %w", ErrConfig, i, errKeySize)
		}
	}
	return nil
}
