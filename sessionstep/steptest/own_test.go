package steptest_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/hookonce/hookonce/sessionstep"
	"github.com/hookonce/hookonce/sessionstep/steptest"
)

// verifications is a session service as an application may have it: a map and a mutex.
type verifications struct {
	mu       sync.Mutex
	sessions map[string]*verification
}

type verification struct {
	ended bool
	steps map[string]*part
}

type part struct {
	State   string // open, waiting, passed, failed
	results []sessionstep.Submission
}

// Submit implements [sessionstep.Submitter].
func (v *verifications) Submit(ctx context.Context, s sessionstep.Submission) error {
	if err := s.Validate(); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	session, found := v.sessions[s.Session]
	if !found {
		return sessionstep.ErrSessionNotFound
	}
	p, found := session.steps[s.Step]
	if found {
		for _, earlier := range p.results {
			if earlier.Key == s.Key {
				return nil
			}
		}
	}
	switch {
	case session.ended:
		return sessionstep.ErrSessionNotOpen
	case !found:
		return sessionstep.ErrStepNotFound
	case p.State != "open":
		return sessionstep.ErrStepNotInProgress
	}
	p.results = append(p.results, s)
	switch s.Status {
	case sessionstep.Verified:
		p.State = "passed"
	case sessionstep.Rejected:
		p.State = "failed"
	}
	return nil
}

func (v *verifications) create(_ context.Context, s steptest.Session) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	steps := make(map[string]*part)
	for _, name := range s.InProgress {
		steps[name] = &part{State: "open"}
	}
	for _, name := range s.NotBegun {
		steps[name] = &part{State: "waiting"}
	}
	v.sessions[s.ID] = &verification{steps: steps}
	return nil
}

func (v *verifications) end(_ context.Context, id string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.sessions[id].ended = true
	return nil
}

func (v *verifications) read(_ context.Context, id string) (state steptest.State, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	session := v.sessions[id]
	states := make(map[string]string)
	for name, p := range session.steps {
		states[name] = p.State
		state.Submissions = append(state.Submissions, p.results...)
	}
	state.States = fmt.Sprint(session.ended, states) // maps are printed in the order of their keys
	return state, nil
}

// The service's test is one call.
func TestOwnService(t *testing.T) {
	t.Parallel()
	steptest.Run(t, func(*testing.T) steptest.Service {
		v := &verifications{sessions: map[string]*verification{}}
		return steptest.Service{Submitter: v, Create: v.create, Close: v.end, Read: v.read, NoTransactions: true}
	})
}
