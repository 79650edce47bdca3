package idempotency

import (
	"cmp"
	"context"
	"errors"
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
// goroutine that starts with the first renewal and ends before Run returns. When
// the lease is lost, the work's context ends with the cause [ErrLeaseLost].
// [AttemptFrom] gives the work its fencing token.
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

// minLease is shorter than any lease that is meant, and longer than most numbers
// that were meant to be seconds.
const minLease = time.Millisecond

var errShortLease = errors.New("the lease is shorter than a millisecond")

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
	if terms.Lease < minLease {
		return nil, Unavailable("claim", errShortLease)
	}
	start := time.Now()
	rec, won, err := l.Store.Claim(ctx, key, terms)
	switch {
	case err != nil:
		l.notify(ctx, start, Event{Kind: EventStoreError, Key: key, Err: err})
		return nil, Unavailable("claim", err)
	case !won:
		err := rec.Refuse(fp)
		l.notify(ctx, start, Event{Kind: refusalKind(err), Key: key, Attempt: rec.Attempts})
		if err != ErrDuplicate {
			return nil, err // the result is another content's, or there is none
		}
		return rec.Result, err
	}
	claim := Claim{Key: key, Owner: terms.Owner, Token: rec.Token}
	if err := l.stillOurs(ctx, start, claim, terms.Lease); err != nil {
		kind := EventStoreError
		if errors.Is(err, ErrLeaseLost) {
			kind = EventLost
		}
		l.notify(ctx, start, Event{Kind: kind, Key: key, Attempt: rec.Attempts, Err: err})
		return nil, err
	}
	t := &tenure{
		lazyContext: lazyContext{parent: ctx},
		Leased:      l,
		lease:       terms.Lease,
		claim:       claim,
		attempt:     rec.Attempts,
		stolen:      rec.Stolen,
		start:       start,
	}
	return t.run(work)
}

// stillOurs renews the lease of a claim that took so long that the lease may have
// ended before the claim was answered, and another claim won since.
func (l *Leased) stillOurs(ctx context.Context, start time.Time, claim Claim, lease time.Duration) error {
	if time.Since(start) < lease {
		return nil
	}
	err := l.Store.Renew(ctx, claim, lease)
	if err != nil && !errors.Is(err, ErrLeaseLost) {
		err = Unavailable("renew", err)
	}
	return err
}

func (l *Leased) notify(ctx context.Context, start time.Time, e Event) {
	if l.Observe != nil {
		e.Duration = time.Since(start)
		l.Observe(ctx, e)
	}
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
