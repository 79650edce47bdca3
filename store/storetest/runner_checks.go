package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/hookonce/hookonce/idempotency"
)

var errWork = errors.New("the work's error")

func runnerChecks[T any]() []runnerCheck[T] {
	return slices.Concat(onceChecks[T](), failedChecks[T](), attemptChecks[T]())
}

func onceChecks[T any]() []runnerCheck[T] {
	return []runnerCheck[T]{
		{
			name: "work that succeeds is completed, and observed as claimed and completed",
			why:  "An event would be retried that was applied, and metrics would not show it.",
			run: func(t *runnerTrial[T]) {
				o := t.deliver(succeeds)
				t.wantKind("delivery", o, idempotency.KindCompleted)
				if o.Err != nil {
					t.Errorf("the outcome's error is %v, want none", o.Err)
				}
				t.wantObserved(idempotency.KindClaimed, idempotency.KindCompleted)
			},
		},
		{
			name: "a duplicate gets the result, and no work is done",
			why:  "An event would be applied twice, or its sender get another response than before.",
			run: func(t *runnerTrial[T]) {
				want := &idempotency.Result{Status: 201, ContentType: "text/plain", Body: []byte("done")}
				t.deliver(func(context.Context) (*idempotency.Result, error) { return want, nil })
				for range 2 {
					o := t.deliver(succeeds)
					t.wantKind("duplicate", o, idempotency.KindDuplicate)
					if !errors.Is(o.Err, idempotency.ErrDuplicate) {
						t.Errorf("the outcome's error is %v, want ErrDuplicate", o.Err)
					}
					if diff := cmp.Diff(want, o.Result); diff != "" {
						t.Errorf("result (-want +got):\n%s", diff)
					}
				}
				t.wantCalls(1)
			},
		},
		{
			name: "of concurrent deliveries exactly one completes",
			why:  "Deliveries that arrive at the same moment would all be applied.",
			run:  concurrentDeliveries[T],
		},
		{
			name: "an event in flight is not worked on by another delivery",
			why:  "An event would be applied twice, or a delivery be acknowledged whose work can still fail.",
			run: func(t *runnerTrial[T]) {
				t.deliver(func(context.Context) (*idempotency.Result, error) {
					// A database with one writer may not know who it waits for.
					o := t.deliver(succeeds)
					if o.Kind != idempotency.KindInFlight && o.Kind != idempotency.KindUnavailable {
						t.Errorf("the outcome during the work is %s (error %v), want in_flight or unavailable", o.Kind, o.Err)
					}
					return nil, nil
				})
				t.wantCalls(1)
			},
		},
		{
			name: "other content under the same key is a mismatch",
			why:  "Another event would be called a duplicate and be lost.",
			run: func(t *runnerTrial[T]) {
				item := idempotency.Item{Key: t.key, Fingerprint: ours}
				t.deliverItem(t.Context(), item, succeeds)
				item.Fingerprint = theirs
				t.wantKind("other content", t.deliverItem(t.Context(), item, succeeds), idempotency.KindMismatch)
				item.Fingerprint = ours
				t.wantKind("same content", t.deliverItem(t.Context(), item, succeeds), idempotency.KindDuplicate)
				t.wantCalls(1)
			},
		},
		{
			name: "an invalid key is refused before any work",
			why:  "All events without an ID would be taken for one.",
			run: func(t *runnerTrial[T]) {
				for _, key := range []idempotency.Key{{}, {Scope: t.key.Scope}, {ID: "event"}} {
					o := t.deliverItem(t.Context(), idempotency.Item{Key: key}, succeeds)
					t.wantKind(fmt.Sprint("key ", key), o, idempotency.KindInvalidKey)
				}
				t.wantCalls(0)
			},
		},
	}
}

func failedChecks[T any]() []runnerCheck[T] {
	return []runnerCheck[T]{
		{
			name: "work that fails is observed as failed, and the event is free",
			why:  "An event would be lost, or wait for a lease that nothing uses.",
			run: func(t *runnerTrial[T]) {
				t.wantKind("failure", t.deliver(returning(errWork)), idempotency.KindFailed)
				t.wantObserved(idempotency.KindClaimed, idempotency.KindFailed)
				t.wantKind("retry", t.deliver(succeeds), idempotency.KindCompleted)
			},
		},
		{
			name: "the error of the work keeps its tree, and is not taken for the runner's",
			why:  "Callers could not tell why it failed, or take a nested runner's duplicate for one of their own.",
			run: func(t *runnerTrial[T]) {
				err := idempotency.WithStatus(599, fmt.Errorf("%w, %w", errWork, idempotency.ErrDuplicate))
				o := t.deliver(returning(err))
				t.wantKind("failure", o, idempotency.KindFailed)
				got := o.AsError()
				if !errors.Is(got, errWork) || idempotency.Status(got) != 599 {
					t.Errorf("the error %v, of status %d, does not wrap the work's, of status 599", got, idempotency.Status(got))
				}
				if errors.Is(got, idempotency.ErrDuplicate) {
					t.Errorf("the error %v is taken for a duplicate", got)
				}
				t.wantKind("retry", t.deliver(succeeds), idempotency.KindCompleted)
			},
		},
		{
			name: "a permanent failure makes the event dead",
			why:  "An event that can never succeed would be retried forever.",
			run: func(t *runnerTrial[T]) {
				o := t.deliver(returning(idempotency.Permanent(errWork)))
				t.wantKind("failure", o, idempotency.KindDead)
				if !errors.Is(o.Err, idempotency.ErrDead) || !errors.Is(o.Err, errWork) {
					t.Errorf("the outcome's error is %v, want ErrDead and the work's", o.Err)
				}
				t.wantKind("retry", t.deliver(succeeds), idempotency.KindDead)
				t.wantCalls(1)
			},
		},
		{
			name: "a panic passes with its value, and the event is free",
			why:  "A bug would be hidden, or hold its event until a lease expires.",
			run: func(t *runnerTrial[T]) {
				func() {
					defer func() {
						if p := recover(); p != any(errWork) {
							t.Errorf("recovered %v, want the work's value", p)
						}
					}()
					t.deliver(func(context.Context) (*idempotency.Result, error) { panic(errWork) })
				}()
				t.wantObserved(idempotency.KindClaimed, idempotency.KindFailed)
				t.wantKind("retry", t.deliver(succeeds), idempotency.KindCompleted)
			},
		},
		{
			name: "work that reports the end of its context has timed out, and the event is free",
			why:  "An event would be lost because its work was slow.",
			run: func(t *runnerTrial[T]) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				o := t.deliverItem(ctx, idempotency.Item{Key: t.key}, func(ctx context.Context) (*idempotency.Result, error) {
					cancel()
					<-ctx.Done()
					return nil, ctx.Err()
				})
				t.wantKind("late work", o, idempotency.KindTimeout)
				t.wantKind("retry", t.deliver(succeeds), idempotency.KindCompleted)
			},
		},
	}
}

