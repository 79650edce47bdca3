package steptest

import (
	"encoding/json"

	"github.com/hookonce/hookonce/sessionstep"
)

func repetitionChecks() []check {
	return []check{
		{
			"a key that was accepted changes nothing while the step is in progress, and returns nil",
			"A delivery that the sender repeats would be applied twice.",
			func(t *trial) {
				t.create(t.id, "a", "b")
				t.accepts(t.submission("a", "1", sessionstep.NeedsReview))
				t.repeats("1")
			},
		},
		{
			"a key that was accepted changes nothing after the step has moved on, and returns nil",
			"A late retry would be answered 404, and senders disable an endpoint that answers so.",
			func(t *trial) {
				t.create(t.id, "a", "b")
				t.accepts(t.submission("a", "1", sessionstep.NeedsReview))
				t.accepts(t.submission("a", "2", sessionstep.Verified))
				t.repeats("1")
				t.repeats("2")
			},
		},
		{
			"a key that was accepted changes nothing after the session has ended, and returns nil",
			"A late retry would be answered 404, and senders disable an endpoint that answers so.",
			func(t *trial) {
				t.create(t.id, "a", "b")
				t.accepts(t.submission("a", "1", sessionstep.NeedsReview))
				t.close(t.id)
				t.repeats("1")
			},
		},
		{
			"the same key to another step is a submission of its own",
			"A sender that numbers its results within each step would lose some.",
			func(t *trial) {
				t.create(t.id, "a", "b")
				t.accepts(t.submission("a", "1", sessionstep.NeedsReview))
				t.accepts(t.submission("b", "1", sessionstep.NeedsReview))
				t.wantKept(t.id, kept{"a", "1", "needs_review"}, kept{"b", "1", "needs_review"})
			},
		},
		{
			"the same key in another session is a submission of its own",
			"A sender that numbers its results within each session would lose some.",
			func(t *trial) {
				s := t.submission("a", "1", sessionstep.NeedsReview)
				for _, id := range []string{t.id, t.id + "-other"} {
					t.create(id, "a")
					s.Session = id
					t.accepts(s)
					t.wantKept(id, kept{"a", "1", "needs_review"})
				}
			},
		},
	}
}

// repeats submits to the step a again under a key that it has accepted, with every
// content.
func (t *trial) repeats(key string) {
	t.Helper()
	before := t.read(t.id)
	for _, status := range statuses {
		s := t.submission("a", key, status)
		s.Details = json.RawMessage(`"other"`)
		if err := t.submit(s); err != nil {
			t.Errorf("the key again, with status %s: got the error %v, want nil", status, err)
		}
		t.wantSame("the key again, with status "+string(status)+",", t.id, before)
	}
}
