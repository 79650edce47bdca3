package memstore

import (
	"bytes"
	"math"
	"strings"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
)

// A record is what is kept of a key. It is small: rarely used fields live in
// details.
type record struct {
	name     string        // its key in shard.records
	place    int           // in shard.heap
	expires  time.Duration // when its key is free, if it does not change before
	leaseEnd time.Duration // of a Claimed record
	claims   int64         // so far; both the token and the attempts
	owner    lease.Owner
	state    lease.State
	details  *details
}

type details struct {
	fingerprint idempotency.Fingerprint
	result      *idempotency.Result // never changed, so it can be copied unlocked
	lastError   string
}

// detail returns r's details to be written.
func (r *record) detail() *details {
	if r.details == nil {
		r.details = new(details)
	}
	return r.details
}

// reset makes r the record of a key that was never seen.
func (r *record) reset() {
	r.state, r.claims, r.details = 0, 0, nil
}

// claim makes terms.Owner the owner of r if r is free, and reports whether it was.
func (r *record) claim(terms lease.Terms, now time.Duration) bool {
	switch {
	case r.details != nil && !r.details.fingerprint.Matches(terms.Fingerprint):
		return false
	case r.state == lease.Done || r.state == lease.Dead:
		return false
	case r.state == lease.Claimed && now < r.leaseEnd:
		return false
	case terms.MaxAttempts > 0 && r.claims >= int64(terms.MaxAttempts):
		r.state = lease.Dead
		return false
	}
	r.state = lease.Claimed
	r.owner = terms.Owner
	r.claims++
	r.leaseEnd = end(now, terms.Lease)
	if none := (idempotency.Fingerprint{}); terms.Fingerprint != none {
		r.detail().fingerprint = terms.Fingerprint // the same, or the first
	}
	return true
}

// renew, complete and release are for the owner of the latest claim. They report
// whether r was still Claimed, and change nothing if not.

func (r *record) renew(end time.Duration) bool {
	if r.state != lease.Claimed {
		return r.state == lease.Done // nothing is lost
	}
	r.leaseEnd = end
	return true
}

func (r *record) complete(result *idempotency.Result) bool {
	if r.state != lease.Claimed {
		return r.state == lease.Done // the owner has lost our answer
	}
	r.state = lease.Done
	if result != nil {
		r.detail().result = result
	}
	return true
}

func (r *record) release(f lease.Failure) bool {
	if r.state != lease.Claimed {
		return false
	}
	r.state = lease.Released
	if f.Dead {
		r.state = lease.Dead
	}
	if f.Reason != "" || r.details != nil {
		r.detail().lastError = strings.Clone(f.Reason)
	}
	return true
}

// export returns r as the callers see it, but for the copy of the result.
func (r *record) export(now time.Duration) lease.Record {
	rec := lease.Record{
		State:    r.state,
		Owner:    r.owner,
		Token:    r.claims,
		Attempts: int(r.claims),
	}
	if r.state == lease.Claimed {
		rec.LeaseLeft = r.leaseEnd - now
	}
	if d := r.details; d != nil {
		rec.Fingerprint, rec.Result, rec.LastError = d.fingerprint, d.result, d.lastError
	}
	return rec
}

// expired reports whether r has not changed for the retention.
func (r *record) expired(now time.Duration) bool { return now >= r.expires }

// end returns the end of a period that starts now. An absurdly long one never ends,
// rather than before it has begun.
func end(now, period time.Duration) time.Duration {
	if period > math.MaxInt64-now {
		return math.MaxInt64
	}
	return now + period
}

func clone(r *idempotency.Result) *idempotency.Result {
	if r == nil {
		return nil
	}
	return &idempotency.Result{
		Status:      r.Status,
		ContentType: strings.Clone(r.ContentType),
		Body:        bytes.Clone(r.Body),
	}
}
