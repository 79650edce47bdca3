package hmacverify

import (
	"fmt"
	"net/http"
	"strings"
)

// ExtractFunc finds in a request what no template describes. It must not keep or
// change header and body of r. An error refuses the delivery as [ErrMalformed] and is
// logged, so it must not hold their content.
//
// Whatever it returns must follow from what Scheme.Signed names and from nothing else:
// New decides by that what the signature covers.
type ExtractFunc func(r Received) (Extracted, error)

// Received is a request that has yet to be verified, for an [ExtractFunc].
type Received struct {
	// Method is Options.Method, and the request's.
	Method string

	// URL is Options.URL or the tenant's, in the form of Scheme.URLForm. Empty if
	// none is configured; New requires one if Scheme.Signed names {url}.
	URL string

	// Query is the request's own query, as in its URL. Senders that sign a parameter
	// which they have added, as Mercado Pago does, need it. Empty for
	// [Verifier.Verify], which has no request.
	Query string

	// Header is the request's header.
	Header http.Header

	// Timestamp is the signed time from Timestamp.Header or ListKey, as received.
	Timestamp string

	// Body is the body.
	Body []byte
}

// Extracted is the result of an [ExtractFunc].
type Extracted struct {
	// Signed is what the signature covers. Required.
	Signed []byte

	// Signatures are the candidates, if Scheme.Signature names no headers for
	// them. Default none.
	Signatures []string

	// Timestamp is a time in Signed, written and checked as Scheme.Timestamp
	// says, if that has no place for it. Default none; then a delivery of any age is
	// accepted, unless a tolerance is set explicitly.
	Timestamp string

	// ID is the event's ID; it must be in Signed. Default the one at Scheme.ID.
	ID string
}

// extract calls the scheme's ExtractFunc. The signatures that it finds count only
// if the scheme names no header for them.
func (s *scratch) extract(p *plan, url string, in *incoming, body []byte) ([]byte, error) {
	r := Received{Method: p.method, URL: url, Header: in.header, Timestamp: s.timestamp, Body: body}
	if in.arrival.request != nil {
		_, r.Query, _ = strings.Cut(requestTarget(in.arrival.request), "?")
	}
	found, err := p.scheme.Extract(r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	s.bodyTime, s.id = found.Timestamp, found.ID
	if len(p.headers) > 0 {
		return found.Signed, nil
	}
	s.candidates = s.candidates[:0]
	for _, signature := range found.Signatures[:min(len(found.Signatures), maxCandidates)] {
		s.add(p, signature)
	}
	if len(s.candidates) == 0 {
		return nil, fmt.Errorf("%w: no signature of the scheme's length and encoding in the body", ErrMalformed)
	}
	return found.Signed, nil
}
