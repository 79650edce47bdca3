package hmacverify

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The event's ID is often in the body, which may be a megabyte of JSON. This
// scanner walks to the ID and stops there: no tree, no copy, no recursion. It need
// not validate, because it reads only bytes whose signature matched.

// path splits a JSON path of the scheme. A member's name that contains a dot cannot
// be written; no sender that we know of has one.
func (p *plan) path(field, s string) ([]string, error) {
	if s == "" {
		return nil, nil
	}
	if s[0] == '$' || s[0] == '/' || strings.ContainsAny(s, "[]") || strings.TrimSpace(s) != s {
		return nil, p.wrong(field, "%q is not a path of this package: write %q, names and array indexes joined by dots", s, dotted(s))
	}
	path := strings.Split(s, ".")
	if slices.Contains(path, "") {
		return nil, p.wrong(field, "%q has an empty name: write %q", s, "data.0.id")
	}
	return path, nil
}

// dotted rewrites JSONPath and JSON Pointer, for an error.
func dotted(s string) string {
	names := strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune("$./[]'\" \t\r\n", r) })
	return strings.Join(names, ".")
}

// jsonValue returns the token at path, still quoted if it is a string, or nil if
// there is no string or number. If a name occurs twice, the first counts.
func jsonValue(doc []byte, path []string) []byte {
	if value := jsonAt(doc, path); value != nil && isScalar(value[0]) {
		return value
	}
	return nil
}

// jsonAt returns the value at path, of any kind, or nil.
func jsonAt(doc []byte, path []string) []byte {
	at := skipMark(doc)
	for i, name := range path {
		if at = child(doc, at, name, i == 0); at < 0 {
			return nil
		}
	}
	end := skipValue(doc, at)
	if end <= at {
		return nil
	}
	return doc[at:end]
}

// jsonText returns a token's text: a string without quotes and escapes, or a number
// as written. It is a part of the document unless there are escapes. Bytes and
// escapes that are not characters would all decode to the same one, and different
// IDs with them, so in a string with escapes they are refused.
func jsonText(token []byte) ([]byte, bool) {
	switch {
	case len(token) == 0:
		return nil, false
	case token[0] != '"':
		return token, true
	case bytes.IndexByte(token, '\\') < 0:
		return token[1 : len(token)-1], true
	}
	var s string
	err := json.Unmarshal(token, &s)
	return []byte(s), err == nil && !strings.ContainsRune(s, utf8.RuneError)
}

// child returns where the member or element of the value at i starts, or -1. root says
// that the value is the document.
func child(doc []byte, i int, name string, root bool) int {
	if i >= len(doc) {
		return -1
	}
	switch doc[i] {
	case '{':
		return member(doc, i+1, name, root)
	case '[':
		return element(doc, i+1, name)
	}
	return -1
}

// member walks over the members of an object whose brace is before i, up to the one
// with the name. So an ID at the start of a large body costs nothing.
func member(doc []byte, i int, name string, root bool) int {
	for {
		i = skipSpace(doc, i)
		if i >= len(doc) || doc[i] != '"' {
			return -1 // the object's end, or not JSON
		}
		end := skipString(doc, i)
		if end < 0 {
			return -1
		}
		key := doc[i:end]
		i = skipSpace(doc, end)
		if i >= len(doc) || doc[i] != ':' {
			return -1
		}
		i = skipSpace(doc, i+1)
		if keyIs(key, name) {
			return i
		}
		if root && isNested(doc, i) {
			if at := memberFromEnd(doc, i, name); at >= 0 {
				return at
			}
			root = false // the walk decides
		}
		if i = next(doc, skipValue(doc, i)); i < 0 {
			return -1
		}
	}
}

// element is member for arrays.
func element(doc []byte, i int, name string) int {
	n, err := strconv.Atoi(name)
	if err != nil || n < 0 {
		return -1
	}
	for i = skipSpace(doc, i); n > 0; n-- {
		if i = next(doc, skipValue(doc, i)); i < 0 {
			return -1
		}
		i = skipSpace(doc, i)
	}
	return i
}

// keyIs compares a quoted key, escapes and all.
func keyIs(quoted []byte, name string) bool {
	raw := quoted[1 : len(quoted)-1]
	if string(raw) == name {
		return true
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return false
	}
	var s string
	return json.Unmarshal(quoted, &s) == nil && s == name
}

// next returns the index after the comma that follows i, or -1.
func next(doc []byte, i int) int {
	if i < 0 {
		return -1
	}
	i = skipSpace(doc, i)
	if i >= len(doc) || doc[i] != ',' {
		return -1
	}
	return i + 1
}

// skipMark returns where the document starts. Some senders put a byte order mark before
// their JSON and sign it; RFC 8259, section 8.1, allows parsers to ignore it.
func skipMark(doc []byte) int {
	if bytes.HasPrefix(doc, []byte("\xEF\xBB\xBF")) {
		return skipSpace(doc, 3)
	}
	return skipSpace(doc, 0)
}

func skipSpace(doc []byte, i int) int {
	for i < len(doc) && (doc[i] == ' ' || doc[i] == '\n' || doc[i] == '\t' || doc[i] == '\r') {
		i++
	}
	return i
}

// skipValue returns the index after the value at i, or -1.
func skipValue(doc []byte, i int) int {
	if i >= len(doc) {
		return -1
	}
	switch doc[i] {
	case '"':
		return skipString(doc, i)
	case '{', '[':
		return skipNested(doc, i)
	}
	start := i
	for i < len(doc) && isLiteral(doc[i]) {
		i++
	}
	if i == start {
		return -1
	}
	return i
}

// skipNested counts brackets and does not recurse: the nesting of a body must not
// cost memory.
func skipNested(doc []byte, i int) int {
	for depth := 0; i < len(doc); i++ {
		switch c := doc[i]; {
		case c == '"':
			end := skipString(doc, i)
			if end < 0 {
				return -1
			}
			i = end - 1
		case c < '[': // digits, commas, colons, spaces: the most frequent first
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}

// skipString returns the index after the string that starts at i, or -1. IndexByte
// scans 32 bytes at a time.
func skipString(doc []byte, i int) int {
	for end := i + 1; ; end++ {
		n := bytes.IndexByte(doc[end:], '"')
		if n < 0 {
			return -1
		}
		end += n
		if !escaped(doc, i+1, end) {
			return end + 1
		}
	}
}

// escaped reports whether the quote at i has an odd number of backslashes
// before it.
func escaped(doc []byte, start, i int) bool {
	odd := false
	for i--; i >= start && doc[i] == '\\'; i-- {
		odd = !odd
	}
	return odd
}

// isLiteral reports whether c can be in a number, true, false or null.
func isLiteral(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || c == '-' || c == '+' || c == '.' || c == 'E'
}

// isNested reports whether an object or an array starts at i.
func isNested(doc []byte, i int) bool { return i < len(doc) && (doc[i] == '{' || doc[i] == '[') }

// isObject reports whether doc, if it is JSON, is an object.
func isObject(doc []byte) bool {
	i := skipMark(doc)
	return i < len(doc) && doc[i] == '{'
}

// isScalar reports whether a value that starts with c is a string or a number. null,
// true, objects and arrays identify nothing.
func isScalar(c byte) bool { return c == '"' || c == '-' || '0' <= c && c <= '9' }
