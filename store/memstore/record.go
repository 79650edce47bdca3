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
	changed  time.Duration // when it was released, of a Released record
	claims   int64         // so far: the token
	attempts int64         // claims that count
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
	r.state, r.claims, r.attempts, r.details = 0, 0, 0, nil
}

// claim makes terms.Owner the owner of r if r is free, and reports whether it was,
// and whether the claim counts as an attempt.
func (r *record) claim(terms lease.Terms, now time.Duration) (won, counted bool) {
	switch {
	case r.details != nil && !r.details.fingerprint.Matches(terms.Fingerprint):
		return false, false
	case r.state == lease.Done || r.state == lease.Dead:
		return false, false
	case r.state == lease.Claimed && now < r.leaseEnd:
		return false, false
	case terms.MaxAttempts > 0 && r.attempts >= int64(terms.MaxAttempts):
		r.state = lease.Dead
		return false, false
	}
	counted = r.state != lease.Released || r.attempts == 0 || now-r.changed >= terms.AttemptInterval
	if counted {
		r.attempts++
	}
	r.state = lease.Claimed
	r.owner = terms.Owner
	r.claims++
	r.leaseEnd = end(now, terms.Lease)
	if none := (idempotency.Fingerprint{}); terms.Fingerprint != none {
		r.detail().fingerprint = terms.Fingerprint // the same, or the first
	}
	return true, counted
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
	if r.state != lease.Claimed && r.state != lease.Done {
		return false
	}
	r.state = lease.Done // or was: the owner has lost our answer
	if result != nil && (r.details == nil || r.details.result == nil) {
		r.detail().result = result
	}
	return true
}

func (r *record) release(f lease.Failure, now time.Duration) bool {
	if r.state != lease.Claimed {
		return r.state == lease.Released || r.state == lease.Dead // the owner has lost our answer
	}
	r.state = lease.Released
	r.changed = now
	if f.Dead {
		r.state = lease.Dead
	}
	if f.Uncount {
		r.attempts--
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
		Attempts: int(r.attempts),
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
	return now + min(period, math.MaxInt64-now)
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
