package steptest

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/hookonce/hookonce/sessionstep"
)

func refusalChecks() []check {
	const why = "The sender would be answered as if its result were accepted, or retry what never will be."
	return []check{
		{
			"a submission to an unknown session is refused with ErrSessionNotFound",
			why,
			func(t *trial) {
				t.create(t.id, "a")
				s := t.submission("a", "1", sessionstep.Verified)
				s.Session = t.id + "-unknown"
				t.refuses(s, sessionstep.ErrSessionNotFound)
			},
		},
		{
			"a submission to a session that has ended is refused with ErrSessionNotOpen, and changes nothing",
			why,
			func(t *trial) {
				t.create(t.id, "a")
				t.close(t.id)
				t.refuses(t.submission("a", "1", sessionstep.Verified), sessionstep.ErrSessionNotOpen)
			},
		},
		{
			"a submission to an unknown step is refused with ErrStepNotFound, and changes nothing",
			why,
			func(t *trial) {
				t.create(t.id, "a")
				t.refuses(t.submission("unknown", "1", sessionstep.Verified), sessionstep.ErrStepNotFound)
			},
		},
		{
			"a submission to a step that has not begun is refused with ErrStepNotInProgress, and changes nothing",
			why + " And under a key that was refused, the result could never be submitted.",
			func(t *trial) {
				t.createSession(Session{ID: t.id, InProgress: []string{"a"}, NotBegun: []string{"b"}})
				t.refuses(t.submission("b", "1", sessionstep.Verified), sessionstep.ErrStepNotInProgress)
			},
		},
		{
			"a submission that Validate refuses is refused with its sentinel, and changes nothing",
			"A caller without a Handler would store keys that other databases cut or merge, and statuses of no meaning.",
			invalid,
		},
	}
}

// refuses submits twice, because a key that was refused must not be taken for one that
// was accepted.
func (t *trial) refuses(s sessionstep.Submission, want error) {
	t.Helper()
	before := t.read(t.id)
	for _, time := range []string{"first", "second"} {
		err := t.submit(s)
		if !errors.Is(err, want) || sessionstep.Status(err) != sessionstep.Status(want) {
			t.Errorf("the %s time: got the error %v, want one that wraps %v", time, err, want)
		}
		t.wantSame("a refused submission", t.id, before)
	}
}

func invalid(t *trial) {
	t.create(t.id, "a")
	for name, change := range map[string]func(*sessionstep.Submission){
		"without a session":          func(s *sessionstep.Submission) { s.Session = "" },
		"without a step":             func(s *sessionstep.Submission) { s.Step = "" },
		"without a key":              func(s *sessionstep.Submission) { s.Key = "" },
		"with NUL in its key":        func(s *sessionstep.Submission) { s.Key = "1\x00" },
		"with a key of 256 bytes":    func(s *sessionstep.Submission) { s.Key = strings.Repeat("k", 256) },
		"with a key not in UTF-8":    func(s *sessionstep.Submission) { s.Key = "1\xff" },
		"without a status":           func(s *sessionstep.Submission) { s.Status = "" },
		"with a status of its own":   func(s *sessionstep.Submission) { s.Status = "Verified" },
		"with details that are cut":  func(s *sessionstep.Submission) { s.Details = json.RawMessage(`{"a":`) },
		"with details that are none": func(s *sessionstep.Submission) { s.Details = json.RawMessage{} },
	} {
		s := t.submission("a", "1", sessionstep.NeedsReview)
		change(&s)
		before := t.read(t.id)
		err := t.submit(s)
		if want := refusal(s.Validate()); !errors.Is(err, want) {
			t.Errorf("a submission %s: got the error %v, want one that wraps %v", name, err, want)
		}
		t.wantSame("a submission "+name, t.id, before)
	}
}
