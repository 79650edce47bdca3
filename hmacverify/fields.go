package hmacverify

import (
	"fmt"
	"net/http"
)

// readBodyTime returns the timestamp in the body, by the scheme's path or as its
// ExtractFunc found it; empty if there is none and none is needed.
func (s *scratch) readBodyTime(p *plan, body []byte) (string, error) {
	text := s.bodyTime
	if p.timePath != nil {
		text = bodyText(body, p.timePath)
	}
	if text == "" && p.wantsTime {
		return "", fmt.Errorf("%w: no timestamp in the body", ErrMissing)
	}
	return text, nil
}

// readID returns the event's ID, and whether it is signed. The ID is empty if it is
// absent or too long for a key.
func (s *scratch) readID(p *plan, h http.Header, body []byte) (id string, signed bool) {
	switch {
	case len(s.id) > maxID:
		return "", true
	case s.id != "":
		return s.id, true
	case p.idPath != nil:
		return bodyText(body, p.idPath), p.idSigned
	}
	return optional(h, p.idHeader), p.idSigned
}

// bodyText returns the string or number at path, or nothing.
func bodyText(body []byte, path []string) string {
	// The token's length is checked before its escapes are decoded, which would
	// copy it.
	token := jsonValue(body, path)
	if len(token) > 6*maxID+2 { // \u0041 is the longest way to write one byte
		return ""
	}
	text, ok := jsonText(token)
	if !ok || len(text) > maxID {
		return ""
	}
	return string(text)
}

// optional returns the value of a header that may be absent; nothing if it is
// ambiguous.
func optional(h http.Header, names alternatives) string {
	if names == nil {
		return ""
	}
	if _, values := names.in(h); len(values) == 1 && len(values[0]) <= maxID {
		return values[0]
	}
	return ""
}
