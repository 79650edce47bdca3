package storetest

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
)

// CheckNames returns the names of all checks.
func CheckNames() []string {
	var names []string
	for _, c := range checks() {
		names = append(names, c.name)
	}
	return names
}

// Failures runs each check against a new store, in a bubble of its own, and
// returns what the failed ones have said, by name.
func Failures(t *testing.T, newStore func() lease.Store) map[string]string {
	failures := map[string]string{}
	for _, c := range checks() {
		synctest.Test(t, func(t *testing.T) {
			r := &recorder{TB: t}
			done := make(chan struct{})
			go func() { // so that FailNow can end it
				defer close(done)
				c.run(newTrial(r, newStore()))
			}()
			<-done
			if r.Failed() {
				failures[c.name] = r.said
			}
		})
	}
	return failures
}

// A recorder is a testing.TB whose failures are no failures of the test that it
// is made from.
type recorder struct {
	testing.TB
	mu     sync.Mutex
	failed bool
	said   string
}

func (r *recorder) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

func (r *recorder) fail(message string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = true
	r.said += message + "\n"
}

func (r *recorder) Error(args ...any)                 { r.fail(fmt.Sprintln(args...)) }
func (r *recorder) Errorf(format string, args ...any) { r.fail(fmt.Sprintf(format, args...)) }
func (r *recorder) Fatal(args ...any)                 { r.Error(args...); runtime.Goexit() }
func (r *recorder) Fatalf(format string, args ...any) { r.Errorf(format, args...); runtime.Goexit() }
func (r *recorder) Skip(args ...any)                  { runtime.Goexit() }

// RunnerCheckNames returns the names of all checks of runners.
func RunnerCheckNames() []string {
	var names []string
	for _, c := range runnerChecks[lease.Claim]() {
		names = append(names, c.name)
	}
	return names
}

// RunnerFailures is [Failures] for runners.
func RunnerFailures(t *testing.T, newRunner func(o RunnerOptions) idempotency.Runner[lease.Claim]) map[string]string {
	failures := map[string]string{}
	for _, c := range runnerChecks[lease.Claim]() {
		synctest.Test(t, func(t *testing.T) {
			r := &recorder{TB: t}
			done := make(chan struct{})
			go func() { // so that FailNow can end it
				defer close(done)
				c.check(r, newRunner)
			}()
			<-done
			if r.Failed() {
				failures[c.name] = r.said
			}
		})
	}
	return failures
}
