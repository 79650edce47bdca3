package lease

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/hookonce/hookonce/idempotency"
)

// DefaultLease is the default of Options.Lease.
const DefaultLease = 30 * time.Second

// minLease catches Lease: 30 written for 30*time.Second.
const minLease = time.Millisecond

// A Runner is the [idempotency.Runner] that holds a lease on the event while the work
// runs. Create one with [New]. It is safe for concurrent use.
//
// While the work runs, the lease is renewed every third of its length, by a goroutine
// that starts with the first renewal and ends before Run returns. If the lease is
// lost, the work's context ends with the cause [idempotency.ErrLeaseLost].
type Runner struct {
	store     Store
	o         Options // with the defaults filled in
	retention time.Duration
}

var _ idempotency.Runner[Claim] = (*Runner)(nil)

// Options configures a [Runner]. The zero value and nil use the defaults.
type Options struct {
	// Lease is how long an event stays claimed after its process has died. It
	// does not limit the work. Default [DefaultLease].
	Lease time.Duration

	// MaxAttempts is the number of failed attempts, crashes included, after
	// which an event is dead. A 4xx, written by the handler or carried by its
	// error, is an answer and not counted. Default 0: never, the sender decides
	// when to give up.
	MaxAttempts int

	// AttemptInterval spaces the attempts that MaxAttempts counts: failures
	// that follow each other within it count once. A caller that repeats failed work without a pause
	// sets it to less than its own pauses; a nanosecond counts every failure.
	// Default [idempotency.DefaultAttemptInterval].
	AttemptInterval time.Duration

	// Observe sees what happens. Default: the store's observer, or
	// [idempotency.LogFailures] if it has none.
	Observe idempotency.Observer
}

// New returns a Runner over store. o may be nil.
func New(store Store, o *Options) (*Runner, error) {
	if o == nil {
		o = new(Options)
	}
	v := reflect.ValueOf(store)
	switch {
	case !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil():
		return nil, errors.New("lease: no store: pass a sqlstore.Store or a memstore.Store")
	case o.Lease < 0 || o.MaxAttempts < 0 || o.AttemptInterval < 0:
		return nil, errors.New("lease: a number in Options is negative; leave it 0 for the default")
	case o.Lease > 0 && o.Lease < minLease:
		return nil, fmt.Errorf("lease: Options.Lease of %v is too short: write %d * time.Second for seconds", o.Lease, o.Lease)
	}
	r := &Runner{store: store, o: *o}
	r.o.Lease = cmp.Or(o.Lease, DefaultLease)
	if o.MaxAttempts > 0 { // else it does no harm that all are counted
		r.o.AttemptInterval = cmp.Or(o.AttemptInterval, idempotency.DefaultAttemptInterval)
	}
	if s, ok := store.(interface{ Retention() time.Duration }); ok {
		r.retention = s.Retention()
	}
	if r.o.Observe == nil {
		r.o.Observe = idempotency.LogFailures
		if s, ok := store.(interface {
			Observe(context.Context, idempotency.Event)
		}); ok {
			r.o.Observe = s.Observe
		}
	}
	return r, nil
}

// Do runs work once for key, without HTTP. It returns nil if the work is done and
// recorded; if work returns an error, the event is released and Do returns that
// error. All other errors wrap a sentinel of package idempotency.
func (r *Runner) Do(ctx context.Context, key idempotency.Key, work func(ctx context.Context, c Claim) error) error {
	return idempotency.Run(ctx, r, idempotency.Item{Key: key}, func(ctx context.Context, c Claim) (*idempotency.Result, error) {
		return nil, work(ctx, c)
	}).AsError()
}

// Run implements [idempotency.Runner]. Call [Runner.Do], or [idempotency.Run] with a
// fingerprint or a payload.
func (r *Runner) Run(ctx context.Context, item idempotency.Item, work idempotency.Work[Claim]) idempotency.Outcome {
	if r.store == nil {
		return unavailable("run", errors.New("zero Runner: create it with New"))
	}
	if err := item.Key.Validate(); err != nil {
		return idempotency.OutcomeOf(idempotency.KindInvalidKey, err)
	}
	terms := Terms{
		Owner:           NewOwner(),
		Lease:           r.o.Lease,
		Fingerprint:     item.Fingerprint,
		MaxAttempts:     r.o.MaxAttempts,
		AttemptInterval: r.o.AttemptInterval,
		Delivery:        item.Delivery,
	}
	start := time.Now()
	rec, won, err := r.store.Claim(ctx, item.Key, terms)
	if err != nil {
		return unavailable("claim", err)
	}
	if !won {
		return rec.Refuse(item.Fingerprint)
	}
	claim := Claim{Key: item.Key, Owner: terms.Owner, Token: rec.Token, Attempt: rec.Attempts}
	leased, err := r.stillOurs(ctx, start, claim)
	if err != nil {
		o := idempotency.OutcomeOf(idempotency.KindLeaseLost, err)
		if !errors.Is(err, idempotency.ErrLeaseLost) {
			o = unavailable("renew", err)
		}
		o.Attempt = claim.Attempt
		return o
	}
	held := &heldLease{runner: r, claim: claim, stolen: rec.Stolen, counted: rec.Counted, start: start, leased: leased}
	return held.run(ctx, work)
}

// Observe implements [idempotency.Runner].
func (r *Runner) Observe(ctx context.Context, e idempotency.Event) {
	e.Endpoint = cmp.Or(e.Endpoint, e.Key.Endpoint())
	if r.o.Observe == nil {
		idempotency.LogFailures(ctx, e)
		return
	}
	r.o.Observe(ctx, e)
}

// EffectsStand tells an [idempotency.Endpoint] that an effect cannot be undone here.
func (r *Runner) EffectsStand() {}

// Retention implements [idempotency.Runner]. It is the store's; 0 if that does not
// say.
func (r *Runner) Retention() time.Duration { return r.retention }

// stillOurs renews the lease of a claim that took so long that the lease may have
// expired before the claim was answered, and another claim won since. It returns
// the time from which the lease counts.
func (r *Runner) stillOurs(ctx context.Context, start time.Time, claim Claim) (time.Time, error) {
	if time.Since(start) < r.o.Lease {
		return start, nil
	}
	leased := time.Now()
	return leased, r.store.Renew(ctx, claim, r.o.Lease)
}

// unavailable is the outcome of a call of the store that failed.
func unavailable(what string, err error) idempotency.Outcome {
	return idempotency.OutcomeOf(idempotency.KindUnavailable, fmt.Errorf("%s: %w", what, err))
}
