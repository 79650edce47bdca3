package sessionstep_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hookonce/hookonce/sessionstep"
)

// decodes returns Options whose Decode returns s and err.
func decodes(s sessionstep.Submission, err error) *sessionstep.Options {
	return &sessionstep.Options{
		Step:   "other",
		Decode: func(context.Context, []byte) (sessionstep.Submission, error) { return s, err },
	}
}

func TestHandler_DecodeFails(t *testing.T) {
	t.Parallel()
	valid := sessionstep.Submission{Session: "s", Step: "own", Key: "k", Status: sessionstep.Rejected}
	without := func(change func(*sessionstep.Submission)) sessionstep.Submission {
		s := valid
		change(&s)
		return s
	}
	tests := map[string]struct {
		s      sessionstep.Submission
		err    error
		status int
		code   string
	}{
		"says the payload is malformed":    {valid, fmt.Errorf("%w: not our XML", sessionstep.ErrMalformed), 400, "malformed_callback"},
		"says the payload is unacceptable": {valid, sessionstep.ErrNotAcceptable, 422, "payload_not_acceptable"},
		"fails for a reason of its own":    {valid, errors.New("lookup failed"), 500, "internal"},
		"forgets the session":              {without(func(s *sessionstep.Submission) { s.Session = "" }), nil, 400, "missing_field"},
		"forgets the key":                  {without(func(s *sessionstep.Submission) { s.Key = "" }), nil, 400, "missing_field"},
		"forgets the status":               {without(func(s *sessionstep.Submission) { s.Status = "" }), nil, 400, "missing_field"},
		"invents a status":                 {without(func(s *sessionstep.Submission) { s.Status = "ok" }), nil, 422, "unknown_status"},
		"names a step that cannot be one":  {without(func(s *sessionstep.Submission) { s.Step = "a\x00" }), nil, 400, "malformed_callback"},
		"returns details that are no JSON": {without(func(s *sessionstep.Submission) { s.Details = []byte("{") }), nil, 422, "payload_not_acceptable"},
		"returns details not in UTF-8":     {without(func(s *sessionstep.Submission) { s.Details = []byte("\"\xff\"") }), nil, 422, "payload_not_acceptable"},
		"returns empty details":            {without(func(s *sessionstep.Submission) { s.Details = []byte{} }), nil, 422, "payload_not_acceptable"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sessions := new(inMemory)
			res, err := serve(newHandler(t, sessions, decodes(test.s, test.err)), callback)
			checkProblem(t, res, test.status, test.code)
			if len(sessions.got) != 0 || err == nil {
				t.Errorf("submitted %v; Serve returned %v", sessions.got, err)
			}
		})
	}
}

func TestHandler_DecodeNamesTheStep(t *testing.T) {
	t.Parallel()
	for step, want := range map[string]string{"own": "own", "": "other"} {
		s := sessionstep.Submission{Session: "s", Step: step, Key: "k", Status: sessionstep.Rejected}
		sessions := new(inMemory)
		if res, err := serve(newHandler(t, sessions, decodes(s, nil)), callback); res.StatusCode != 200 || err != nil {
			t.Errorf("step %q: got %d, error %v, want 200", step, res.StatusCode, err)
		}
		s.Step = want
		if diff := cmp.Diff([]sessionstep.Submission{s}, sessions.got); diff != "" {
			t.Errorf("step %q: submissions (-want +got):\n%s", step, diff)
		}
	}
}

// Decode sees the body as it was sent and the caller's context.
func TestHandler_DecodeArguments(t *testing.T) {
	t.Parallel()
	type mark struct{}
	ctx := context.WithValue(t.Context(), mark{}, "yes")
	h := newHandler(t, new(inMemory), &sessionstep.Options{
		Decode: func(ctx context.Context, body []byte) (sessionstep.Submission, error) {
			if got := ctx.Value(mark{}); got != "yes" || string(body) != "\uFEFF<xml/>" {
				t.Errorf("got context value %v, body %q", got, body)
			}
			return sessionstep.Submission{Session: "s", Key: "k", Status: sessionstep.Verified}, nil
		},
	})
	if _, err := h.Submit(ctx, []byte("\uFEFF<xml/>")); err != nil {
		t.Error(err)
	}
}
