package hmacverify

import (
	"slices"
	"strings"
)

// template is a parsed Scheme.Signed: what comes before the body, or its form
// fields, and what comes after.
type template struct {
	before, after []part
	headers       []part // those of kind headerPart, before and after
	body, params  bool   // what the middle is
}

type partKind int

const (
	literal partKind = iota
	timestampPart
	headerPart // {id} too
	urlPart
	pathPart
	queryPart
	methodPart
	bodyPart // {body} or {params}, where before and after are joined
)

// part is a literal or a name in braces. The body is not a part: it stands between
// template.before and template.after.
type part struct {
	kind  partKind
	text  string       // the literal
	names alternatives // of the header
	value int          // index of a header in template.headers
	seps  []string     // what the header's value must not contain
	token bool         // whether the header's value must be a token
}

// parseTemplate parses Scheme.Signed. With an ExtractFunc nothing is rendered: the
// template only says what the function's bytes cover.
func (p *plan) parseTemplate(s string) (template, error) {
	var t template
	var parts []part
	bodies, custom := 0, p.scheme.Extract != nil
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
			return t, p.wrong("Signed", "has a { without }")
		}
		s = rest
		if name == "body" || name == "params" {
			t.before, parts = parts, nil
			t.body, t.params = name == "body", name == "params"
			bodies++
			continue
		}
		part, err := p.parsePart(name)
		if err != nil {
			return t, err
		}
		parts = append(parts, part)
	}
	if bodies > 1 || bodies == 0 && !custom {
		return t, p.wrong("Signed", "must name {body} or {params}, once")
	}
	t.after = parts
	return t, p.separate(&t)
}

// parsePart parses a name in braces. An unknown one is an error and not a literal:
// a misspelt {body} would leave the body unsigned.
func (p *plan) parsePart(name string) (part, error) {
	switch name {
	case "timestamp":
		return part{kind: timestampPart}, nil
	case "url":
		return part{kind: urlPart}, nil
	case "path":
		return part{kind: pathPart}, nil
	case "query":
		return part{kind: queryPart}, nil
	case "method":
		return part{kind: methodPart}, nil
	}
	header, ok := strings.CutPrefix(name, "header:")
	if name == "id" {
		if header, ok = p.scheme.ID.Header, true; header == "" {
			return part{}, p.wrong("Signed", "names {id}, which is the header ID.Header: set that")
		}
	}
	if !ok {
		return part{}, p.wrong("Signed", "names {%s}; allowed are {body}, {params}, {timestamp}, {id}, {header:X}, {url}, {path}, {query} and {method}", name)
	}
	h := part{kind: headerPart}
	return h, p.alternatives("Signed", header, &h.names)
}

// separate records, for each header in the template, what stands beside it. If the
// same bytes could be split in another place, one signature would hold for two
// pairs of ID and body. So a value must not contain the literals beside it, and
// must be a token if the timestamp or the URL is beside it. A header next to the
// body, another header or the method could be split anywhere and is refused.
func (p *plan) separate(t *template) error {
	for _, side := range []struct {
		parts       []part
		left, right bool // whether the body is on that side
	}{{t.before, false, true}, {t.after, true, false}} {
		for i := range side.parts {
			h := &side.parts[i]
			if h.kind != headerPart {
				continue
			}
			left := i > 0 && h.separator(side.parts[i-1]) || i == 0 && !side.left
			last := i == len(side.parts)-1
			right := !last && h.separator(side.parts[i+1]) || last && !side.right
			if p.scheme.Extract != nil { // which joins the bytes itself
				h.seps, h.token, left, right = nil, false, true, true
			}
			if !left || !right {
				return p.wrong("Signed", "{header:%s} needs a literal between it and its neighbour that does not overlap itself", h.names[0])
			}
			h.value = len(t.headers)
			t.headers = append(t.headers, *h)
		}
	}
	return nil
}

// separator reports whether a header can be separated from its neighbour, and
// records what that requires of its value.
func (h *part) separator(neighbour part) bool {
	switch neighbour.kind {
	case literal:
		h.seps = append(h.seps, neighbour.text)
		return !overlapsItself(neighbour.text)
	case timestampPart, urlPart:
		// The body may contain a recent timestamp, or our URL. Moving what stands
		// before that into the header moves the start of a JSON body with it,
		// which is not a token.
		h.token = true
		return true
	case pathPart: // starts with a slash
		h.seps = append(h.seps, "/")
		return true
	}
	return false
}

// overlapsItself reports whether s has a prefix that is also a suffix, as "--" has:
// after "a-" it would be found one byte early.
func overlapsItself(s string) bool {
	for i := 1; i < len(s); i++ {
		if strings.HasPrefix(s, s[i:]) {
			return true
		}
	}
	return false
}

// has reports whether the template names a part of that kind.
func (t *template) has(kind partKind) bool {
	is := func(p part) bool { return p.kind == kind }
	return slices.ContainsFunc(t.before, is) || slices.ContainsFunc(t.after, is)
}

// signs reports whether the template names that header.
func (t *template) signs(names alternatives) bool {
	return slices.ContainsFunc(t.headers, func(p part) bool { return slices.Equal(p.names, names) })
}
