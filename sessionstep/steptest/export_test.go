package steptest

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
)

// CheckNames returns the names of all checks.
func CheckNames() []string {
	var names []string
	for _, c := range checks() {
		names = append(names, c.name)
	}
	return names
}

// Failures runs each check against a new service, in a bubble of its own, and returns
// what the failed ones have said, by name.
func Failures(t *testing.T, newService func() Service) map[string]string {
	failures := map[string]string{}
	for _, c := range checks() {
		synctest.Test(t, func(t *testing.T) {
			r := &recorder{TB: t}
			done := make(chan struct{})
			go func() { // so that FailNow can end it
				defer close(done)
				c.check(r, newService())
			}()
			<-done
			if r.Failed() {
				failures[c.name] = r.said
			}
		})
	}
	return failures
}

// A recorder is a testing.TB whose failures are no failures of the test that it is made
// from.
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
func (r *recorder) Skip(...any)                       { runtime.Goexit() }
func (r *recorder) Skipf(string, ...any)              { runtime.Goexit() }