func attemptChecks[T any]() []runnerCheck[T] {
	return []runnerCheck[T]{
		{
			name: "MaxAttempts failures make the event dead",
			why:  "A poisonous event would be retried forever, or a healthy one given up too early.",
			o:    RunnerOptions{MaxAttempts: 3, AttemptInterval: time.Microsecond},
			run: func(t *runnerTrial[T]) {
				for i, want := range []idempotency.Kind{idempotency.KindFailed, idempotency.KindFailed, idempotency.KindDead, idempotency.KindDead} {
					t.wantKind(fmt.Sprint("delivery ", i+1), t.deliver(returning(errWork)), want)
					time.Sleep(2 * precision)
				}
				t.wantCalls(3)
			},
		},
		{
			name: "failures within AttemptInterval count once",
			why:  "A burst of deliveries during a short outage would make a healthy event dead.",
			o:    RunnerOptions{MaxAttempts: 2, AttemptInterval: time.Hour},
			run: func(t *runnerTrial[T]) {
				for i := range 5 {
					t.wantKind(fmt.Sprint("delivery ", i+1), t.deliver(returning(errWork)), idempotency.KindFailed)
				}
				t.wantKind("after the outage", t.deliver(succeeds), idempotency.KindCompleted)
			},
		},
		{
			name: "with MaxAttempts of 1 the first failure makes the event dead",
			why:  "An event that must not be tried twice would be.",
			o:    RunnerOptions{MaxAttempts: 1, AttemptInterval: time.Hour},
			run: func(t *runnerTrial[T]) {
				t.wantKind("failure", t.deliver(returning(errWork)), idempotency.KindDead)
				t.wantKind("retry", t.deliver(succeeds), idempotency.KindDead)
			},
		},
		{
			name: "a 4xx is an answer and does not count",
			why:  "An event would be given up, and acknowledged, because its handler has asked for a retry.",
			o:    RunnerOptions{MaxAttempts: 1, AttemptInterval: time.Microsecond},
			run: func(t *runnerTrial[T]) {
				for i := range 3 {
					o := t.deliver(returning(idempotency.WithStatus(402, errWork)))
					t.wantKind(fmt.Sprint("delivery ", i+1), o, idempotency.KindFailed)
					time.Sleep(2 * precision)
				}
				t.wantKind("retry", t.deliver(succeeds), idempotency.KindCompleted)
			},
		},
		{
			name: "work that is postponed does not count",
			why:  "An event whose time has not come would be given up.",
			o:    RunnerOptions{MaxAttempts: 1, AttemptInterval: time.Microsecond},
			run: func(t *runnerTrial[T]) {
				for i := range 3 {
					o := t.deliver(returning(idempotency.RetryIn(time.Minute, errWork)))
					t.wantKind(fmt.Sprint("delivery ", i+1), o, idempotency.KindPostponed)
					time.Sleep(2 * precision)
				}
				t.wantKind("retry", t.deliver(succeeds), idempotency.KindCompleted)
			},
		},
	}
}

// concurrentDeliveries checks outcomes rather than calls: a runner may call work again
// after a conflict.
func concurrentDeliveries[T any](t *runnerTrial[T]) {
	outcomes := make([]idempotency.Outcome, callers)
	var g errgroup.Group
	for i := range outcomes {
		g.Go(func() error {
			outcomes[i] = t.deliver(func(context.Context) (*idempotency.Result, error) {
				time.Sleep(2 * precision)
				return nil, nil
			})
			return nil
		})
	}
	g.Wait()
	completed := 0
	for _, o := range outcomes {
		switch o.Kind {
		case idempotency.KindCompleted:
			completed++
		case idempotency.KindDuplicate, idempotency.KindInFlight, idempotency.KindUnavailable:
		default:
			t.Errorf("a delivery's outcome is %s (error %v)", o.Kind, o.Err)
		}
	}
	if completed != 1 {
		t.Errorf("%d of %d concurrent deliveries have completed, want 1", completed, callers)
	}
}

// wantObserved checks what was observed since the last call. What a store says of
// itself on the way does not matter.
func (t *runnerTrial[T]) wantObserved(want ...idempotency.Kind) {
	t.Helper()
	got := slices.DeleteFunc(t.kinds(), func(k idempotency.Kind) bool { return k == idempotency.KindStoreError })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("observed (-want +got):\n%s", diff)
	}
}
