package hmacverify

import (
	"crypto/ed25519"
	"crypto/hmac"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"
	"sync"
	"time"
)

// keyring holds the keys of one sender, newest first, and what is needed again
// and again to verify with them. It is safe for concurrent use.
//
// The keys are in a closure because package fmt prints any struct that it is
// given, unexported fields and what they point to, but never looks into a func.
type keyring struct {
	tenant, url string
	keys        func() [][]byte
	pool        sync.Pool // of *work
}

// newKeyring decodes the keys. Errors say which key is wrong, never what it is.
func newKeyring(p *plan, keys []string) (*keyring, error) {
	if len(keys) == 0 {
		return nil, fmt.Errorf("%w: %w", ErrConfig, ErrNoKey)
	}
	if len(keys) > maxKeys {
		return nil, fmt.Errorf("%w: more than %d keys", ErrConfig, maxKeys)
	}
	decoded := make([][]byte, len(keys))
	for i, key := range keys {
		b, err := p.decodeKey(key)
		if err != nil {
			return nil, fmt.Errorf("%w: key %d %w", ErrConfig, i, err)
		}
		decoded[i] = b
	}
	return &keyring{keys: func() [][]byte { return decoded }}, nil
}

// newVerifyKeys is newKeyring, and for Ed25519 sees that they are public keys.
func newVerifyKeys(p *plan, keys []string) (*keyring, error) {
	r, err := newKeyring(p, keys)
	if err != nil || p.scheme.Algorithm != Ed25519 {
		return r, err
	}
	for i, key := range r.keys() {
		if len(key) != ed25519.PublicKeySize {
			return nil, fmt.Errorf("%w: key %d %w", ErrConfig, i, errKeySize)
		}
	}
	return r, nil
}

// decodeKey decodes as the scheme says. It does not try another encoding when
// one fails: a Stripe secret starts with "whsec_" and is raw, a Standard
// Webhooks secret starts with "whsec_" and is base64, and a Zendesk secret
// looks like base64 and is raw.
func (p *plan) decodeKey(key string) ([]byte, error) {
	key = strings.TrimPrefix(key, p.scheme.KeyPrefix)
	b := []byte(key)
	var err error
	switch p.scheme.KeyEncoding {
	case Base64Key:
		b, err = base64.RawStdEncoding.DecodeString(strings.TrimRight(key, "="))
	case HexKey:
		b, err = hex.DecodeString(key)
	}
	switch {
	case err != nil:
		return nil, errBadKey // err would quote a byte of the key
	case len(b) == 0:
		return nil, errEmptyKey
	}
	return b, nil
}

// work is the scratch space of one verification. It lives in a keyring's pool,
// because a hash behind an interface makes every buffer that it touches
// escape: buffers that live as long as the hash are allocated once.
type work struct {
	macs       []hash.Hash  // one for each key, keyed
	sum        []byte       // the MAC that we made
	candidates [][room]byte // the signatures that we were sent, decoded
	text       []byte       // the template rendered, without the body
	split      int          // where in text the body goes
	strings    stringArena  // what was found in bodies
	timestamp  string       // as received
	sent       time.Time    // parsed
}

// room is enough to decode a padded base64 SHA-512 in place.
const room = 66

// get returns scratch space for the keyring, keyed.
func (r *keyring) get(p *plan) *work {
	if w, ok := r.pool.Get().(*work); ok {
		return w
	}
	w := &work{}
	if p.newHash != nil {
		w.macs = make([]hash.Hash, len(r.keys()))
		for i, key := range r.keys() {
			w.macs[i] = hmac.New(p.newHash, key)
		}
	}
	return w
}

// put gives it back, without what belongs to the request.
func (r *keyring) put(w *work) {
	w.candidates, w.text = w.candidates[:0], w.text[:0]
	w.timestamp, w.sent, w.split = "", time.Time{}, 0
	if cap(w.text) > maxHeader*2 {
		w.text = nil // an Ed25519 message, or a very long URL
	}
	r.pool.Put(w)
}

// match returns the index of the newest key that made one of the candidates.
// Each key costs one MAC, however many candidates there are, and every
// comparison takes the same time wherever the bytes differ.
func (r *keyring) match(p *plan, w *work, body []byte) (int, bool) {
	if p.scheme.Algorithm == Ed25519 {
		return r.matchEd25519(w, body)
	}
	for i := range w.macs {
		mac := w.mac(i, body)
		for j := range w.candidates {
			if hmac.Equal(mac, w.candidates[j][:p.size]) {
				return i, true
			}
		}
	}
	return 0, false
}

// mac returns the MAC under key i, valid until the next call.
func (w *work) mac(i int, body []byte) []byte {
	h := w.macs[i]
	h.Reset()
	if w.split > 0 {
		h.Write(w.text[:w.split])
	}
	h.Write(body)
	if w.split < len(w.text) {
		h.Write(w.text[w.split:])
	}
	w.sum = h.Sum(w.sum[:0])
	return w.sum
}

// matchEd25519 has to put the message together: the signature hashes it twice,
// and the standard library takes it in one piece.
func (r *keyring) matchEd25519(w *work, body []byte) (int, bool) {
	message := w.message(body)
	for i, key := range r.keys() {
		for j := range w.candidates {
			if ed25519.Verify(key, message, w.candidates[j][:ed25519.SignatureSize]) {
				return i, true
			}
		}
	}
	return 0, false
}

// message is the one place where the signed bytes are put together. It does not
// use the scratch space: a pool would keep a megabyte for each that came by.
func (w *work) message(body []byte) []byte {
	m := make([]byte, 0, len(w.text)+len(body))
	m = append(m, w.text[:w.split]...)
	m = append(m, body...)
	return append(m, w.text[w.split:]...)
}

// stringArena makes strings out of bytes without an allocation for each: some
// thirty share a block. A strings.Builder never writes again to bytes that it
// has handed out, so the strings are as constant as any.
type stringArena struct{ b strings.Builder }

const arenaBlock = 1 << 10

func (a *stringArena) add(s []byte) string {
	if a.b.Cap()-a.b.Len() < len(s) {
		a.b.Reset()
		a.b.Grow(max(arenaBlock, len(s)))
	}
	start := a.b.Len()
	a.b.Write(s)
	return a.b.String()[start:]
}
