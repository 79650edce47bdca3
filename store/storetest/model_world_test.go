package storetest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing/synctest"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
)

// A world is one path's store, deliveries and effects.
type world struct {
	model
	mu         sync.Mutex // held by the scheduler, except while it waits
	store      lease.Store
	deliveries [3]*delivery
	effects    int
	leaseEnded bool                 // at least one, perhaps
	recorded   bool                 // the event, in the store
	committed  map[lease.Owner]bool // whose effect was committed

	// What may still happen.
	crashes, leaseEnds, failures, lostAnswers int
}

type step struct {
	name string
	take func()
}

func (m model) newWorld() *world {
	w := &world{
		model: m, store: m.newStore(), committed: map[lease.Owner]bool{},
		crashes: 1, leaseEnds: m.leaseEnds, failures: 1, lostAnswers: 1,
	}
	for i := range w.deliveries {
		w.deliveries[i] = &delivery{world: w, name: string(rune('A' + i))}
	}
	w.mu.Lock()
	return w
}

// walk takes the steps of a path to its end and then delivers the event once
// more, as the sender does until it gets a 2xx.
func (w *world) walk(ctx context.Context, p *path, seen map[string]bool) error {
	for steps := w.steps(ctx); len(steps) > 0; steps = w.steps(ctx) {
		p.choose(steps).take()
		w.settle()
		if err := w.check(); err != nil {
			return err
		}
		if p.isNew() {
			state := w.state(ctx)
			if seen[state] {
				return nil
			}
			seen[state] = true
		}
	}
	w.pass()
	last := &delivery{world: w, name: "last", open: true}
	last.start(ctx)
	w.sleep(time.Minute)
	if !last.acknowledged() {
		return fmt.Errorf("the event can never be finished: its last delivery gets %v", last.outcome.Err)
	}
	w.deliveries[0] = last
	return w.check()
}

// stop lets all that still runs come to its end.
func (w *world) stop() {
	for _, d := range w.deliveries {
		d.crashed = true
		if d.at != "" {
			d.gate <- crash
		}
	}
	w.sleep(modelLease)
	w.mu.Unlock()
}

// state describes all that decides what can happen from here on. Times are
// counted in leases, as nothing else takes long.
func (w *world) state(ctx context.Context) string {
	var rec lease.Record
	var err error
	if w.recorded {
		// It loses to whatever record there is, and so changes nothing.
		terms := lease.Terms{Owner: lease.NewOwner(), Lease: modelLease, Fingerprint: otherContent}
		rec, _, err = w.store.Claim(ctx, modelKey, terms)
	}
	var states []string // of the deliveries, in no order, as they are alike
	for _, d := range w.deliveries {
		switch {
		case !d.started || d.ended || d.crashed:
			states = append(states, fmt.Sprint(d.started, d.acknowledged()))
		default:
			current := d.owner == rec.Owner && d.token == rec.Token
			states = append(states, fmt.Sprint(d.at, d.tries, d.since, d.renewing, d.sinceRenewal, d.lost,
				current, d.token > 0, w.committed[d.owner]))
		}
	}
	slices.Sort(states)
	return fmt.Sprint(w.crashes, w.leaseEnds, w.failures, w.lostAnswers, w.effects,
		rec.State, rec.LeaseLeft.Round(modelLease), err, states)
}

// check looks for what must never be.
func (w *world) check() error {
	// Where the effect stands at once, only a crash or an owner that has
	// outlived its lease may repeat it.
	if w.effects > 1 && (w.withCompletion || !w.leaseEnded) {
		return errors.New("the effect stands twice")
	}
	for _, d := range w.deliveries {
		if d.acknowledged() && w.effects == 0 {
			return fmt.Errorf("delivery %s is acknowledged without an effect", d.name)
		}
	}
	return nil
}

