package steptest

import (
	"context"
	"errors"

	"github.com/hookonce/hookonce/sessionstep"
)

func transactionChecks() []check {
	checks := []check{
		{
			"a submission in a transaction is there after the commit",
			"The event would be recorded as processed, and its result be lost.",
			func(t *trial) {
				t.create(t.id, "a", "b")
				t.inTx("a transaction", t.submission("a", "1", sessionstep.Verified))
				t.wantKept(t.id, kept{"a", "1", "verified"})
			},
		},
		{
			"a submission in a transaction that is rolled back changes nothing, and its key is free",
			"The retry of an event whose transaction has failed would be taken for a duplicate, and its result be lost.",
			rolledBack,
		},
		{
			"a key that was accepted in the same transaction changes nothing, and returns nil",
			"An event that names a session twice would be applied twice, or fail forever.",
			func(t *trial) {
				t.create(t.id, "a")
				t.inTx("the same key twice", t.submission("a", "1", sessionstep.NeedsReview), t.submission("a", "1", sessionstep.Rejected))
				t.wantKept(t.id, kept{"a", "1", "needs_review"})
			},
		},
		{
			"a refusal leaves the transaction to its caller",
			"What the caller has written before would be committed although the event has failed, or be undone behind its back.",
			refusedInTx,
		},
		{
			"a refusal in a transaction that is committed changes nothing",
			"A refusal that is acknowledged to its sender, so that the transaction is committed, would leave half a submission.",
			committedRefusal,
		},
		{
			"of concurrent transactions with one key one is applied, and all return nil",
			"A sender that repeats itself while the first delivery is in flight would have its result applied twice.",
			func(t *trial) {
				duplicates(t, func(s sessionstep.Submission) error {
					return t.settle(func() error {
						return t.InTx(t.ctx, func(ctx context.Context) error { return t.Submitter.Submit(ctx, s) })
					})
				})
			},
		},
	}
	for i, c := range checks {
		checks[i].run = func(t *trial) {
			if t.NoTransactions {
				t.Skip("not checked: Service.NoTransactions is set")
			}
			c.run(t)
		}
	}
	return checks
}

// inTx submits in one transaction.
func (t *trial) inTx(what string, submissions ...sessionstep.Submission) {
	t.Helper()
	err := t.InTx(t.ctx, func(ctx context.Context) error {
		for _, s := range submissions {
			if err := t.Submitter.Submit(ctx, s); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

var errAfter = errors.New("steptest: the transaction's work has failed after the submission")

func rolledBack(t *trial) {
	t.create(t.id, "a", "b")
	before := t.read(t.id)
	s := t.submission("a", "1", sessionstep.Verified)
	var submitted error
	err := t.InTx(t.ctx, func(ctx context.Context) error {
		if submitted = t.Submitter.Submit(ctx, s); submitted != nil {
			return submitted
		}
		return errAfter
	})
	if submitted != nil {
		t.Fatalf("Submit in a transaction: %v", submitted)
	}
	if !errors.Is(err, errAfter) {
		t.Fatalf("InTx returns %v, want the error of its work; or the submission has ended the transaction", err)
	}
	t.wantSame("a submission that was rolled back", t.id, before)
	t.accepts(s)
	t.wantKept(t.id, kept{"a", "1", "verified"})
}

// refusedInTx has a submission refused after one that was accepted. If the caller
// rolls back then, nothing is left of it. If it commits, and that succeeds, it is there.
func refusedInTx(t *trial) {
	for _, commit := range []bool{false, true} {
		s := t.submission("a", "1", sessionstep.Verified)
		if commit {
			s.Session += "-commit"
		}
		t.create(s.Session, "a", "b")
		before := t.read(s.Session)
		unknown := s
		unknown.Step = "unknown"
		var accepted, refused error
		err := t.InTx(t.ctx, func(ctx context.Context) error {
			if accepted = t.Submitter.Submit(ctx, s); accepted != nil {
				return accepted
			}
			if refused = t.Submitter.Submit(ctx, unknown); !commit {
				return refused
			}
			return nil
		})
		if accepted != nil || !errors.Is(refused, sessionstep.ErrStepNotFound) {
			t.Fatalf("Submit returned %v, want nil, and then %v, want ErrStepNotFound", accepted, refused)
		}
		switch {
		case !commit:
			t.wantSame("a transaction that was rolled back", s.Session, before)
		case err == nil:
			t.wantKept(s.Session, kept{"a", "1", "verified"})
		}
	}
}

func committedRefusal(t *trial) {
	t.createSession(Session{ID: t.id, InProgress: []string{"a"}, NotBegun: []string{"b"}})
	before := t.read(t.id)
	for range 2 { // a key that was refused is none that was accepted
		var refused error
		err := t.InTx(t.ctx, func(ctx context.Context) error {
			refused = t.Submitter.Submit(ctx, t.submission("b", "1", sessionstep.Verified))
			return nil
		})
		if err != nil || !errors.Is(refused, sessionstep.ErrStepNotInProgress) {
			t.Errorf("Submit returned %v, want ErrStepNotInProgress; the commit returned %v, want nil", refused, err)
		}
		t.wantSame("a refusal that was committed", t.id, before)
	}
}
