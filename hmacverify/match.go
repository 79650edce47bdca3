package hmacverify

import (
	"crypto/hmac"
	"net/http"
)

// match returns the index of the newest key that made one of the candidates. Each
// key costs one MAC, however many candidates there are. The comparison takes the
// same time wherever the bytes differ.
func (s *scratch) match(p *plan, r *keyring, signed []byte) (int, bool) {
	if p.scheme.Algorithm.public() {
		return s.matchPublic(p, r, signed)
	}
	for i := range s.macs {
		mac := s.mac(i, signed)
		for j := range s.candidates {
			if hmac.Equal(mac, s.candidates[j][:p.size]) {
				return i, true
			}
		}
	}
	return 0, false
}

// mac returns the MAC under key i, valid until the next call. The signed bytes are
// never joined: two short texts and the body are hashed one after the other.
func (s *scratch) mac(i int, signed []byte) []byte {
	h := s.macs[i]
	h.Reset() // to the state after the key
	if s.split > 0 {
		h.Write(s.text[:s.split])
	}
	h.Write(signed)
	if s.split < len(s.text) {
		h.Write(s.text[s.split:])
	}
	s.sum = h.Sum(s.sum[:0])
	return s.sum
}

// SignedBytes returns what a signature of r must cover, for finding out why a delivery is
// refused; the command hmacverify/explain prints it. It verifies nothing, and consumes the
// body. Where the sender signs one of several forms of the URL, it is the first. The
// errors are those of [Verifier.Check].
func (v *Verifier) SignedBytes(r *http.Request) ([]byte, error) {
	if v == nil || v.plan == nil {
		return nil, errZeroVerifier
	}
	in := incoming{header: r.Header, arrival: arrival{reader: &v.bodies, request: r}}
	defer in.arrival.release()
	s := takeScratch(v.pool)
	defer s.release(v.pool)
	if err := s.readHeaders(v.plan, in.header); err != nil {
		return nil, err
	}
	keys, err := v.findKeys(s, r)
	if err != nil {
		return nil, err
	}
	if err := s.readTarget(v.plan, &keys.address, r); err != nil {
		return nil, err
	}
	body, err := in.arrival.read()
	if err == nil && v.plan.scheme.BeforeCompression {
		body, err = v.decompress(&in, body)
	}
	if err != nil {
		return nil, err
	}
	signed, err := s.signedBytes(v.plan, keys, &in, body)
	if err != nil {
		return nil, err
	}
	return s.message(signed), nil
}

// message joins the signed bytes. It allocates, because the pool would keep the
// memory of the largest body that came by.
func (s *scratch) message(signed []byte) []byte {
	m := make([]byte, 0, len(s.text)+len(signed))
	m = append(m, s.text[:s.split]...)
	m = append(m, signed...)
	return append(m, s.text[s.split:]...)
}
