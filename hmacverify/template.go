package hmacverify

import (
	"fmt"
	"net/http"
	"net/textproto"
	"strings"
)

// template is a parsed Scheme.Signed: what comes before the body, the body (or
// the form fields), and what comes after. So the signed bytes are never put
// together: two short texts and the body go to the hash one after the other.
type template struct {
	before, after []part
	params        bool // the middle is {params}, not {body}
}

type partKind int

const (
	literal partKind = iota
	timestampPart
	headerPart
	urlPart
	methodPart
)

type part struct {
	kind  partKind
	text  string   // the literal, or the header's canonical name
	seps  []string // what a header's value must not contain
	token bool     // whether a header's value must be a token
}

// parseTemplate parses s. idHeader is what {id} stands for.
func parseTemplate(s, idHeader string) (template, error) {
	var t template
	var parts []part
	bodies := 0
	for s != "" {
		text, rest, found := strings.Cut(s, "{")
		if text != "" {
			parts = append(parts, part{kind: literal, text: text})
		}
		if s = rest; !found {
			break
		}
		name, rest, found := strings.Cut(s, "}")
		if !found {
			return t, fmt.Errorf("%w: template has a { without }", ErrConfig)
		}
		s = rest
		if name == "body" || name == "params" {
			t.before, parts = parts, nil
			t.params = name == "params"
			bodies++
			continue
		}
		p, err := parsePart(name, idHeader)
		if err != nil {
			return t, err
		}
		parts = append(parts, p)
	}
	if bodies != 1 {
		return t, fmt.Errorf("%w: template must name {body} or {params} exactly once", ErrConfig)
	}
	t.after = parts
	return t, t.separate()
}

// parsePart knows every name that a template can have. An unknown one is an
// error and no literal: a misspelt {body} would leave the body unsigned.
func parsePart(name, idHeader string) (part, error) {
	switch {
	case name == "timestamp":
		return part{kind: timestampPart}, nil
	case name == "url":
		return part{kind: urlPart}, nil
	case name == "method":
		return part{kind: methodPart}, nil
	case name == "id" && idHeader == "":
		return part{}, fmt.Errorf("%w: template names {id} but ID.Header is not set", ErrConfig)
	case name == "id":
		return part{kind: headerPart, text: canonical(idHeader)}, nil
	case strings.HasPrefix(name, "header:"):
		name = strings.TrimPrefix(name, "header:")
		return part{kind: headerPart, text: canonical(name)}, validHeader(name)
	}
	return part{}, fmt.Errorf("%w: template names unknown {%s}", ErrConfig, name)
}

// separate notes, for each header in the template, what stands beside it: a
// value that could be cut in another place would let one signature hold for two
// different pairs of ID and body. So a value must not contain the literals
// beside it, and must be a token if the timestamp or the URL is. A header that
// touches the body, another header or the method can be cut anywhere, so such
// templates are refused.
func (t *template) separate() error {
	for _, side := range []struct {
		parts       []part
		left, right bool // whether the body is on that side
	}{{t.before, false, true}, {t.after, true, false}} {
		for i := range side.parts {
			p := &side.parts[i]
			if p.kind != headerPart {
				continue
			}
			left := i > 0 && p.separator(side.parts[i-1]) || i == 0 && !side.left
			last := i == len(side.parts)-1
			right := !last && p.separator(side.parts[i+1]) || last && !side.right
			if !left || !right {
				return fmt.Errorf("%w: template has nothing between {header:%s} and its neighbour that separates them", ErrConfig, p.text)
			}
		}
	}
	return nil
}

// separator reports whether a header can be told from its neighbour, and notes
// what its value must be like for that.
func (p *part) separator(neighbour part) bool {
	switch neighbour.kind {
	case literal:
		p.seps = append(p.seps, neighbour.text)
		return !overlapsItself(neighbour.text)
	case timestampPart, urlPart:
		// The body may contain a timestamp of today, or our URL. Whoever moves
		// what stands before that into the header moves the beginning of a
		// JSON body with it, which is no token.
		p.token = true
		return true
	}
	return false
}

// overlapsItself reports whether s begins as it ends, like "--": between "a-" and
// "b" it is found in another place.
func overlapsItself(s string) bool {
	for i := 1; i < len(s); i++ {
		if strings.HasPrefix(s, s[i:]) {
			return true
		}
	}
	return false
}

// isHeaderToken reports whether s consists of what IDs are made of, base64
// included, which no JSON object, no URL and no RFC 3339 time does.
func isHeaderToken(s string) bool {
	const alphabet = "-_.+/=0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	return strings.Trim(s, alphabet) == ""
}

// has reports whether the template names a part; the empty text is any.
func (t *template) has(kind partKind, text string) bool {
	for _, side := range [][]part{t.before, t.after} {
		for _, p := range side {
			if p.kind == kind && (text == "" || p.text == text) {
				return true
			}
		}
	}
	return false
}

// render appends the parts to dst.
func render(dst []byte, parts []part, h http.Header, timestamp, url, method string) ([]byte, error) {
	for i := range parts {
		p := &parts[i]
		switch p.kind {
		case literal:
			dst = append(dst, p.text...)
		case timestampPart:
			dst = append(dst, timestamp...)
		case urlPart:
			dst = append(dst, url...)
		case methodPart:
			dst = append(dst, method...)
		case headerPart:
			value, err := single(h, p.text)
			if err != nil {
				return dst, err
			}
			if p.token && !isHeaderToken(value) {
				return dst, fmt.Errorf("%w: %s is no token", ErrMalformed, p.text)
			}
			for _, sep := range p.seps {
				if strings.Contains(value, sep) {
					return dst, fmt.Errorf("%w: %s contains the separator", ErrMalformed, p.text)
				}
			}
			dst = append(dst, value...)
		}
	}
	return dst, nil
}

// single returns the value of a header that must be there once. name is
// canonical, so that the map can be asked directly.
func single(h http.Header, name string) (string, error) { return only(name, h[name]) }

// only refuses a header that is there twice: which line counts is decided
// differently by every proxy, so a signature on one says nothing of the other.
func only(name string, values []string) (string, error) {
	switch {
	case len(values) > 1:
		return "", fmt.Errorf("%w: %s given more than once", ErrMalformed, name)
	case len(values) == 0 || values[0] == "":
		return "", fmt.Errorf("%w: %s", ErrMissing, name)
	case len(values[0]) > maxHeader:
		return "", fmt.Errorf("%w: %s too long", ErrMalformed, name)
	}
	return values[0], nil
}

func canonical(name string) string { return textproto.CanonicalMIMEHeaderKey(name) }

// validHeader checks for the token of RFC 9110, section 5.6.2.
func validHeader(name string) error {
	const token = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	if name == "" || strings.Trim(name, token) != "" {
		return fmt.Errorf("%w: %q is not a header name", ErrConfig, name)
	}
	return nil
}
