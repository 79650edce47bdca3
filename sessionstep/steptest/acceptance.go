package steptest

import (
	"bytes"
	"encoding/json"

	"github.com/hookonce/hookonce/sessionstep"
)

func acceptanceChecks() []check {
	return []check{
		{
			"a submission to a step in progress is accepted and kept",
			"The sender would be answered 200, and its result be lost.",
			acceptance,
		},
		{
			"a verdict changes the states",
			"A customer who was verified would wait forever.",
			verdict,
		},
		{
			"a step that needs a review takes the decision",
			"What the person has decided would be answered 404.",
			func(t *trial) {
				t.create(t.id, "a")
				t.accepts(t.submission("a", "1", sessionstep.NeedsReview))
				t.accepts(t.submission("a", "2", sessionstep.NeedsReview))
				t.accepts(t.submission("a", "3", sessionstep.Verified))
				t.wantKept(t.id, kept{"a", "1", "needs_review"}, kept{"a", "2", "needs_review"}, kept{"a", "3", "verified"})
			},
		},
		{
			"details are kept byte for byte",
			"A number of many digits would be another one, and what the sender signed could not be shown.",
			details,
		},
	}
}

var statuses = []sessionstep.Outcome{sessionstep.Verified, sessionstep.Rejected, sessionstep.NeedsReview}

func acceptance(t *trial) {
	for _, status := range statuses {
		s := t.submission("a", "1", status)
		s.Session = t.id + string(status)
		t.create(s.Session, "a", "b")
		t.accepts(s)
		t.wantKept(s.Session, kept{"a", "1", status})
	}
}

func verdict(t *trial) {
	states := map[string]sessionstep.Outcome{}
	for _, status := range []sessionstep.Outcome{"", sessionstep.Verified, sessionstep.Rejected} {
		s := t.submission("a", "1", status)
		s.Session = t.id + string(status)
		t.create(s.Session, "a", "b")
		if status != "" {
			t.accepts(s)
		}
		got := t.read(s.Session).States
		if other, found := states[got]; found {
			t.Errorf("after the status %q the states are %q, as after %q", status, got, other)
		}
		states[got] = status
	}
}

func details(t *trial) {
	if t.NoDetails {
		t.Skip("not checked: Service.NoDetails is set")
	}
	want := []json.RawMessage{
		json.RawMessage(`{ "score": 0.980, "id": 12345678901234567890, "note": "a\u0000b\ud800 é 😀", "a": 1, "a": 2, "list": [ ] }`),
		json.RawMessage(`null`),
		nil,
	}
	t.create(t.id, "a")
	for i, d := range want {
		s := t.submission("a", string(rune('1'+i)), sessionstep.NeedsReview)
		s.Details = d
		t.accepts(s)
	}
	got := t.read(t.id).Submissions
	if len(got) != len(want) {
		t.Fatalf("%d submissions were kept, want %d", len(got), len(want))
	}
	for i, d := range want {
		if !bytes.Equal(got[i].Details, d) || (got[i].Details == nil) != (d == nil) {
			t.Errorf("details were kept as %q (nil: %t), want %q (nil: %t)", got[i].Details, got[i].Details == nil, d, d == nil)
		}
	}
}