// steps returns all that can happen next.
func (w *world) steps(ctx context.Context) (steps []step) {
	add := func(name string, left *int, take func()) {
		if left == nil {
			steps = append(steps, step{name, take})
		} else if *left > 0 {
			steps = append(steps, step{name, func() { *left--; take() }})
		}
	}
	working := false
	for _, d := range w.deliveries {
		if !d.started {
			add(d.name+" is delivered", nil, func() { d.start(ctx) })
			break // deliveries are alike, so they start in order
		}
		if d.ended || d.crashed {
			continue
		}
		working = true
		at := d.name + ", about to " + d.at + ","
		add(at+" does so", nil, func() { d.proceed(do) })
		add(at+" crashes", &w.crashes, func() { d.proceed(crash) })
		if d.at == "work" {
			add(at+" fails", &w.failures, func() { d.proceed(fail) })
		} else {
			add(at+" does so, and the answer is lost", &w.lostAnswers, func() { d.proceed(loseAnswer) })
		}
		if d.renewing {
			add(d.name+" renews", nil, func() { d.renew <- struct{}{} })
		}
	}
	if working {
		add("the time of a lease passes", &w.leaseEnds, func() { w.pass() })
	}
	return steps
}

// pass lets the time of a lease pass.
func (w *world) pass() {
	w.leaseEnded = true
	for _, d := range w.deliveries {
		d.since++
		d.sinceRenewal++
	}
	w.sleep(modelLease)
}

// settle waits until every delivery is at a gate or at its end. Those that pause
// before they try again are given the time.
func (w *world) settle() {
	w.sleep(0)
	for slices.ContainsFunc(w.deliveries[:], func(d *delivery) bool {
		return d.started && !d.ended && !d.crashed && d.at == ""
	}) {
		w.sleep(time.Second)
	}
}

func (w *world) sleep(d time.Duration) {
	w.mu.Unlock()
	defer w.mu.Lock()
	time.Sleep(d)
	synctest.Wait()
}

// A verdict is what becomes of a delivery that waits at a gate.
type verdict int

const (
	do verdict = iota
	loseAnswer
	fail
	crash
)

var (
	errCrashed = errors.New("crashed")
	errFailed  = errors.New("the work failed")
	errAnswer  = errors.New("the connection was lost")
)

// A delivery is one run of the event's work. It is also the store that its runner
// has: one that waits for permission before each call.
type delivery struct {
	*world
	name     string
	open     bool // all gates are
	started  bool
	ended    bool
	crashed  bool
	at       string // the gate that it waits at
	gate     chan verdict
	renewing bool
	renew    chan struct{}
	outcome  idempotency.Outcome

	// For world.state.
	owner        lease.Owner
	token        int64
	last         string // gate that it was at
	tries        int    // there, in a row
	since        int    // leases since it came to the gate
	lost         bool   // a renewal has said so
	sinceRenewal int    // leases
}

var _ lease.Store = (*delivery)(nil)

var (
	modelKey     = idempotency.Key{Scope: "model", ID: "event"}
	modelContent = idempotency.FingerprintOf([]byte("event"))
	otherContent = idempotency.FingerprintOf([]byte("other"))
)

func (d *delivery) start(ctx context.Context) {
	d.started, d.gate, d.renew = true, make(chan verdict, 1), make(chan struct{}, 1)
	runner, err := lease.New(d, &lease.Options{Lease: modelLease, Observe: func(context.Context, idempotency.Event) {}})
	if err != nil {
		panic(err)
	}
	go func() {
		o := runner.Run(ctx, idempotency.Item{Key: modelKey, Fingerprint: modelContent}, d.work)
		d.mu.Lock()
		defer d.mu.Unlock()
		d.ended, d.outcome = true, o
	}()
}

// acknowledged reports whether the sender was told to stop retrying.
func (d *delivery) acknowledged() bool {
	return d.ended && !d.crashed && (d.outcome.Err == nil || d.outcome.Kind == idempotency.KindDuplicate)
}

