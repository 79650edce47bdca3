package hmacverify

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// A splitter finds the events of a body. It walks over each array once, and looks up
// what is outside of the events once for each element around them, so that its time
// grows with the body and not with its square.
type splitter struct {
	plan   *itemsPlan
	whole  *Delivery
	found  []*Delivery
	copied int
}

// arrays walks over the arrays of one level in value, and reports whether there are any.
// known are the outer texts so far.
func (s *splitter) arrays(depth int, value []byte, known []string) (fits bool, err error) {
	l := &s.plan.levels[depth]
	for _, o := range l.outer {
		known = append(known[:len(known):len(known)], bodyText(value, o.path))
	}
	object := jsonAt(value, l.path)
	if l.names == nil {
		return s.array(depth, object, known)
	}
	for _, name := range l.names {
		ok, err := s.array(depth, jsonAt(object, []string{name}), known)
		if err != nil {
			return false, err
		}
		fits = fits || ok
	}
	return fits, nil
}

// array walks over one array, if value is one. null is an empty one: some senders write
// it so.
func (s *splitter) array(depth int, value []byte, known []string) (fits bool, err error) {
	if string(value) == "null" {
		return true, nil
	}
	if len(value) == 0 || value[0] != '[' {
		return false, nil
	}
	return true, eachElement(value, func(element []byte) error {
		if depth == len(s.plan.levels)-1 {
			return s.event(element, known)
		}
		fits, err := s.arrays(depth+1, element, known)
		if err == nil && !fits {
			err = fmt.Errorf("%w: an element has none of the arrays %q", ErrItems, s.plan.levels[depth+1].names)
		}
		return err
	})
}

// event adds an event, or those that it holds.
func (s *splitter) event(event []byte, known []string) error {
	inner, err := s.innerOf(event)
	if err != nil {
		return err
	}
	if len(inner) == 0 {
		return s.add(event, s.identify(event, known), known)
	}
	for _, i := range inner {
		id := digestOf(i.element)
		if len(known) > 0 {
			id = joinID(known, id)
		}
		if err := s.add(i.body, id, known); err != nil {
			return err
		}
	}
	return nil
}

// identify returns the ID of an event; "" if it has none, or if the digest of its bytes
// is all that identifies it.
func (s *splitter) identify(event []byte, known []string) string {
	switch {
	case len(s.plan.ids) == 0 && len(known) == 0:
		return ""
	case len(s.plan.ids) == 0:
		return joinID(known, digestOf(event))
	}
	parts := slices.Clone(known)
	for i, path := range s.plan.ids {
		text := bodyText(event, path)
		if i == 0 && text == "" {
			return ""
		}
		parts = append(parts, text)
	}
	return joinID(parts, "")
}

// joinID joins the parts of an ID, so that others never give the same, and a digest if it
// is not empty; "" if that is too long for a key. One part alone is the ID as it is.
func joinID(parts []string, digest string) string {
	id := parts[0]
	if len(parts) > 1 || digest != "" {
		escaped := make([]string, 0, len(parts)+1)
		for _, part := range parts {
			escaped = append(escaped, strings.ReplaceAll(strings.ReplaceAll(part, `\`, `\\`), ":", `\:`))
		}
		if digest != "" {
			escaped = append(escaped, digest)
		}
		id = strings.Join(escaped, ":")
	}
	if len(id) > maxID {
		return ""
	}
	return id
}

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func (s *splitter) add(body []byte, id string, known []string) error {
	if len(s.found) == MaxItems {
		return fmt.Errorf("%w: more than %d", ErrItems, MaxItems)
	}
	item := s.whole.Item(id, "", body[:len(body):len(body)])
	if id == "" && len(s.plan.ids) > 0 { // what has no ID is not to be taken for another
		item.Identity = SignedID
	}
	if item.typePath = s.plan.typ; item.typePath == nil {
		item.eventType = s.whole.eventType // that of a header
	}
	if len(known) > 0 {
		item.Outer = make(map[string]string, len(known))
		for i, name := range s.plan.outer {
			item.Outer[name] = known[i]
		}
	}
	s.found = append(s.found, item)
	return nil
}

// An inner is one of several events in an event.
type inner struct{ element, body []byte }

// innerOf returns the events in event.
func (s *splitter) innerOf(event []byte) (all []inner, err error) {
	var arrays []span
	for _, path := range s.plan.inner {
		if array := jsonAt(event, path); len(array) > 0 && array[0] == '[' {
			from := cap(event) - cap(array)
			arrays = append(arrays, span{from, from + len(array)})
		}
	}
	slices.SortFunc(arrays, func(a, b span) int { return a.from - b.from })
	for i, a := range arrays {
		if i > 0 && a.from < arrays[i-1].to {
			return nil, fmt.Errorf("%w: an array of Inner is inside another", ErrItems)
		}
	}
	for i, a := range arrays {
		err := eachElement(event[a.from:a.to], func(element []byte) error {
			body := withOnly(event, arrays, i, element)
			if s.copied += len(body); s.copied > maxCopied {
				return fmt.Errorf("%w: their bodies have more than %d bytes", ErrItems, maxCopied)
			}
			all = append(all, inner{element, body})
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// A span is where a value stands.
type span struct{ from, to int }

// withOnly returns event with element alone in the nth of the arrays, and nothing in the
// others.
func withOnly(event []byte, arrays []span, n int, element []byte) []byte {
	body := make([]byte, 0, len(event))
	at := 0
	for i, a := range arrays {
		body = append(body, event[at:a.from+1]...)
		if i == n {
			body = append(body, element...)
		}
		at = a.to - 1
	}
	return append(body, event[at:]...)
}

// eachElement calls f for each element of an array.
func eachElement(array []byte, f func(element []byte) error) error {
	i := skipSpace(array, 1)
	if i < len(array) && array[i] == ']' {
		return nil
	}
	for {
		end := skipValue(array, i)
		if end < 0 {
			break
		}
		if err := f(array[i:end]); err != nil {
			return err
		}
		i = skipSpace(array, end)
		if i < len(array) && array[i] == ']' {
			return nil
		}
		if i >= len(array) || array[i] != ',' {
			break
		}
		i = skipSpace(array, i+1)
	}
	return fmt.Errorf("%w: an array is not JSON", ErrItems)
}
