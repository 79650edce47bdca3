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
	kind partKind
	text string // the literal, or the header's canonical name
	seps []string
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

// separate notes, for each header in the template, the literals beside it: a
// value that contains one could be cut in another place, and one signature
// would then hold for two different pairs of ID and body. A header that
// touches the body, or another header, without any literal can be cut
// anywhere, so such templates are refused.
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
				return fmt.Errorf("%w: template has no separator between {header:%s} and its neighbour", ErrConfig, p.text)
			}
		}
	}
	return nil
}

// separator reports whether a header can be told from its neighbour, and keeps
// the neighbour if it is a literal. A timestamp separates: if bytes are moved
// across its edge it is no timestamp any more, or one far outside the window.
func (p *part) separator(neighbour part) bool {
	if neighbour.kind == literal {
		p.seps = append(p.seps, neighbour.text)
	}
	return neighbour.kind != headerPart
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
