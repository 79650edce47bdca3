package steptest

import (
	"context"
	"fmt"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookonce/hookonce/sessionstep"
)

func contextChecks() []check {
	return []check{
		{
			"a submission under a cancelled context is accepted or changes nothing, and is not refused",
			"Because a client went away, its result would be lost, or be applied without its key.",
			cancelled,
		},
		{
			"submissions that are cancelled midway do all or nothing",
			"A step would be completed whose key is not recorded, or the other way round, and no retry could correct it.",
			cutOff,
		},
	}
}

func cancelled(t *trial) {
	t.create(t.id, "a", "b")
	before := t.read(t.id)
	ctx, cancel := context.WithCancel(t.ctx)
	cancel()
	s := t.submission("a", "1", sessionstep.Verified)
	err := t.Submitter.Submit(ctx, s)
	if err != nil {
		if sentinel := refusal(err); sentinel != nil {
			t.Errorf("Submit reports %v, which says that no retry can help", err)
		}
		t.wantSame("a submission that failed", t.id, before)
		t.accepts(s)
	}
	t.wantKept(t.id, kept{"a", "1", "verified"})
}

// cutOff cancels submissions after times around those that a submission takes. After
// an error the submission may be there, if the error came after its commit.
func cutOff(t *trial) {
	const n = 10 // a connection that is cut is expensive to replace
	ids := make([]string, n+1)
	for i := range ids {
		ids[i] = fmt.Sprint(t.id, "-", i)
		t.create(ids[i], "a", "b")
	}
	of := func(id string) sessionstep.Submission {
		s := t.submission("a", "1", sessionstep.Verified)
		s.Session = id
		return s
	}
	before := t.read(ids[n])
	t.accepts(of(ids[n]))
	after := t.read(ids[n])
	same := cmp.Comparer(func(a, b sessionstep.Submission) bool {
		return a.Step == b.Step && a.Key == b.Key && a.Status == b.Status && string(a.Details) == string(b.Details)
	})
	for i, id := range ids[:n] {
		ctx, cancel := context.WithTimeout(t.ctx, time.Duration(i)*200*time.Microsecond)
		err := t.Submitter.Submit(ctx, of(id))
		cancel()
		got := t.read(id)
		if !cmp.Equal(got, after, same) && (err == nil || !cmp.Equal(got, before, same)) {
			t.Errorf("after Submit has returned %v, the state is neither that before nor that after:\n%+v", err, got)
		}
		// database/sql may still be rolling back, while the file of SQLite is locked.
		if again := t.submitAmong(of(id)); again != nil {
			t.Fatalf("a retry after %v: %v", err, again)
		}
		if diff := cmp.Diff(after, t.read(id), same); diff != "" {
			t.Errorf("a retry after %v (-want +got):\n%s", err, diff)
		}
	}
}
