package idv

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// details returns what is kept of the payload:
//
//	{"vendor":"veriff","result":"approved","time":"2026-11-06T07:18:36.916Z","payload":{…}}
func (v *Vendor) details(payload *node, word string) (json.RawMessage, error) {
	var b bytes.Buffer
	b.WriteString(`{"vendor":` + quote(v.Name) + `,"result":` + quote(word))
	if v.Time != "" {
		written, err := payload.text(v.Time)
		if err != nil {
			return nil, err
		}
		if t, ok := parseTime(written); ok {
			b.WriteString(`,"time":` + quote(t.Format(time.RFC3339Nano)))
		}
	}
	kept, err := v.kept(payload)
	if err != nil {
		return nil, err
	}
	if kept != nil {
		b.WriteString(`,"payload":`)
		kept.write(&b)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// A part is what is kept of a value: all of it, or some of its children.
type part struct {
	raw      json.RawMessage
	children map[string]*part
}

// kept returns what Details name, nil if there is nothing.
func (v *Vendor) kept(payload *node) (*part, error) {
	if slices.ContainsFunc(v.Details, isWhole) {
		return &part{raw: payload.raw}, nil
	}
	root := new(part)
	for _, paths := range v.Details {
		for path := range strings.SplitSeq(paths, "|") {
			value, err := payload.at(path)
			if err != nil {
				return nil, err
			}
			if value != nil {
				root.put(path, value.raw)
			}
		}
	}
	if root.children == nil {
		return nil, nil
	}
	return root, nil
}

func (p *part) put(path string, raw json.RawMessage) {
	for name := range strings.SplitSeq(path, ".") {
		if p.children == nil {
			p.children = map[string]*part{}
		}
		if p.children[name] == nil {
			p.children[name] = new(part)
		}
		p = p.children[name]
	}
	p.raw = raw
}

// write writes p as it was sent, with its fields in order. Arrays of which only some
// elements are kept become objects, so that an index keeps its meaning.
func (p *part) write(b *bytes.Buffer) {
	if p.raw != nil {
		b.Write(p.raw)
		return
	}
	b.WriteByte('{')
	for i, name := range slices.Sorted(maps.Keys(p.children)) {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(quote(name) + ":")
		p.children[name].write(b)
	}
	b.WriteByte('}')
}

// quote writes s as JSON.
func quote(s string) string {
	text, _ := json.Marshal(s) // of a string: it cannot fail
	return string(text)
}

// parseTime reads the forms that vendors write. Details are not worth a refusal, so a
// time of another form is left out; the payload's own may still be kept.
func parseTime(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05", "2006-01-02 15:04:05Z0700"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), true
		}
	}
	const endOfSeconds = 100_000_000_000 // in the year 5138; as milliseconds, in 1973
	switch n, err := strconv.ParseInt(s, 10, 64); {
	case err != nil || n <= 0 || n > 1000*endOfSeconds:
		return time.Time{}, false
	case n < endOfSeconds:
		return time.Unix(n, 0).UTC(), true
	default:
		return time.UnixMilli(n).UTC(), true
	}
}
