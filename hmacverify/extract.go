package hmacverify

import (
	"fmt"
	"net/http"
)

// extract calls the scheme's ExtractFunc, and adds what it found to w.
func (p *plan) extract(w *work, url string, h http.Header, body []byte) (Extracted, error) {
	x, err := p.scheme.Extract(url, h, body)
	if err != nil {
		return Extracted{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if len(p.headers) > 0 {
		return x, nil
	}
	for _, s := range x.Signatures[:min(len(x.Signatures), maxCandidates)] {
		w.add(p, s)
	}
	if len(w.candidates) == 0 {
		return Extracted{}, fmt.Errorf("%w: no signature of the right length and encoding", ErrMalformed)
	}
	return x, nil
}
