package steptest

import (
	"errors"
	"strings"

	"github.com/hookonce/hookonce/sessionstep"
)

// alike are IDs that differ only in one respect.
var alike = []struct {
	respect string
	ids     []string
}{
	{"case", []string{"evt_a", "evt_A", "EVT_A", "évt_a", "Évt_a"}},
	{"spaces around them", []string{"evt_1", "evt_1 ", " evt_1", "evt_1  ", "evt_1\t"}},
	{"the last of 255 bytes", []string{strings.Repeat("k", 254) + "1", strings.Repeat("k", 254) + "2", strings.Repeat("é", 127) + "1", strings.Repeat("é", 127) + "2"}},
	{"Unicode normalization and look-alikes", []string{"\u00e9", "e\u0301", "ß", "ss", "ﬁ", "fi", "е", "e"}},
	{"characters outside of the basic plane", []string{"evt_😀", "evt_😁", "evt_", "evt_𝒳"}},
	{"how a number is written", []string{"1", "01", "1.0", "1e0", "+1"}},
	{"characters that SQL treats specially", []string{"a'b", "a''b", `a\'b`, "a%b", "a_b", `a"b`, "a;b", "$1", "?"}},
}

func idChecks() []check {
	var checks []check
	for _, group := range alike {
		checks = append(checks, check{
			"keys that differ only in " + group.respect + " are different",
			"A result would be taken for a duplicate of another, and be lost.",
			func(t *trial) { differentKeys(t, group.ids) },
		})
	}
	return append(checks,
		check{
			"IDs of sessions that differ only in case, spaces or form are different",
			"A result would be submitted to the session of another customer.",
			differentSessions,
		},
		check{
			"names of steps that differ only in case, spaces or form are different",
			"A result would be submitted to another step.",
			differentSteps,
		},
	)
}

func differentKeys(t *trial, keys []string) {
	t.create(t.id, "a")
	var want []kept
	for _, key := range keys {
		t.accepts(t.submission("a", key, sessionstep.NeedsReview))
		want = append(want, kept{"a", key, sessionstep.NeedsReview})
	}
	t.wantKept(t.id, want...)
}

// near are endings of IDs that databases merge.
var near = []string{"a", "A", "a ", "\u00e9", "e\u0301", "é "}

func differentSessions(t *trial) {
	for i, end := range near {
		s := t.submission("a", "1", sessionstep.NeedsReview)
		s.Session = t.id + end
		if err := t.submit(s); !errors.Is(err, sessionstep.ErrSessionNotFound) {
			t.Errorf("with the sessions that end in %q, one that ends in %q is found: error %v", near[:i], end, err)
		}
		t.create(s.Session, "a")
		t.accepts(s)
	}
	for _, end := range near {
		t.wantKept(t.id+end, kept{"a", "1", "needs_review"})
	}
}

func differentSteps(t *trial) {
	t.create(t.id, near...)
	for _, name := range near {
		before := len(t.kept(t.id))
		t.accepts(t.submission(name, "1", sessionstep.NeedsReview))
		all := t.kept(t.id)
		found := false
		for _, k := range all {
			found = found || k.Step == name
		}
		if len(all) != before+1 || !found {
			t.Errorf("a submission to the step %q is not kept as one: %q", name, all)
		}
	}
	t.refuses(t.submission("E\u0301", "1", sessionstep.Verified), sessionstep.ErrStepNotFound)
}
