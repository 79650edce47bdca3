// Package steptest checks that a [sessionstep.Submitter] keeps its contract. The test
// of a session service is one call:
//
//	func TestSessions(t *testing.T) {
//		steptest.Run(t, func(t *testing.T) steptest.Service {
//			s := sessions.New(openTestDatabase(t))
//			return steptest.Service{Submitter: s, Create: …, Close: …, Read: …, InTx: …}
//		})
//	}
//
// Each sentence of the contract is a subtest of that name. One that fails says what the
// service did, what it should have done, and what would go wrong in production.
//
// # What it assumes
//
// A step that needs a review stays in progress and takes further submissions: what the
// person decides is one of them. What else follows from a submission is the service's
// own business: the suite compares what it does at once, again, cut off or rolled back
// with what it does otherwise.
//
// It submits from 16 goroutines at once, and retries what then fails with an error that
// is no sentinel, as senders do. A pool of one connection must do. Nothing is timed; on
// a database it takes some seconds at most.
//
// # What it cannot check
//
// That what was accepted survives a crash, and that a submission undoes all of its work
// if the database fails halfway, other than by the end of its context.
package steptest

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/hookonce/hookonce/sessionstep"
)

// A Service is what is checked, and what the suite needs to set it up and to look at
// it. The functions may be called concurrently.
type Service struct {
	Submitter sessionstep.Submitter

	// Create creates a session that is open.
	Create func(ctx context.Context, s Session) error

	// Close ends the session, as by its cancellation, so that it is no longer open.
	Close func(ctx context.Context, session string) error

	// Read returns what the service keeps of the session.
	Read func(ctx context.Context, session string) (State, error)

	// InTx calls work with a context that carries a transaction which the Submitter
	// joins. It commits if work returns nil. If not, it rolls back and returns the
	// error. It must not retry.
	InTx func(ctx context.Context, work func(ctx context.Context) error) error

	// NoTransactions says that the Submitter joins no transactions. InTx must be nil
	// then; the subtests that need it are listed as skipped.
	NoTransactions bool

	// NoDetails says that the service keeps no Details, on purpose. The subtest of
	// them is listed as skipped.
	NoDetails bool
}

// A Session is one to create. Its ID and the names of its steps are each a
// [sessionstep.ValidID].
type Session struct {
	ID         string
	InProgress []string // names of steps that take submissions
	NotBegun   []string // names of steps that do not yet
}

// A State is what a service keeps of a session.
type State struct {
	// States are the states of the session and of its steps, in a text of any form:
	// the same for the same states, so without IDs and times.
	States string

	// Submissions are those that were accepted, each with its Step, Key, Status and
	// Details. Those of a step are in the order in which they were accepted.
	Submissions []sessionstep.Submission
}

// Run checks the services that newService returns, in subtests of t. It is called once
// for each subtest, and may return the same service every time: each subtest has
// sessions of its own.
func Run(t *testing.T, newService func(t *testing.T) Service) {
	for _, c := range checks() {
		t.Run(c.name, func(t *testing.T) { c.check(t, newService(t)) })
	}
}

// A check is one sentence of the contract.
type check struct {
	name string // the sentence
	why  string // what goes wrong in production with a service that breaks it
	run  func(t *trial)
}

func checks() []check {
	return slices.Concat(
		acceptanceChecks(),
		repetitionChecks(),
		refusalChecks(),
		idChecks(),
		contextChecks(),
		raceChecks(),
		transactionChecks(),
	)
}

func (c check) check(t testing.TB, s Service) {
	t.Helper()
	if err := s.complete(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("why it matters: %s", c.why)
		}
	})
	c.run(newTrial(t, s))
}

// complete returns what the service lacks, and the way out.
func (s Service) complete() error {
	switch {
	case s.Submitter == nil:
		return errors.New("steptest: Service.Submitter is nil: set it to your session service")
	case s.Create == nil:
		return errors.New("steptest: Service.Create is nil: set it to a function that creates a session")
	case s.Close == nil:
		return errors.New("steptest: Service.Close is nil: set it to a function that ends a session")
	case s.Read == nil:
		return errors.New("steptest: Service.Read is nil: set it to a function that returns the state of a session")
	case s.InTx == nil && !s.NoTransactions:
		return errors.New("steptest: Service.InTx is nil: set it to a function that calls work in a transaction, or set NoTransactions if the Submitter joins none")
	case s.InTx != nil && s.NoTransactions:
		return errors.New("steptest: Service.InTx is set, and so is NoTransactions: unset one of them")
	}
	return nil
}
