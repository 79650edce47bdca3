package idempotency

import (
	"cmp"
	"context"
	"time"
)

// DefaultLease is the lease of a [Leased] that names none.
const DefaultLease = 30 * time.Second

// Leased is the [Runner] that holds a lease on the event while the work runs. Use
// it when the effect is not in the store's own database: the record is fenced,
// but the effect is at-least-once. It is repeated if the process dies, or loses
// its lease, between the effect and the completion. Pass [Key.Downstream] on to
// the other system to close that window.
//
// While the work runs, the lease is renewed every third of its length, by a
// goroutine that ends before Run returns. When the lease is lost, the work's
// context ends with the cause [ErrLeaseLost].
//
// A Leased is safe for concurrent use. Its fields must not be changed after the
// first Run.
type Leased struct {
	// Store keeps the records. Required.
	Store Store

	// Lease is how long an event stays claimed after its process has died; it
	// does not limit the work. 0 means [DefaultLease].
	Lease time.Duration

	// MaxAttempts is after how many failed attempts, crashes included, an
	// event is Dead. 0 means never: the sender decides when to give up.
	MaxAttempts int

	// Observe is told what happens. nil means that nobody is.
	Observe Observer
}

var _ Runner = (*Leased)(nil)

// Run implements [Runner].
func (l *Leased) Run(ctx context.Context, key Key, fp Fingerprint, work Work) (*Result, error) {
	if err := key.Validate(); err != nil {
		return nil, err
	}
	terms := Terms{
		Owner:       NewOwner(),
		Lease:       cmp.Or(l.Lease, DefaultLease),
		Fingerprint: fp,
		MaxAttempts: l.MaxAttempts,
	}
	t := &tenure{
		Leased: l,
		lease:  terms.Lease,
		claim:  Claim{Key: key, Owner: terms.Owner},
		start:  time.Now(),
	}
	rec, won, err := l.Store.Claim(ctx, key, terms)
	if err != nil {
		t.notify(ctx, EventStoreError, err)
		return nil, Unavailable("claim", err)
	}
	t.claim.Token, t.attempt = rec.Token, rec.Attempts
	if !won {
		err := rec.Refuse(fp)
		t.notify(ctx, refusalKind(err), nil)
		return rec.Result, err
	}
	if rec.Stolen {
		t.notify(ctx, EventStolen, nil)
	}
	t.notify(ctx, EventClaimed, nil)
	return t.run(ctx, work)
}

// Refuse returns why a claim with the fingerprint fp did not win against r:
// [ErrMismatch], [ErrDuplicate], [ErrDead] or an [InFlightError]. It is for
// implementations of [Runner].
func (r Record) Refuse(fp Fingerprint) error {
	switch {
	case !r.Fingerprint.Matches(fp):
		return ErrMismatch
	case r.State == Done:
		return ErrDuplicate
	case r.State == Dead:
		return ErrDead
	}
	return &InFlightError{RetryAfter: r.LeaseLeft}
}
