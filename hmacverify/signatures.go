package hmacverify

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// readHeaders takes from the headers all that can be checked before the body
// is read: the candidates, and the timestamp if it is there.
func (w *work) readHeaders(p *plan, h http.Header) error {
	found := false
	for _, name := range p.headers {
		values := h[name]
		if len(values) == 0 || len(values) == 1 && values[0] == "" {
			continue // one of several headers is enough
		}
		value, err := only(name, values)
		if err != nil {
			return err
		}
		found = true
		if err := w.readSignature(p, value); err != nil {
			return err
		}
	}
	switch {
	case !found && len(p.headers) > 0:
		return fmt.Errorf("%w: %s", ErrMissing, p.headers[0])
	case len(w.candidates) == 0 && len(p.headers) > 0:
		return fmt.Errorf("%w: no signature of the right prefix, length and encoding", ErrMalformed)
	case p.listTime && w.timestamp == "":
		return fmt.Errorf("%w: no timestamp in the list", ErrMalformed)
	}
	if p.timeHeader != "" {
		var err error
		w.timestamp, err = single(h, p.timeHeader)
		return err
	}
	return nil
}

// readSignature reads one header's value.
func (w *work) readSignature(p *plan, value string) error {
	l := &p.scheme.List
	if l.Sep == "" {
		w.add(p, value)
		return nil
	}
	if l.Group == "" {
		return w.readList(p, value)
	}
	for rest, more := value, true; more; {
		var group string
		group, rest, more = strings.Cut(rest, l.Group)
		if group == "" {
			continue
		}
		before := w.timestamp
		w.timestamp = ""
		if err := w.readList(p, group); err != nil {
			return err
		}
		// Groups with different timestamps would need a MAC for each, and
		// nobody sends them: each is a signature of the same delivery.
		if before != "" && w.timestamp != before {
			return fmt.Errorf("%w: groups with different timestamps", ErrMalformed)
		}
	}
	return nil
}

// readList reads the entries of a list. Unknown keys are what senders announce
// new versions with, and a candidate that cannot be one does not sink a good
// one beside it; both are skipped.
func (w *work) readList(p *plan, value string) error {
	l := &p.scheme.List
	candidates := 0
	for rest, more, n := value, true, 0; more; n++ {
		var entry string
		entry, rest, more = strings.Cut(rest, l.Sep)
		key, text, ok := l.entry(strings.Trim(entry, " \t"), n)
		switch {
		case !ok:
		case p.listTime && key == p.scheme.Timestamp.ListKey:
			if w.timestamp != "" {
				return fmt.Errorf("%w: two timestamps", ErrMalformed)
			}
			if w.timestamp = text; text == "" {
				return fmt.Errorf("%w: empty timestamp", ErrMalformed)
			}
		case len(l.Keys) == 0 || slices.Contains(l.Keys, key):
			if candidates++; candidates > maxCandidates {
				return fmt.Errorf("%w: more than %d signatures", ErrMalformed, maxCandidates)
			}
			w.add(p, text)
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

// add decodes s and keeps it if it can be a signature of the scheme.
func (w *work) add(p *plan, s string) {
	if p.scheme.Prefix != "" {
		rest, ok := strings.CutPrefix(s, p.scheme.Prefix)
		if !ok && !p.scheme.PrefixOptional {
			return
		}
		s = rest
	}
	n := len(w.candidates)
	w.candidates = slices.Grow(w.candidates, 1)[:n+1]
	if !p.decode(&w.candidates[n], s) {
		w.candidates = w.candidates[:n]
	}
}

var (
	base64Strict    = base64.StdEncoding.Strict()
	base64URLStrict = base64.RawURLEncoding.Strict()
)

// decode decodes exactly one signature. The length is checked first and
// exactly: a truncated signature is none, and so is one with more after it.
func (p *plan) decode(dst *[room]byte, s string) bool {
	var n int
	var err error
	switch p.scheme.Encoding {
	case Hex:
		if len(s) != 2*p.size {
			return false
		}
		n, err = hex.Decode(dst[:], []byte(s))
	case Base64:
		if len(s) != base64.StdEncoding.EncodedLen(p.size) {
			return false
		}
		n, err = base64Strict.Decode(dst[:], []byte(s))
	case Base64URL:
		bare := base64.RawURLEncoding.EncodedLen(p.size)
		if len(s) == base64.URLEncoding.EncodedLen(p.size) && strings.Trim(s[bare:], "=") == "" {
			s = s[:bare]
		}
		if len(s) != bare {
			return false
		}
		n, err = base64URLStrict.Decode(dst[:], []byte(s))
	}
	return err == nil && n == p.size
}

// encode is the other way round.
func (p *plan) encode(sum []byte) string {
	switch p.scheme.Encoding {
	case Base64:
		return base64.StdEncoding.EncodeToString(sum)
	case Base64URL:
		return base64.RawURLEncoding.EncodeToString(sum)
	}
	return hex.EncodeToString(sum)
}
