package steptest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookonce/hookonce/sessionstep"
)

const (
	// patience is for how long a check runs at most. A service that does not join a
	// transaction may wait for it forever.
	patience = 30 * time.Second

	pause   = 2 * time.Millisecond // between two tries
	callers = 16                   // at once
)

// A trial is one check of one service, with IDs of its own.
type trial struct {
	testing.TB
	Service
	ctx context.Context
	id  string // of a session, and the beginning of those of others
}

func newTrial(t testing.TB, s Service) *trial {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return &trial{TB: t, Service: s, ctx: ctx, id: "steptest-" + rand.Text()}
}

// create creates the session of the ID with steps in progress.
func (t *trial) create(id string, steps ...string) {
	t.Helper()
	t.createSession(Session{ID: id, InProgress: steps})
}

func (t *trial) createSession(s Session) {
	t.Helper()
	if err := t.Create(t.ctx, s); err != nil {
		t.Fatalf("Create of a session: %v", err)
	}
}

func (t *trial) close(id string) {
	t.Helper()
	if err := t.Close(t.ctx, id); err != nil {
		t.Fatalf("Close: %v", err)
	}
}

// read returns the state of a session, with the submissions in the order of the names
// of their steps.
func (t *trial) read(id string) State {
	t.Helper()
	s, err := t.Read(t.ctx, id)
	if err != nil {
		t.Fatalf("Read: %v", err)
	}
	slices.SortStableFunc(s.Submissions, func(a, b sessionstep.Submission) int { return strings.Compare(a.Step, b.Step) })
	return s
}

// submission returns one of the status to a step of the trial's session.
func (t *trial) submission(step, key string, status sessionstep.Outcome) sessionstep.Submission {
	return sessionstep.Submission{Session: t.id, Step: step, Key: key, Status: status, Details: json.RawMessage(`{"score":1}`)}
}

// submit submits once. Nothing else happens at the time, so that it must not fail.
func (t *trial) submit(s sessionstep.Submission) error { return t.Submitter.Submit(t.ctx, s) }

// submitAmong submits among concurrent callers, until there is a verdict.
func (t *trial) submitAmong(s sessionstep.Submission) error {
	return t.settle(func() error { return t.submit(s) })
}

// settle calls f until it has a verdict, as a sender retries.
func (t *trial) settle(f func() error) error {
	for {
		err := f()
		if err == nil || refusal(err) != nil || t.ctx.Err() != nil {
			return err
		}
		time.Sleep(pause)
	}
}

// accepts submits and checks that it is accepted.
func (t *trial) accepts(s sessionstep.Submission) {
	t.Helper()
	if err := t.submit(s); err != nil {
		t.Fatalf("Submit to step %q with status %s: %v", s.Step, s.Status, err)
	}
}

// refusals are the sentinels by which a Submitter refuses.
var refusals = []error{
	sessionstep.ErrSessionNotFound, sessionstep.ErrSessionNotOpen,
	sessionstep.ErrStepNotFound, sessionstep.ErrStepNotInProgress, sessionstep.ErrNotAcceptable,
	sessionstep.ErrMalformed, sessionstep.ErrMissingField, sessionstep.ErrUnknownStatus,
}

// refusal returns the sentinel that err wraps, or nil.
func refusal(err error) error {
	for _, sentinel := range refusals {
		if errors.Is(err, sentinel) {
			return sentinel
		}
	}
	return nil
}

// kept is what wantKept compares of a submission.
type kept struct {
	Step, Key string
	Status    sessionstep.Outcome
}

// wantKept checks which submissions a session has accepted, in the order of read.
func (t *trial) wantKept(id string, want ...kept) {
	t.Helper()
	if diff := cmp.Diff(want, t.kept(id)); diff != "" {
		t.Errorf("accepted submissions (-want +got):\n%s", diff)
	}
}

func (t *trial) kept(id string) (all []kept) {
	t.Helper()
	for _, s := range t.read(id).Submissions {
		all = append(all, kept{s.Step, s.Key, s.Status})
	}
	return all
}

// wantSame checks that the state of a session is what it was.
func (t *trial) wantSame(what, id string, before State) {
	t.Helper()
	if diff := cmp.Diff(before, t.read(id)); diff != "" {
		t.Errorf("%s has changed the session (-before +after):\n%s", what, diff)
	}
}

// atOnce calls f(0) to f(n-1) concurrently and returns the errors.
func atOnce(n int, f func(i int) error) []error {
	errs := make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = f(i)
		})
	}
	close(start)
	wg.Wait()
	return errs
}
