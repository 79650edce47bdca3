package idv

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hookonce/hookonce/sessionstep"
)

// A Decoder reads submissions from a vendor's payloads. Create it with [New]; the zero
// Decoder refuses every payload. It is safe for concurrent use.
type Decoder struct {
	vendor Vendor
}

// New returns a decoder of v's payloads. The error says what is wrong with v. Later
// changes of v have no effect.
func New(v Vendor) (*Decoder, error) {
	if err := v.check(); err != nil {
		return nil, fmt.Errorf("idv: New: %w", err)
	}
	v.Types, v.Result, v.Key, v.Details = slices.Clone(v.Types), slices.Clone(v.Result), slices.Clone(v.Key), slices.Clone(v.Details)
	v.Outcomes = maps.Clone(v.Outcomes)
	return &Decoder{v}, nil
}

// Decode reads a submission from a payload. It is the Decode of [sessionstep.Options].
//
// The payload must be one JSON value in UTF-8 with nothing after it; a byte order mark
// before it is skipped. Fields' names are compared exactly, and none that a path names
// may occur twice.
//
// The error wraps [sessionstep.ErrNoResult] for news, [sessionstep.ErrSessionNotFound] if
// the payload names no session, [sessionstep.ErrMissingField] if its type, its result or
// the first part of its key is absent, or [sessionstep.ErrMalformed]. It holds no values
// of the payload.
func (d *Decoder) Decode(_ context.Context, body []byte) (sessionstep.Submission, error) {
	v := &d.vendor
	if v.Name == "" {
		return sessionstep.Submission{}, errors.New("idv: the zero Decoder: create it with New")
	}
	payload, err := parse(body)
	if err != nil {
		return sessionstep.Submission{}, err
	}
	word, err := v.result(payload)
	if err != nil {
		return sessionstep.Submission{}, err
	}
	s := sessionstep.Submission{Status: v.outcome(word)}
	if s.Status == News {
		return sessionstep.Submission{}, sessionstep.ErrNoResult
	}
	if s.Key, err = v.key(payload); err != nil {
		return sessionstep.Submission{}, err
	}
	if s.Session, err = v.session(payload); err != nil {
		return s, err
	}
	s.Details, err = v.details(payload, word)
	return s, err
}

// result returns the word for the payload's result, or ErrNoResult if its type is news.
func (v *Vendor) result(payload *node) (string, error) {
	if v.Type != "" {
		t, err := payload.text(v.Type)
		switch {
		case err != nil:
			return "", err
		case t == "" && !slices.Contains(v.Types, ""):
			return "", missing(v.Type)
		case !slices.Contains(v.Types, t):
			return "", sessionstep.ErrNoResult
		}
	}
	parts, err := payload.texts(v.Result)
	if err != nil {
		return "", err
	}
	parts = slices.DeleteFunc(parts, func(part string) bool { return part == "" })
	if len(parts) == 0 {
		return "", missing(strings.Join(v.Result, ", "))
	}
	return strings.Join(parts, "/"), nil
}

func (v *Vendor) outcome(word string) sessionstep.Outcome {
	if o, known := v.Outcomes[word]; known {
		return o
	}
	return sessionstep.NeedsReview
}

// separable keeps two lists of parts from being joined to one key.
var separable = strings.NewReplacer("%", "%25", "/", "%2F")

// key returns the vendor's name and the values of the key. They are written out, not
// hashed, so that a person finds the event in the vendor's dashboard.
func (v *Vendor) key(payload *node) (string, error) {
	parts, err := payload.texts(v.Key)
	if err != nil {
		return "", err
	}
	if parts[0] == "" {
		return "", missing(v.Key[0])
	}
	if len(parts) > 1 {
		for i := range parts {
			parts[i] = separable.Replace(parts[i])
		}
	}
	key := v.Name + ":" + strings.Join(parts, "/")
	if !sessionstep.ValidID(key) {
		return "", fmt.Errorf("%w: the key at %s is not a valid ID", sessionstep.ErrMalformed, strings.Join(v.Key, ", "))
	}
	return key, nil
}

func (v *Vendor) session(payload *node) (string, error) {
	id, err := payload.text(v.Session)
	switch {
	case err != nil:
		return "", err
	case id == "":
		return "", fmt.Errorf("%w: %s is absent", sessionstep.ErrSessionNotFound, v.Session)
	case !sessionstep.ValidID(id):
		return "", fmt.Errorf("%w: %s is not a valid ID", sessionstep.ErrMalformed, v.Session)
	}
	return id, nil
}

func missing(path string) error {
	return fmt.Errorf("%w: %s", sessionstep.ErrMissingField, path)
}
