package hmacverify

import (
	"hash"
	"sync"
)

// scratch is the working memory of one verification. It is pooled, because a hash
// is behind an interface and so every buffer that it touches escapes: without a
// pool each delivery would allocate its MAC states, its candidates and its sum.
type scratch struct {
	candidates [][room]byte // the signatures in the request, decoded
	signatures [][]byte     // the same, for algorithms with public keys
	timestamp  string       // from the headers, as received
	values     []string     // of the headers that the template names
	target     string       // path and query of the signed URL
	origin     int          // which form of the URL is tried
	text       []byte       // the template rendered, without the body
	split      int          // where in text the body goes
	bodyTime   string       // the timestamp that an ExtractFunc found
	id         string       // the ID that an ExtractFunc found
	keyed      *keyring     // whose MACs macs are
	macs       []hash.Hash  // one for each key, keyed
	sum        []byte       // the MAC computed last
}

// room is enough to decode a padded base64 SHA-512 in place.
const room = 66

func takeScratch(pool *sync.Pool) *scratch {
	if s, ok := pool.Get().(*scratch); ok {
		return s
	}
	return &scratch{}
}

// release returns s to the pool without anything that belongs to the delivery. The
// MACs stay: they are the keys', and keyWith makes others for other keys.
func (s *scratch) release(pool *sync.Pool) {
	clear(s.values)
	s.signatures = nil
	s.candidates, s.values, s.text = s.candidates[:0], s.values[:0], s.text[:0]
	s.timestamp, s.target, s.origin, s.split, s.bodyTime, s.id = "", "", 0, 0, "", ""
	if s.keyed != nil && s.keyed.tenant != "" {
		s.keyed, s.macs = nil, nil // of this request alone
	}
	if cap(s.text) > 2*maxHeader {
		s.text = nil // do not keep a very long URL
	}
	pool.Put(s)
}
