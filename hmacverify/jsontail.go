package hmacverify

import (
	"bytes"
	"strings"
)

// An ID often stands behind a megabyte of nested JSON, and a walk over that takes three
// times as long as SHA-256 of it. So before a large value is skipped, the object's last
// members are read from its end. What is found there counts only if no member before has
// the same name, since the first one counts; that is a search for its rarest byte, at the
// speed of bytes.IndexByte, and where it is not certain, the walk decides. The ID of
// BenchmarkIDAtTheEnd costs a fifth of SHA-256 then, and two thirds if all objects inside
// have members of that name.

const (
	largeValue = 1 << 10 // what follows is at least that long, or the walk is as fast
	maxTail    = 4 << 10 // how far from the end members are read
)

// memberFromEnd returns where the value of the document's member with that name starts.
// The document is an object, and the walk over its members has come to from. It returns
// -1 if the walk must decide.
func memberFromEnd(doc []byte, from int, name string) int {
	end := trimSpace(doc, len(doc)) - 1
	if end-from < largeValue || doc[end] != '}' || strings.ContainsFunc(name, isEscaped) {
		return -1
	}
	for last := len(doc) - 1; end > from && end > last-maxTail; {
		stop := trimSpace(doc, end)
		value := startOf(doc, from, stop)
		if value < 0 {
			return -1
		}
		colon := trimSpace(doc, value) - 1
		if colon <= from || doc[colon] != ':' {
			return -1
		}
		keyEnd := trimSpace(doc, colon)
		key := startOf(doc, from, keyEnd)
		if key < 0 || doc[key] != '"' {
			return -1
		}
		if keyIs(doc[key:keyEnd], name) {
			if mayHaveMember(doc[from:key], name) {
				return -1
			}
			return value
		}
		if end = trimSpace(doc, key) - 1; end < 0 || doc[end] != ',' {
			return -1
		}
	}
	return -1
}

// isEscaped reports whether a key can hold c as an escape other than \u00.
func isEscaped(c rune) bool { return c < ' ' || c > '~' || c == '"' || c == '\\' || c == '/' }

// trimSpace returns the end of doc[:end] without the white space there.
func trimSpace(doc []byte, end int) int {
	for end > 0 && (doc[end-1] == ' ' || doc[end-1] == '\n' || doc[end-1] == '\t' || doc[end-1] == '\r') {
		end--
	}
	return end
}

// startOf returns the index at which the value that ends at end starts, or -1 if it is
// not after from or is too long.
func startOf(doc []byte, from, end int) int {
	from = max(from, end-maxTail)
	depth := 0
	for i := end - 1; i > from; i-- {
		switch c := doc[i]; {
		case c == '"':
			if i = quoteBefore(doc, from, i); i < 0 {
				return -1
			}
		case c == '}' || c == ']':
			depth++
			continue
		case c == '{' || c == '[':
			depth--
		case depth == 0 && isLiteral(c):
			for i > from && isLiteral(doc[i-1]) {
				i--
			}
		case depth == 0:
			return -1
		}
		if depth == 0 {
			return i
		}
	}
	return -1
}

// quoteBefore returns the index of the quote that opens the string which the one at i
// closes, or -1.
func quoteBefore(doc []byte, from, i int) int {
	for {
		n := bytes.LastIndexByte(doc[from:i], '"')
		if n < 0 {
			return -1
		}
		if i = from + n; !escaped(doc, from, i) {
			return i
		}
	}
}

// mayHaveMember reports whether an object that starts with doc may have a member of that
// name. A key that comes right after a brace belongs to an object inside.
func mayHaveMember(doc []byte, name string) bool {
	for at := 0; ; at += 2 {
		n := bytes.IndexByte(doc[at:], '\\')
		if n < 0 {
			break
		}
		at += n
		if ascii := doc[at:min(at+5, len(doc))]; bytes.HasPrefix(ascii, []byte(`\u00`)) && ascii[len(ascii)-1] < '8' {
			return true // perhaps a character of the name
		}
		if at+2 > len(doc) {
			break
		}
	}
	rare := rarest(doc, name)
	for at := 0; ; at++ {
		n := bytes.IndexByte(doc[at:], name[rare])
		if n < 0 {
			return false
		}
		at += n
		start, end := at-rare-1, at-rare+len(name)
		if start < 0 || end >= len(doc) || doc[start] != '"' || doc[end] != '"' || string(doc[start+1:end]) != name {
			continue
		}
		colon := skipSpace(doc, end+1)
		if colon < len(doc) && doc[colon] != ':' {
			continue // a value
		}
		if before := trimSpace(doc, start); before == 0 || doc[before-1] != '{' {
			return true
		}
	}
}

// rarest returns the index of the byte of name that is rarest in doc, by a sample.
func rarest(doc []byte, name string) (rare int) {
	sample := doc[:min(len(doc), 512)]
	least := len(sample) + 1
	for i := 0; i < len(name) && least > 0; i++ {
		if n := bytes.Count(sample, []byte{name[i]}); n < least {
			rare, least = i, n
		}
	}
	return rare
}
