package storetest

import (
	"context"
	"crypto/rand"
	"sync"
	"testing"
	"time"

	"github.com/hookonce/hookonce/idempotency"
)

// RunnerOptions is what [RunRunner] asks of a runner.
type RunnerOptions struct {
	// MaxAttempts is the number of failed attempts after which an event is
	// dead. 0: never.
	MaxAttempts int

	// AttemptInterval is the time within which failures count once.
	AttemptInterval time.Duration

	// Observe is the runner's observer.
	Observe idempotency.Observer
}

// RunRunner checks that the runners which newRunner returns keep what
// [idempotency.Runner] promises in every mode, in subtests of t:
//
//	func TestRunner(t *testing.T) {
//		storetest.RunRunner(t, func(t *testing.T, o storetest.RunnerOptions) idempotency.Runner[mystore.Tx] {
//			return mystore.NewRunner(openTestDatabase(t), o.MaxAttempts, o.AttemptInterval, o.Observe)
//		})
//	}
//
// newRunner is called once for each subtest. The runners may share their records: each
// subtest uses new keys. A runner that waits for an event in flight should do so
// for a second at most. What is committed with what is for the runner's own tests.
func RunRunner[T any](t *testing.T, newRunner func(t *testing.T, o RunnerOptions) idempotency.Runner[T]) {
	for _, c := range runnerChecks[T]() {
		t.Run(c.name, func(t *testing.T) {
			c.check(t, func(o RunnerOptions) idempotency.Runner[T] { return newRunner(t, o) })
		})
	}
}

// A runnerCheck is one sentence of the contract.
type runnerCheck[T any] struct {
	name string // the sentence
	why  string // what goes wrong in production with a runner that breaks it
	o    RunnerOptions
	run  func(t *runnerTrial[T])
}

func (c runnerCheck[T]) check(t testing.TB, newRunner func(o RunnerOptions) idempotency.Runner[T]) {
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("why it matters: %s", c.why)
		}
	})
	trial := &runnerTrial[T]{TB: t, key: idempotency.Key{Scope: "storetest-" + rand.Text(), ID: "event"}}
	o := c.o
	o.Observe = trial.observe
	trial.runner = newRunner(o)
	c.run(trial)
}

// A runnerTrial is one check of one runner, with a key of its own.
type runnerTrial[T any] struct {
	testing.TB
	runner idempotency.Runner[T]
	key    idempotency.Key

	mu     sync.Mutex
	calls  int // of the work
	events []idempotency.Event
}

func (t *runnerTrial[T]) observe(_ context.Context, e idempotency.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.events = append(t.events, e)
}

// kinds returns what was observed since the last call.
func (t *runnerTrial[T]) kinds() (kinds []idempotency.Kind) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, e := range t.events {
		kinds = append(kinds, e.Kind)
	}
	t.events = nil
	return kinds
}

// deliver has the runner do work for the trial's key.
func (t *runnerTrial[T]) deliver(work func(ctx context.Context) (*idempotency.Result, error)) idempotency.Outcome {
	return t.deliverItem(t.Context(), idempotency.Item{Key: t.key}, work)
}

func (t *runnerTrial[T]) deliverItem(ctx context.Context, item idempotency.Item, work func(ctx context.Context) (*idempotency.Result, error)) idempotency.Outcome {
	return idempotency.Run(ctx, t.runner, item, func(ctx context.Context, _ T) (*idempotency.Result, error) {
		t.mu.Lock()
		t.calls++
		t.mu.Unlock()
		return work(ctx)
	})
}

// succeeds, and the work that returning returns, are what deliver is called with.
func succeeds(context.Context) (*idempotency.Result, error) { return nil, nil }

func returning(err error) func(context.Context) (*idempotency.Result, error) {
	return func(context.Context) (*idempotency.Result, error) { return nil, err }
}

// wantKind checks an outcome, and that its error wraps the kind's sentinel.
func (t *runnerTrial[T]) wantKind(what string, got idempotency.Outcome, want idempotency.Kind) {
	t.Helper()
	if got.Kind != want {
		t.Errorf("%s: the outcome is %s (error %v), want %s", what, got.Kind, got.Err, want)
	}
}

// wantCalls checks how often work was done so far.
func (t *runnerTrial[T]) wantCalls(want int) {
	t.Helper()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.calls != want {
		t.Errorf("the work was called %d times, want %d", t.calls, want)
	}
}
