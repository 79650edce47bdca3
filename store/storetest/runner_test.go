package storetest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/memstore"
	"github.com/hookonce/hookonce/store/storetest"
)

// A flawedRunner is a lease.Runner over a memstore that keeps the contract, except for
// what run does.
type flawedRunner struct {
	*lease.Runner
	run runFunc
}

func (f flawedRunner) Run(ctx context.Context, item idempotency.Item, work idempotency.Work[lease.Claim]) idempotency.Outcome {
	return f.run(f.Runner, ctx, item, work)
}

// newRunner returns what storetest wants, over a new memstore.
func newRunner(t testing.TB, o storetest.RunnerOptions) *lease.Runner {
	r, err := lease.New(new(memstore.Store), &lease.Options{MaxAttempts: o.MaxAttempts, AttemptInterval: o.AttemptInterval, Observe: o.Observe})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

type runFunc = func(r *lease.Runner, ctx context.Context, item idempotency.Item, work idempotency.Work[lease.Claim]) idempotency.Outcome

// onError returns a run that changes the error that the work returns.
func onError(change func(ctx context.Context, err error) error) runFunc {
	return func(r *lease.Runner, ctx context.Context, item idempotency.Item, work idempotency.Work[lease.Claim]) idempotency.Outcome {
		return r.Run(ctx, item, func(ctx context.Context, c lease.Claim) (*idempotency.Result, error) {
			result, err := work(ctx, c)
			if err != nil {
				err = change(ctx, err)
			}
			return result, err
		})
	}
}

// anyway returns a run that does the work though the outcome is of the kind.
func anyway(kind idempotency.Kind) runFunc {
	return func(r *lease.Runner, ctx context.Context, item idempotency.Item, work idempotency.Work[lease.Claim]) idempotency.Outcome {
		o := r.Run(ctx, item, work)
		if o.Kind == kind {
			work(ctx, lease.Claim{})
			o = idempotency.Outcome{Kind: idempotency.KindCompleted}
		}
		return o
	}
}

var flawedRunners = []struct {
	name, check string
	options     func(*storetest.RunnerOptions)
	run         runFunc
}{
	{name: "says nothing of the claim", check: "work that succeeds is completed, and observed as claimed and completed",
		options: func(o *storetest.RunnerOptions) {
			observe := o.Observe
			o.Observe = func(ctx context.Context, e idempotency.Event) {
				if e.Kind != idempotency.KindClaimed {
					observe(ctx, e)
				}
			}
		}},
	{name: "keeps no result", check: "a duplicate gets the result, and no work is done",
		run: func(r *lease.Runner, ctx context.Context, item idempotency.Item, work idempotency.Work[lease.Claim]) idempotency.Outcome {
			return r.Run(ctx, item, func(ctx context.Context, c lease.Claim) (*idempotency.Result, error) {
				_, err := work(ctx, c)
				return nil, err
			})
		}},
	{name: "does duplicates", check: "a duplicate gets the result, and no work is done", run: anyway(idempotency.KindDuplicate)},
	{name: "completes what is in flight", check: "of concurrent deliveries exactly one completes", run: anyway(idempotency.KindInFlight)},
	{name: "works on what is in flight", check: "an event in flight is not worked on by another delivery", run: anyway(idempotency.KindInFlight)},
	{name: "forgets the fingerprint", check: "other content under the same key is a mismatch",
		run: func(r *lease.Runner, ctx context.Context, item idempotency.Item, work idempotency.Work[lease.Claim]) idempotency.Outcome {
			item.Fingerprint = idempotency.Fingerprint{}
			return r.Run(ctx, item, work)
		}},
	{name: "does what has no key", check: "an invalid key is refused before any work", run: anyway(idempotency.KindInvalidKey)},
	{name: "completes failures", check: "work that fails is observed as failed, and the event is free",
		run: onError(func(context.Context, error) error { return nil })},
	{name: "kills what fails", check: "work that fails is observed as failed, and the event is free",
		run: onError(func(_ context.Context, err error) error { return idempotency.Permanent(err) })},
	{name: "flattens errors", check: "the error of the work keeps its tree, and is not taken for the runner's",
		run: onError(func(_ context.Context, err error) error { return errors.New(err.Error()) })},
	{name: "takes sentinels for its own", check: "the error of the work keeps its tree, and is not taken for the runner's",
		run: func(r *lease.Runner, ctx context.Context, item idempotency.Item, work idempotency.Work[lease.Claim]) idempotency.Outcome {
			o := r.Run(ctx, item, work)
			if errors.Is(o.Err, idempotency.ErrDuplicate) {
				o.Kind = idempotency.KindDuplicate
			}
			return o
		}},
	{name: "retries permanent failures", check: "a permanent failure makes the event dead",
		run: onError(func(_ context.Context, err error) error { return fmt.Errorf("%v", err) })},
	{name: "recovers panics", check: "a panic passes with its value, and the event is free",
		run: func(r *lease.Runner, ctx context.Context, item idempotency.Item, work idempotency.Work[lease.Claim]) (o idempotency.Outcome) {
			defer func() {
				if p := recover(); p != nil {
					o = idempotency.Outcome{Kind: idempotency.KindFailed, Err: fmt.Errorf("%v", p)}
				}
			}()
			return r.Run(ctx, item, work)
		}},
	{name: "completes late work", check: "work that reports the end of its context has timed out, and the event is free",
		run: onError(func(ctx context.Context, err error) error {
			if ctx.Err() != nil {
				return nil
			}
			return err
		})},
	{name: "retries forever", check: "MaxAttempts failures make the event dead",
		options: func(o *storetest.RunnerOptions) { o.MaxAttempts = 0 }},
	{name: "allows one too many", check: "with MaxAttempts of 1 the first failure makes the event dead",
		options: func(o *storetest.RunnerOptions) {
			if o.MaxAttempts > 0 {
				o.MaxAttempts++
			}
		}},
	{name: "counts every failure", check: "failures within AttemptInterval count once",
		options: func(o *storetest.RunnerOptions) { o.AttemptInterval = time.Nanosecond },
		run: func(r *lease.Runner, ctx context.Context, item idempotency.Item, work idempotency.Work[lease.Claim]) idempotency.Outcome {
			time.Sleep(time.Nanosecond) // in a bubble it passes in no other way
			return r.Run(ctx, item, work)
		}},
	{name: "counts answers", check: "a 4xx is an answer and does not count",
		run: onError(func(_ context.Context, err error) error {
			if idempotency.IsAnswer(err) {
				return idempotency.WithStatus(500, err)
			}
			return err
		})},
}

func TestRunRunner_Flawless(t *testing.T) {
	t.Parallel()
	storetest.RunRunner(t, func(t *testing.T, o storetest.RunnerOptions) idempotency.Runner[lease.Claim] { return newRunner(t, o) })
}

func TestRunRunner_EveryFlawIsCaught(t *testing.T) {
	catches := map[string]int{}
	for _, tt := range flawedRunners {
		t.Run(tt.name, func(t *testing.T) {
			failures := storetest.RunnerFailures(t, func(o storetest.RunnerOptions) idempotency.Runner[lease.Claim] {
				if tt.options != nil {
					tt.options(&o)
				}
				run := tt.run
				if run == nil {
					run = (*lease.Runner).Run
				}
				return flawedRunner{Runner: newRunner(t, o), run: run}
			})
			said, caught := failures[tt.check]
			if !caught {
				t.Errorf("not caught by the check %q; by others: %q", tt.check, failures)
			}
			t.Logf("%s: %s", tt.check, said)
			for name := range failures {
				catches[name]++
			}
		})
	}
	for _, name := range storetest.RunnerCheckNames() {
		if catches[name] == 0 {
			t.Errorf("the check %q has caught nothing: it may not be able to fail", name)
		}
	}
	none := storetest.RunnerFailures(t, func(o storetest.RunnerOptions) idempotency.Runner[lease.Claim] { return newRunner(t, o) })
	if diff := cmp.Diff(map[string]string{}, none); diff != "" {
		t.Errorf("failures of a runner without a flaw (-want +got):\n%s", diff)
	}
}
