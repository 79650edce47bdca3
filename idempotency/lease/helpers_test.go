package lease_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/memstore"
)

var errBoom = errors.New("boom")

var evt = idempotency.Key{Scope: "test", ID: "evt"}

// do does work under evt.
func do(ctx context.Context, r *lease.Runner, work func(ctx context.Context) error) error {
	return r.Do(ctx, evt, func(ctx context.Context, _ lease.Claim) error { return work(ctx) })
}

// takes is work that takes d of time.
func takes(d time.Duration) func(context.Context) error {
	return func(context.Context) error {
		time.Sleep(d)
		return nil
	}
}

// stuck is work that waits for the end of its context and returns the cause.
func stuck(ctx context.Context) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

func fails(context.Context) error { return errBoom }

// newRunner returns a runner that reports to j; nil: to no one.
func newRunner(t testing.TB, s lease.Store, j *journal, o lease.Options) *lease.Runner {
	t.Helper()
	if o.Observe == nil {
		o.Observe = j.observe
	}
	r, err := lease.New(s, &o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// bubble runs f under synctest, with a runner whose leases are of 30 seconds, its
// faulty store over a memstore, and a journal of what is observed.
func bubble(t *testing.T, f func(t *testing.T, r *lease.Runner, store *faulty, j *journal)) {
	t.Helper()
	bubbleWith(t, lease.Options{Lease: 30 * time.Second}, f)
}

func bubbleWith(t *testing.T, o lease.Options, f func(t *testing.T, r *lease.Runner, store *faulty, j *journal)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, j := newFaulty(), new(journal)
		f(t, newRunner(t, store, j, o), store, j)
	})
}

// look claims key and returns what it finds. It changes a record only if that is
// free.
func look(t *testing.T, s lease.Store, key idempotency.Key) (rec lease.Record, free bool) {
	t.Helper()
	rec, won, err := s.Claim(context.Background(), key, lease.Terms{Owner: lease.NewOwner(), Lease: lease.DefaultLease})
	if err != nil {
		t.Fatal(err)
	}
	return rec, won
}

// checkState checks the state of evt's record; Released stands for one that is free.
func checkState(t *testing.T, s lease.Store, want lease.State) {
	t.Helper()
	rec, free := look(t, s, evt)
	if free {
		rec.State = lease.Released
	}
	if rec.State != want {
		t.Errorf("%v is %v, want %v", evt, rec.State, want)
	}
}

func checkError(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("got error %v, want %v", got, want)
	}
}

func checkCalls(t *testing.T, store *faulty, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, store.calls()); diff != "" {
		t.Errorf("calls of the store (-want +got):\n%s", diff)
	}
}

func checkKinds(t *testing.T, j *journal, want ...idempotency.Kind) {
	t.Helper()
	if diff := cmp.Diff(want, j.kinds()); diff != "" {
		t.Errorf("observed (-want +got):\n%s", diff)
	}
}

func checkLastKind(t *testing.T, j *journal, want idempotency.Kind) {
	t.Helper()
	if kinds := j.kinds(); len(kinds) == 0 || kinds[len(kinds)-1] != want {
		t.Errorf("observed %v, want the last to be %v", kinds, want)
	}
}

// panics returns what f panics with.
func panics(f func()) (p any) {
	defer func() { p = recover() }()
	f()
	return nil
}

// A faulty store fails where a test says so. Its hooks get the verb, "claim", "renew",
// "complete" or "release", and how often it was called, from 1.
type faulty struct {
	lease.Store
	before func(ctx context.Context, verb string, n int) error // an error: nothing was done
	after  func(ctx context.Context, verb string, n int) error // an error: the answer was lost

	mu    sync.Mutex
	verbs []string
}

func newFaulty() *faulty { return &faulty{Store: new(memstore.Store)} }

// failing makes the given verbs fail with err.
func (f *faulty) failing(err error, verbs ...string) {
	f.before = func(_ context.Context, verb string, _ int) error {
		if slices.Contains(verbs, verb) {
			return err
		}
		return nil
	}
}

func (f *faulty) call(ctx context.Context, verb string, do func() error) error {
	f.mu.Lock()
	f.verbs = append(f.verbs, verb)
	f.mu.Unlock()
	n := f.count(verb)
	if f.before != nil {
		if err := f.before(ctx, verb, n); err != nil {
			return err
		}
	}
	if err := do(); err != nil {
		return err
	}
	if f.after != nil {
		return f.after(ctx, verb, n)
	}
	return nil
}

// count returns how often verb was called.
func (f *faulty) count(verb string) (n int) {
	for _, v := range f.calls() {
		if v == verb {
			n++
		}
	}
	return n
}

func (f *faulty) calls() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.verbs)
}

func (f *faulty) Claim(ctx context.Context, key idempotency.Key, terms lease.Terms) (rec lease.Record, won bool, err error) {
	err = f.call(ctx, "claim", func() (err error) {
		rec, won, err = f.Store.Claim(ctx, key, terms)
		return err
	})
	return rec, won, err
}

func (f *faulty) Renew(ctx context.Context, c lease.Claim, length time.Duration) error {
	return f.call(ctx, "renew", func() error { return f.Store.Renew(ctx, c, length) })
}

func (f *faulty) Complete(ctx context.Context, c lease.Claim, r *idempotency.Result) error {
	return f.call(ctx, "complete", func() error { return f.Store.Complete(ctx, c, r) })
}

func (f *faulty) Release(ctx context.Context, c lease.Claim, failure lease.Failure) error {
	return f.call(ctx, "release", func() error { return f.Store.Release(ctx, c, failure) })
}

// A journal is an observer that remembers. A nil one does not.
type journal struct {
	mu     sync.Mutex
	events []idempotency.Event
}

func (j *journal) observe(_ context.Context, e idempotency.Event) {
	if j == nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.events = append(j.events, e)
}

func (j *journal) kinds() (kinds []idempotency.Kind) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, e := range j.events {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}
