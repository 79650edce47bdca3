package sqltest_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/hookonce/hookonce/sessionstep"
	"github.com/hookonce/hookonce/sessionstep/sqlstep"
)

// A submission that is refused changes nothing.
func TestSqlstep_RefusedSubmission(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		sub  sessionstep.Submission
		want error
	}{
		"unknown session":       {submission("none", "identity", "1", "verified"), sessionstep.ErrSessionNotFound},
		"session that is over":  {submission("over", "identity", "1", "verified"), sessionstep.ErrSessionNotOpen},
		"unknown step":          {submission("open", "none", "1", "verified"), sessionstep.ErrStepNotFound},
		"step not begun":        {submission("open", "pending", "1", "verified"), sessionstep.ErrStepNotInProgress},
		"step that is over":     {submission("open", "completed", "1", "verified"), sessionstep.ErrStepNotInProgress},
		"step that has failed":  {submission("open", "failed", "1", "verified"), sessionstep.ErrStepNotInProgress},
		"step of other case":    {submission("open", "Identity", "1", "verified"), sessionstep.ErrStepNotFound},
		"session of other case": {submission("Open", "identity", "1", "verified"), sessionstep.ErrSessionNotFound},
		"trailing space":        {submission("open ", "identity", "1", "verified"), sessionstep.ErrSessionNotFound},
		"no key":                {submission("open", "identity", "", "verified"), sessionstep.ErrMissingField},
		"NUL in the key":        {submission("open", "identity", "a\x00", "verified"), sessionstep.ErrMalformed},
		"long key":              {submission("open", "identity", strings.Repeat("k", 256), "verified"), sessionstep.ErrMalformed},
		"unknown status":        {submission("open", "identity", "1", "Verified"), sessionstep.ErrUnknownStatus},
		"details not JSON": {sessionstep.Submission{
			Session: "open", Step: "identity", Key: "1", Status: "verified", Details: json.RawMessage("{"),
		}, sessionstep.ErrNotAcceptable},
	}
	eachSessions(t, func(t *testing.T, on sessionDB) {
		sessions := on.sessions(t)
		open := sqlstep.Session{ID: "open", State: sqlstep.SessionPending, Steps: []sqlstep.Step{
			{Name: "identity", State: sqlstep.StepInProgress, Required: true},
			{Name: "pending", State: sqlstep.StepPending},
			{Name: "completed", State: sqlstep.StepCompleted},
			{Name: "failed", State: sqlstep.StepFailed},
		}}
		over := sqlstep.Session{ID: "over", State: sqlstep.SessionCancelled, Steps: open.Steps}
		for _, v := range []sqlstep.Session{open, over} {
			if err := sessions.Create(t.Context(), v); err != nil {
				t.Fatal(err)
			}
		}
		for name, test := range tests {
			t.Run(name, func(t *testing.T) {
				if err := sessions.Submit(t.Context(), test.sub); !errors.Is(err, test.want) {
					t.Errorf("got %v, want %v", err, test.want)
				}
				checkSession(t, sessions, open)
				checkSession(t, sessions, over)
			})
		}
	})
}

// A repeated submission is accepted when the step has moved on, but the same key at
// another step or session is no repetition.
func TestSqlstep_KeyOfAnotherStep(t *testing.T) {
	t.Parallel()
	eachSessions(t, func(t *testing.T, on sessionDB) {
		sessions := on.sessions(t)
		for id, state := range map[string]sqlstep.SessionState{
			"a": sqlstep.SessionCancelled, "b": sqlstep.SessionPending, "c": sqlstep.SessionCancelled,
		} {
			steps := []sqlstep.Step{{Name: "1"}, {Name: "2", State: sqlstep.StepInProgress}, {Name: "3"}}
			if err := sessions.Create(t.Context(), sqlstep.Session{ID: id, State: state, Steps: steps}); err != nil {
				t.Fatal(err)
			}
		}
		submit(t, sessions, submission("b", "2", "evt", sessionstep.NeedsReview))
		for _, test := range []struct {
			session, step string
			want          error
		}{
			{"a", "2", sessionstep.ErrSessionNotOpen},
			{"c", "2", sessionstep.ErrSessionNotOpen},
			{"b", "1", sessionstep.ErrStepNotInProgress},
			{"b", "3", sessionstep.ErrStepNotInProgress},
		} {
			err := sessions.Submit(t.Context(), submission(test.session, test.step, "evt", sessionstep.Verified))
			if !errors.Is(err, test.want) {
				t.Errorf("session %s, step %s: got %v, want %v", test.session, test.step, err, test.want)
			}
		}
	})
}
