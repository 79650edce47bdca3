package idempotency

import (
	"context"
	"crypto/rand"
	"time"
)

// A Store remembers which events were done and which are being done. It is what
// [Leased] works on; storetest.Run checks an implementation against all that is
// said here.
//
// All methods must be safe for concurrent use, by any number of processes if the
// store is shared by them. Keys that reach a Store are valid, see
// [Key.Validate], and must be kept apart byte for byte.
//
// Leases are measured with one clock, the store's own, read when the statement
// takes effect. No method takes or returns a point in time, so the clocks of the
// callers do not matter.
//
// An error means that the store could not do what it was asked for, or does not
// know whether it did, never that an event is a duplicate.
type Store interface {
	// Claim asks for the right to do the work of key. It is atomic: of any
	// number of concurrent claims of a key that is free, exactly one wins.
	//
	// A key is free if it has no record, if its record is Released, or if it
	// is Claimed and the lease has ended. It is not free, whatever its state,
	// if its fingerprint does not match terms.Fingerprint. A free record with
	// as many attempts as terms.MaxAttempts (if that is positive) becomes Dead
	// instead of being claimed.
	//
	// If the claim wins, won is true and the record is Claimed by terms.Owner
	// for terms.Lease from now, its Token and its Attempts greater by one than
	// before (1 for a new record). If it does not, nothing has changed (but for
	// the step to Dead) and rec is the record that stands in the way, read
	// after the attempt: a Claim that finds no such record must try again
	// rather than report a duplicate that nobody has done.
	Claim(ctx context.Context, key Key, terms Terms) (rec Record, won bool, err error)

	// Renew makes the lease of c end the given time from now. It must report
	// [ErrLeaseLost], and change nothing, if the record is not Claimed by c's
	// Owner with c's Token. A lease that has ended but that nobody has claimed
	// since may be renewed. As with Complete, if the record is Done by that very
	// owner and token, Renew changes nothing and reports no error: a renewal may
	// come when the work has just completed its own record.
	Renew(ctx context.Context, c Claim, lease time.Duration) error

	// Complete makes the record Done and keeps result, which may be nil. It
	// must report [ErrLeaseLost], and change nothing, if the record is not
	// Claimed by c's Owner with c's Token. Only if it is Done by that very
	// owner and token already, Complete changes nothing and reports no error,
	// so that a caller that lost the answer can ask again.
	Complete(ctx context.Context, c Claim, result *Result) error

	// Release makes the record Released, or Dead if f.Dead, and keeps f.Reason.
	// Token and attempts stay, so release is a change of state and never a
	// delete. It must report [ErrLeaseLost], and change nothing, if the record
	// is not Claimed by c's Owner with c's Token.
	Release(ctx context.Context, c Claim, f Failure) error
}

// Terms are what a claim asks for.
type Terms struct {
	// Owner tells this claim from every other. Required; see [NewOwner].
	Owner Owner

	// Lease is for how long the claim holds if it is not renewed. Required.
	Lease time.Duration

	// Fingerprint of the event's content. Zero means that it is not checked.
	Fingerprint Fingerprint

	// MaxAttempts is how often a record may be claimed. Zero means any number.
	MaxAttempts int
}

// A Claim is the right to do the work of a key, as long as its lease lasts. Its
// Token is the fencing token: it grows with each claim of the record, so the
// holder of an older one can be told from the holder of the current one.
type Claim struct {
	Key   Key
	Owner Owner
	Token int64
}

// A Record is what a store remembers of a key.
type Record struct {
	State    State
	Owner    Owner // of the latest claim
	Token    int64 // of the latest claim, from 1
	Attempts int   // claims so far, from 1

	// Stolen reports, of a claim that won, that it took over an earlier claim
	// whose lease had ended. Stores need not keep it.
	Stolen bool

	// LeaseLeft is for how long a Claimed record stays so if it is not renewed;
	// zero or less if its lease has ended.
	LeaseLeft time.Duration

	// Fingerprint is that of the first claim that had one.
	Fingerprint Fingerprint

	// Result is what Complete was given, for a record that is Done.
	Result *Result

	// LastError is the reason of the latest failure, if there was one.
	LastError string
}

// State is the state of a [Record]. The zero State is none of them.
type State uint8

// The states of a record. A key without a record is free.
const (
	Claimed  State = 1 // being worked on, until the lease ends
	Done     State = 2 // finished; every further delivery is a duplicate
	Released State = 3 // failed; the next claim wins
	Dead     State = 4 // failed for good; no claim wins
)

// String returns the state's name in lower case.
func (s State) String() string {
	switch s {
	case Claimed:
		return "claimed"
	case Done:
		return "done"
	case Released:
		return "released"
	case Dead:
		return "dead"
	}
	return "unknown"
}

// An Owner is 128 random bits that tell one claim from every other.
type Owner [16]byte

// NewOwner returns an Owner that nobody else has.
func NewOwner() Owner {
	var o Owner
	rand.Read(o[:]) // never fails, see crypto/rand
	return o
}

// A Result is the answer that a finished event got, kept so that a duplicate can
// get it again.
type Result struct {
	Status      int    // HTTP status; 0 if the work was not an HTTP handler
	ContentType string // media type of Body
	Body        []byte
}

// A Failure says how an attempt ended that did not finish its event.
type Failure struct {
	Reason string // at most [MaxReasonBytes]; never holds a body
	Dead   bool   // no further attempt is to be made
}

// MaxReasonBytes is the length in bytes to which the reason of a [Failure] is
// cut.
const MaxReasonBytes = 512