func (d *delivery) proceed(v verdict) {
	d.crashed = v == crash
	d.gate <- v
}

// wait holds the delivery up before it does what, and returns with the world
// locked. Once it has crashed, nothing
// that it does reaches the world, and what it returns is lost.
func (d *delivery) wait(what string) verdict {
	d.mu.Lock()
	switch {
	case d.crashed:
		return crash
	case d.open:
		return do
	}
	if d.tries++; d.last != what {
		d.tries = 1
	}
	d.at, d.last, d.since = what, what, 0
	d.mu.Unlock()
	v := <-d.gate
	d.mu.Lock()
	d.at = ""
	return v
}

// call makes a call to the store when it may.
func (d *delivery) call(what string, call func() error) error {
	v := d.wait(what)
	defer d.mu.Unlock()
	if v == crash {
		return errCrashed
	}
	err := call()
	if v == loseAnswer {
		return errAnswer
	}
	return err
}

// work does not look at its context, as the worst of handlers do.
func (d *delivery) work(context.Context, lease.Claim) (*idempotency.Result, error) {
	v := d.wait("work")
	defer d.mu.Unlock()
	switch v {
	case crash:
		return nil, errCrashed
	case fail:
		return nil, errFailed
	}
	if !d.withCompletion {
		d.effects++
	}
	return nil, nil
}

func (d *delivery) Claim(ctx context.Context, key idempotency.Key, terms lease.Terms) (rec lease.Record, won bool, err error) {
	err = d.call("claim", func() (err error) {
		rec, won, err = d.store.Claim(ctx, key, terms)
		d.recorded = true
		if won {
			d.owner, d.token, d.sinceRenewal = terms.Owner, rec.Token, 0
		}
		return err
	})
	return rec, won, err
}

// Complete goes on when its context has ended, as a statement does that is on its
// way to a slow database.
func (d *delivery) Complete(ctx context.Context, c lease.Claim, result *idempotency.Result) error {
	return d.call("complete", func() error {
		err := d.store.Complete(context.WithoutCancel(ctx), c, result)
		// Only the statement that made the record done commits an effect.
		if err == nil && d.withCompletion && !d.committed[c.Owner] {
			d.committed[c.Owner] = true
			d.effects++
		}
		return err
	})
}

func (d *delivery) Release(ctx context.Context, c lease.Claim, f lease.Failure) error {
	return d.call("release", func() error { return d.store.Release(context.WithoutCancel(ctx), c, f) })
}

// Renew happens beside the rest, or not before its time is out; but that of a claim
// which took long is a step of its own, before the work.
func (d *delivery) Renew(ctx context.Context, c lease.Claim, length time.Duration) error {
	if d.isLate() {
		return d.call("renew", func() error { return d.store.Renew(ctx, c, length) })
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.crashed {
		return errCrashed
	}
	if !d.open && !d.mayRenew(ctx) {
		return ctx.Err()
	}
	err := d.store.Renew(ctx, c, length)
	d.lost = errors.Is(err, idempotency.ErrLeaseLost)
	d.sinceRenewal = 0
	return err
}

func (d *delivery) isLate() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.last == "claim"
}

// mayRenew waits for permission, or for the end of ctx.
func (d *delivery) mayRenew(ctx context.Context) bool {
	d.renewing = true
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		d.renewing = false
	}()
	select {
	case <-d.renew:
		return true
	case <-ctx.Done():
		return false
	}
}

// marksFirst is a store that calls an event done when it is claimed.
type marksFirst struct{ lease.Store }

func (s marksFirst) Claim(ctx context.Context, key idempotency.Key, terms lease.Terms) (lease.Record, bool, error) {
	rec, won, err := s.Store.Claim(ctx, key, terms)
	if won {
		err = s.Complete(ctx, lease.Claim{Key: key, Owner: rec.Owner, Token: rec.Token}, nil)
	}
	return rec, won, err
}
