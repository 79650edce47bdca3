package idv

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/hookonce/hookonce/sessionstep"
)

// A node is a value of a payload. Its children are read when they are first asked for,
// so that what no path names is skipped, however deep it is.
type node struct {
	raw      json.RawMessage
	children map[string]*node // nil: not read yet
	repeated map[string]bool  // names that occur more than once
}

// parse returns the root of the payload.
//
// json.Valid refuses trailing data, and depths that would exhaust the stack; it ignores
// the encoding, where encoding/json would silently put U+FFFD.
func parse(body []byte) (*node, error) {
	body = bytes.TrimPrefix(body, []byte("\xEF\xBB\xBF"))
	if !utf8.Valid(body) || !json.Valid(body) {
		return nil, fmt.Errorf("%w: not JSON", sessionstep.ErrMalformed)
	}
	return &node{raw: bytes.TrimSpace(body)}, nil
}

// at returns the value at the first alternative of path that is present, or nil.
func (n *node) at(path string) (*node, error) {
	for alternative := range strings.SplitSeq(path, "|") {
		value := n
		for name := range strings.SplitSeq(alternative, ".") {
			var err error
			if value, err = value.child(name); err != nil {
				return nil, err
			}
			if value == nil {
				break
			}
		}
		if value != nil {
			return value, nil
		}
	}
	return nil, nil
}

// child returns the field or the element of that name, nil if it is absent or null.
func (n *node) child(name string) (*node, error) {
	if n.children == nil {
		if err := n.read(); err != nil {
			return nil, err
		}
	}
	if n.repeated[name] {
		return nil, fmt.Errorf("%w: %s occurs twice", sessionstep.ErrMalformed, name)
	}
	c := n.children[name]
	if c == nil || string(c.raw) == "null" {
		return nil, nil
	}
	return c, nil
}

// read reads the children; a string, a number or a boolean has none.
func (n *node) read() error {
	n.children, n.repeated = map[string]*node{}, map[string]bool{}
	if n.raw[0] != '{' && n.raw[0] != '[' {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(n.raw))
	if _, err := d.Token(); err != nil {
		return fmt.Errorf("%w: %w", sessionstep.ErrMalformed, err)
	}
	for i := 0; d.More(); i++ {
		name := strconv.Itoa(i)
		if n.raw[0] == '{' {
			t, err := d.Token()
			if err != nil {
				return fmt.Errorf("%w: %w", sessionstep.ErrMalformed, err)
			}
			name, _ = t.(string)
		}
		c := new(node)
		if err := d.Decode(&c.raw); err != nil {
			return fmt.Errorf("%w: %w", sessionstep.ErrMalformed, err)
		}
		n.repeated[name] = n.children[name] != nil
		n.children[name] = c
	}
	return nil
}

// text returns the value at path: a string's, or a number or a boolean as it is
// written. "" stands for what is absent.
func (n *node) text(path string) (string, error) {
	value, err := n.at(path)
	if err != nil || value == nil {
		return "", err
	}
	switch value.raw[0] {
	case '{', '[':
		return "", fmt.Errorf("%w: %s is not a string", sessionstep.ErrMalformed, path)
	case '"':
		var s string
		if err := json.Unmarshal(value.raw, &s); err != nil {
			return "", fmt.Errorf("%w: %s is not a string", sessionstep.ErrMalformed, path)
		}
		return s, nil
	}
	return string(value.raw), nil
}

func (n *node) texts(paths []string) ([]string, error) {
	texts := make([]string, len(paths))
	for i, path := range paths {
		var err error
		if texts[i], err = n.text(path); err != nil {
			return nil, err
		}
	}
	return texts, nil
}
