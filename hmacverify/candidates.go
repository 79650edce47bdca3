package hmacverify

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// readHeaders takes everything that verifying needs from the headers: the
// candidates, which are the signatures to compare with, the timestamp as text, and
// the values of headers that are signed.
func (s *scratch) readHeaders(p *plan, h http.Header) error {
	found := false
	for _, name := range p.headers {
		values := h[name]
		if len(values) == 0 || len(values) == 1 && values[0] == "" {
			continue // one of several headers is enough
		}
		found = true
		if len(values) > 1 && p.joinable {
			if err := s.readLines(p, h, name, values); err != nil {
				return err
			}
			continue
		}
		value, err := only(h, name, values)
		if err != nil {
			return err
		}
		if err := s.readSignature(p, value); err != nil {
			return err
		}
	}
	switch {
	case !found && len(p.headers) > 0:
		return missing(h, p.headers[0])
	case len(s.candidates)+len(s.signatures) == 0 && len(p.headers) > 0:
		return fmt.Errorf("%w: no signature of the scheme's prefix, length and encoding in %s", ErrMalformed, p.headers[0])
	case p.listTime && s.timestamp == "":
		return fmt.Errorf("%w: no timestamp in %s", ErrMalformed, p.headers[0])
	}
	if p.timeHeader != nil {
		var err error
		if s.timestamp, err = single(h, p.timeHeader); err != nil {
			return err
		}
	}
	return s.readSignedHeaders(p.template.headers, h)
}

// readLines reads a signature header that is given more than once. For a list with
// commas that means the same as one line (RFC 9110, section 5.3): Mollie sends one for
// each key.
func (s *scratch) readLines(p *plan, h http.Header, name string, values []string) error {
	if len(values) > maxCandidates {
		return fmt.Errorf("%w: %s given more than %d times", ErrMalformed, name, maxCandidates)
	}
	for i := range values {
		value, err := only(h, name, values[i:i+1])
		if err != nil {
			return err
		}
		if err := s.readSignature(p, value); err != nil {
			return err
		}
	}
	return nil
}

// readSignature reads the value of one signature header.
func (s *scratch) readSignature(p *plan, value string) error {
	l := &p.scheme.List
	if l.Sep == "" {
		s.add(p, value)
		return nil
	}
	if l.Group == "" {
		return s.readList(p, value)
	}
	for rest, more := value, true; more; {
		var group string
		group, rest, more = strings.Cut(rest, l.Group)
		if group == "" { // two separators in a row
			continue
		}
		before := s.timestamp
		s.timestamp = ""
		if err := s.readList(p, group); err != nil {
			return err
		}
		// Different timestamps would need a MAC each. No sender does that: all
		// groups are signatures of the same delivery.
		if before != "" && s.timestamp != before {
			return fmt.Errorf("%w: groups with different timestamps", ErrMalformed)
		}
	}
	return nil
}

// readList reads the entries of a list. It skips unknown keys, because that is how
// senders announce new versions, and candidates that cannot be signatures, because
// a bad one must not spoil a good one beside it.
func (s *scratch) readList(p *plan, value string) error {
	l := &p.scheme.List
	candidates := 0
	for rest, more, n := value, true, 0; more; n++ {
		var entry string
		entry, rest, more = strings.Cut(rest, l.Sep)
		key, text, ok := l.entry(strings.Trim(entry, " \t"), n)
		switch {
		case !ok:
		case p.listTime && key == p.scheme.Timestamp.ListKey:
			if s.timestamp != "" {
				return fmt.Errorf("%w: two timestamps in one list", ErrMalformed)
			}
			if s.timestamp = text; text == "" {
				return fmt.Errorf("%w: empty timestamp in the list", ErrMalformed)
			}
		case len(l.Keys) == 0 || slices.Contains(l.Keys, key):
			if candidates++; candidates > maxCandidates {
				return fmt.Errorf("%w: more than %d signatures", ErrMalformed, maxCandidates)
			}
			s.add(p, text)
		}
	}
	return nil
}

// entry splits an entry into key and value. Without KV the key is the position.
func (l *List) entry(entry string, n int) (key, value string, ok bool) {
	if l.KV != "" {
		return strings.Cut(entry, l.KV)
	}
	if n == 0 {
		return "0", entry, true
	}
	return "", entry, true
}

