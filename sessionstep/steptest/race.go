package steptest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/hookonce/hookonce/sessionstep"
)

func raceChecks() []check {
	return []check{
		{
			"of concurrent submissions with one key one is applied, and all return nil",
			"A sender that repeats itself while the first delivery is in flight would have its result applied twice.",
			func(t *trial) { duplicates(t, t.submitAmong) },
		},
		{
			"of concurrent submissions with different keys none is lost",
			"Of two results that arrive at the same moment, one would be lost, though its sender was answered 200.",
			different,
		},
		{
			"steps that are completed at once leave what they leave one after the other",
			"Each would find the other in progress, and the session wait forever for the last step.",
			steps,
		},
		{
			"verdicts at once leave what they leave one after the other",
			"A step would be both completed and failed, and its history not tell which came last.",
			verdicts,
		},
	}
}

// duplicates has many callers submit the same.
func duplicates(t *trial, submit func(sessionstep.Submission) error) {
	for round := range 2 {
		s := t.submission("a", "1", sessionstep.NeedsReview)
		s.Session = fmt.Sprint(t.id, "-", round)
		t.create(s.Session, "a")
		for _, err := range atOnce(callers, func(int) error { return submit(s) }) {
			if err != nil {
				t.Errorf("one of %d callers: got the error %v, want nil", callers, err)
			}
		}
		t.wantKept(s.Session, kept{"a", "1", "needs_review"})
	}
}

func different(t *trial) {
	t.create(t.id, "a")
	var want []kept
	for i := range callers {
		want = append(want, kept{"a", fmt.Sprintf("%02d", i), sessionstep.NeedsReview})
	}
	for i, err := range atOnce(callers, func(i int) error { return t.submitAmong(t.submission("a", want[i].Key, want[i].Status)) }) {
		if err != nil {
			t.Errorf("caller %d: got the error %v, want nil", i, err)
		}
	}
	got := t.kept(t.id)
	slices.SortFunc(got, func(a, b kept) int { return cmp.Compare(a.Key, b.Key) })
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("accepted submissions (-want +got):\n%s", diff)
	}
}

func steps(t *trial) {
	names := []string{"a", "b", "c"}
	submit := func(id string, i int) error {
		s := t.submission(names[i], "1", sessionstep.Verified)
		s.Session = id
		return t.submitAmong(s)
	}
	t.create(t.id, names...)
	for i := range names {
		if err := submit(t.id, i); err != nil {
			t.Skipf("not checked: the service refuses a step after another was completed: %v", err)
		}
	}
	want := t.read(t.id).States
	for round := range 8 {
		id := fmt.Sprint(t.id, "-", round)
		t.create(id, names...)
		for i, err := range atOnce(len(names), func(i int) error { return submit(id, i) }) {
			if err != nil {
				t.Errorf("step %q: got the error %v, want nil", names[i], err)
			}
		}
		if got := t.read(id).States; got != want {
			t.Errorf("completed at once, the steps leave %q, one after the other %q", got, want)
		}
	}
}

// verdicts has callers submit different verdicts on one step. Those that were
// accepted are submitted to another session, in the order in which they were kept.
func verdicts(t *trial) {
	for round := range 4 {
		id := fmt.Sprint(t.id, "-", round)
		t.create(id, "a", "b")
		var accepted []string
		for i, err := range atOnce(callers, func(i int) error {
			s := t.submission("a", fmt.Sprint(i), statuses[i%2])
			s.Session = id
			return t.submitAmong(s)
		}) {
			switch {
			case err == nil:
				accepted = append(accepted, fmt.Sprint(i))
			case refusal(err) == nil:
				t.Errorf("caller %d: got the error %v, want nil or a refusal", i, err)
			}
		}
		got := t.read(id)
		t.create(id+"-after", "a", "b")
		var keys []string
		for _, s := range got.Submissions {
			keys = append(keys, s.Key)
			s.Session = id + "-after"
			if err := t.submit(s); err != nil {
				t.Errorf("one after the other, the submissions with the keys %q are not all accepted: %v", keys, err)
			}
		}
		slices.Sort(keys)
		slices.Sort(accepted)
		if !slices.Equal(keys, accepted) {
			t.Errorf("Submit has returned nil for the keys %q, but kept are %q", accepted, keys)
		}
		if want := t.read(id + "-after").States; got.States != want {
			t.Errorf("at once, the keys %s leave %q, one after the other %q", strings.Join(keys, ", "), got.States, want)
		}
	}
}
