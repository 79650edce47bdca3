package sessionstep

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// DecodeCallback reads a submission from a payload of the shape that the package
// comment shows: eventId becomes its Key, sessionId its Session. Its Step is left
// empty.
//
// The payload must be one JSON object in UTF-8 with nothing after it. A byte order
// mark before it is skipped. The names of the four fields are compared exactly, and
// none may occur twice, so that every other reader of these bytes reads the same.
// Fields of other names are ignored, and so is everything inside details. eventId
// and sessionId must be a [ValidID].
//
// Errors wrap [ErrMalformed], [ErrMissingField] or [ErrUnknownStatus] and hold no
// values of the payload.
func DecodeCallback(body []byte) (Submission, error) {
	fields, err := objectFields(body, "eventId", "sessionId", "status", "details")
	if err != nil {
		return Submission{}, err
	}
	s := Submission{Details: bytes.Clone(fields["details"])}
	if err := errors.Join(
		decodeString(fields, "eventId", &s.Key),
		decodeString(fields, "sessionId", &s.Session),
		decodeString(fields, "status", (*string)(&s.Status)),
	); err != nil {
		return Submission{}, err
	}
	if err := errors.Join(checkID("eventId", s.Key), checkID("sessionId", s.Session)); err != nil {
		return Submission{}, err
	}
	if err := checkStatus(s.Status); err != nil {
		return Submission{}, err
	}
	return s, nil
}

// byteOrderMark is U+FEFF in UTF-8. Some senders put it before their JSON and sign
// it; RFC 8259, section 8.1, allows parsers to ignore it.
const byteOrderMark = "\xEF\xBB\xBF"

// objectFields returns the named members of the object in body, byte for byte.
//
// Unmarshal into a struct would not do: encoding/json ignores the case of names
// (golang.org/issue/14750) and uses the last of several members of one name.
func objectFields(body []byte, names ...string) (map[string]json.RawMessage, error) {
	body = bytes.TrimPrefix(body, []byte(byteOrderMark))
	// Valid comes first: it refuses trailing data, and is stricter about commas
	// than a Decoder's tokens. It ignores the encoding, where encoding/json would
	// silently put U+FFFD.
	if !utf8.Valid(body) || !json.Valid(body) {
		return nil, fmt.Errorf("%w: not JSON", ErrMalformed)
	}
	d := json.NewDecoder(bytes.NewReader(body))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, fmt.Errorf("%w: not an object", ErrMalformed)
	}
	fields := make(map[string]json.RawMessage, len(names))
	for _, name := range names {
		fields[name] = nil
	}
	for d.More() {
		if err := nextField(d, fields); err != nil {
			return nil, err
		}
	}
	return fields, nil
}

func nextField(d *json.Decoder, fields map[string]json.RawMessage) error {
	t, err := d.Token()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	var value json.RawMessage
	if err := d.Decode(&value); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	name, _ := t.(string)
	earlier, known := fields[name]
	switch {
	case !known:
		return nil
	case earlier != nil:
		return fmt.Errorf("%w: %s occurs twice", ErrMalformed, name)
	}
	fields[name] = value
	return nil
}

// decodeString leaves *s alone if the field is absent or null.
func decodeString(fields map[string]json.RawMessage, name string, s *string) error {
	if fields[name] == nil {
		return nil
	}
	if json.Unmarshal(fields[name], s) != nil {
		return fmt.Errorf("%w: %s is not a string", ErrMalformed, name)
	}
	return nil
}