// add decodes text and keeps it if it can be a signature of the scheme.
func (s *scratch) add(p *plan, text string) {
	if p.scheme.Prefix != "" {
		rest, ok := strings.CutPrefix(text, p.scheme.Prefix)
		if !ok && !p.scheme.PrefixOptional {
			return
		}
		text = rest
	}
	if p.scheme.Algorithm.public() {
		if signature, ok := p.decodePublic(text); ok {
			s.signatures = append(s.signatures, signature)
		}
		return
	}
	// It is decoded in place, so that no candidate costs an allocation.
	n := len(s.candidates)
	s.candidates = slices.Grow(s.candidates, 1)[:n+1]
	if !p.decode(&s.candidates[n], text) {
		s.candidates = s.candidates[:n]
	}
}

var (
	base64Strict    = base64.StdEncoding.Strict()
	base64URLStrict = base64.RawURLEncoding.Strict()
)

// decode decodes one signature. It checks the exact length first: neither a
// truncated signature nor one with trailing bytes is a candidate.
func (p *plan) decode(dst *[room]byte, text string) bool {
	var n int
	var err error
	switch p.scheme.Encoding {
	case Hex:
		if len(text) != 2*p.size {
			return false
		}
		n, err = hex.Decode(dst[:], []byte(text))
	case Base64:
		if len(text) != base64.StdEncoding.EncodedLen(p.size) {
			return false
		}
		n, err = base64Strict.Decode(dst[:], []byte(text))
	case Base64URL:
		bare := base64.RawURLEncoding.EncodedLen(p.size)
		if len(text) == base64.URLEncoding.EncodedLen(p.size) && strings.Trim(text[bare:], "=") == "" {
			text = text[:bare]
		}
		if len(text) != bare {
			return false
		}
		n, err = base64URLStrict.Decode(dst[:], []byte(text))
	}
	return err == nil && n == p.size
}

// readSignedHeaders reads the headers that the template names, and refuses values
// for which the signed bytes could be split in another way, see template.separate.
func (s *scratch) readSignedHeaders(headers []part, h http.Header) error {
	for i := range headers {
		p := &headers[i]
		value, err := single(h, p.names)
		if err != nil {
			return err
		}
		if p.token && !isHeaderToken(value) {
			return fmt.Errorf("%w: %s has characters that IDs do not have", ErrMalformed, p.names[0])
		}
		for _, sep := range p.seps {
			if strings.Contains(value, sep) {
				return fmt.Errorf("%w: %s contains the separator of the signed bytes", ErrMalformed, p.names[0])
			}
		}
		s.values = append(s.values, value)
	}
	return nil
}

// isHeaderToken reports whether s has only characters of IDs, base64 included. No
// JSON object, URL or RFC 3339 time does.
func isHeaderToken(s string) bool {
	const alphabet = "-_.+/=0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	return strings.Trim(s, alphabet) == ""
}

// single returns the value of a header that must be present once. Its names are
// canonical, so that the map can be indexed directly.
func single(h http.Header, names alternatives) (string, error) {
	name, values := names.in(h)
	return only(h, name, values)
}

// only refuses a header that is given twice: proxies differ in which line counts, so
// a signature on one says nothing about the other.
func only(h http.Header, name string, values []string) (string, error) {
	switch {
	case len(values) > 1:
		return "", fmt.Errorf("%w: %s given more than once", ErrMalformed, name)
	case len(values) == 0 || values[0] == "":
		return "", missing(h, name)
	case len(values[0]) > maxHeader:
		return "", fmt.Errorf("%w: %s is longer than %d bytes", ErrMalformed, name, maxHeader)
	}
	return values[0], nil
}

// missing also detects maps that were not built with Header.Set: gateways and
// queues hand out names in lower case, which http.Header does not find.
func missing(h http.Header, name string) error {
	for other := range h {
		if other != name && strings.EqualFold(other, name) {
			return fmt.Errorf("%w: %s; the http.Header has it as %q, build it with Header.Set", ErrMissing, name, other)
		}
	}
	return fmt.Errorf("%w: %s", ErrMissing, name)
}
