package lease

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
)

// A Store records which events were processed and which are being processed.
// storetest.Run checks an implementation against everything that is said here, but
// for what a crash of the store leaves, which needs a server to kill.
//
// All methods must be safe for concurrent use, by any number of processes if they
// share the store. Keys that reach a Store are valid, see
// [idempotency.Key.Validate], and must be kept apart byte for byte.
//
// Leases are measured with one clock, the store's own, read when the statement takes
// effect. No method takes or returns a point in time, so the callers' clocks do not
// matter.
//
// An error means that the store could not do what was asked, or does not know
// whether it did; it never means that an event is a duplicate.
//
// # Optional methods
//
// A [Runner] looks for two more methods: Observe(context.Context,
// idempotency.Event), which reports to the store's observer, and Retention()
// time.Duration, which says how long a record is kept; 0 if that is not limited or
// not to be checked.
type Store interface {
	// Claim claims the work of key. It is atomic: of any number of concurrent
	// claims of a free key, exactly one wins.
	//
	// A key is free if it has no record, if its record is Released, or if it
	// is Claimed and the lease has expired. Whatever its state, it is not free
	// if its fingerprint does not match terms.Fingerprint. A free record with
	// as many attempts as terms.MaxAttempts (if that is positive) becomes Dead
	// instead of being claimed.
	//
	// If the claim wins, won is true and the record is Claimed by terms.Owner
	// for terms.Lease from now, and its Token is greater by one than before (1
	// for a new record). So is its Attempts, unless the record was Released less
	// than terms.AttemptInterval ago: failures close together count once. A
	// record without a counted attempt, and one whose lease has expired, always
	// count. If the claim loses, nothing has changed (but
	// for the step to Dead) and rec is the record that stands in the way, read
	// after the attempt: a Claim that finds no such record must try again
	// rather than report a duplicate of work that was never done. A record that
	// is reported as Done or Dead must be durable: if a crash of the store could
	// still undo it, Claim must make it durable first, or report it as Claimed.
	Claim(ctx context.Context, key idempotency.Key, terms Terms) (rec Record, won bool, err error)

	// Renew makes the lease of c expire the given time from now. It must report
	// [idempotency.ErrLeaseLost], and change nothing, if the record is not
	// Claimed by c's Owner with c's Token. An expired lease may be renewed if
	// the key was not claimed since. As with Complete, if the record is Done by
	// that very owner and token, Renew changes nothing and returns nil: it may
	// be called when the work has just completed its own record.
	Renew(ctx context.Context, c Claim, lease time.Duration) error

	// Complete makes the record Done and keeps result, which may be nil. It
	// must report [idempotency.ErrLeaseLost], and change nothing, if the record
	// is not Claimed by c's Owner with c's Token. Only if it is Done by that
	// very owner and token already, Complete returns nil, so that a caller whose
	// connection broke can repeat the call. It then keeps result if the record
	// has none, and changes nothing else.
	Complete(ctx context.Context, c Claim, result *idempotency.Result) error

	// Release makes the record Released, or Dead if f.Dead, and keeps f.Reason.
	// The token stays, and so do the attempts unless f.Uncount, so release is a
	// change of state and never a delete. It must report
	// [idempotency.ErrLeaseLost], and change nothing, if the record is not
	// Claimed by c's Owner with c's Token. Only if it is Released or Dead with
	// that very owner and token already, Release changes nothing and returns
	// nil, so that a caller that lost the answer can repeat the call.
	Release(ctx context.Context, c Claim, f Failure) error
}

// Terms are what a claim asks for.
type Terms struct {
	// Owner tells this claim from every other. Required; see [NewOwner].
	Owner Owner

	// Lease is how long the claim lasts if it is not renewed. Required.
	Lease time.Duration

	// Fingerprint of the event's content. Zero means that it is not checked.
	Fingerprint idempotency.Fingerprint

	// MaxAttempts is how many attempts a record may have. Zero means any number.
	MaxAttempts int

	// AttemptInterval is the time after a failure in which a claim does not
	// increase Attempts. Zero means that every claim does.
	AttemptInterval time.Duration

	// Delivery is what a store that keeps payloads keeps with a new record.
	// Nil: nothing.
	Delivery *hmacverify.Delivery
}

// A Record is what a store keeps of a key.
type Record struct {
	State    State
	Owner    Owner // of the latest claim
	Token    int64 // of the latest claim, from 1
	Attempts int   // claims so far that count

	// Counted reports, of a claim that won, that it has increased Attempts.
	Counted bool

	// Stolen reports, of a claim that won, that it took over an earlier claim
	// whose lease had expired. Stores need not keep it.
	Stolen bool

	// LeaseLeft is how long a Claimed record's lease lasts if it is not
	// renewed; zero or less if it has expired.
	LeaseLeft time.Duration

	// Age is the time since the record's latest change. Stores need not keep
	// it.
	Age time.Duration

	// Fingerprint is that of the first claim that had one.
	Fingerprint idempotency.Fingerprint

	// Result is what Complete was given, for a record that is Done.
	Result *idempotency.Result

	// LastError is the reason of the latest failure, if there was one.
	LastError string
}

// State is the state of a [Record]. The zero State is none of them.
type State uint8

// The states of a record. A key without a record is free.
const (
	Claimed  State = 1 // being processed, until the lease expires
	Done     State = 2 // processed; every further delivery is a duplicate
	Released State = 3 // failed; the next claim wins
	Dead     State = 4 // failed permanently; no claim wins
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

// A Failure says how an attempt ended that did not finish its event.
type Failure struct {
	Reason string // at most [MaxReasonBytes]; never holds a body
	Dead   bool   // no further attempt is to be made

	// Uncount makes Attempts less by one: the attempt does not count. It is
	// set only for a claim that was Counted.
	Uncount bool
}

// A Status is what the store knows of an event. Its times are measured by the
// database's clock.
type Status struct {
	Key       idempotency.Key
	State     State
	Attempts  int           // 1 for an event that was processed at once
	LastError string        // of the latest attempt that recorded one
	Age       time.Duration // since the record's latest change
	LeaseLeft time.Duration // of a Claimed event; zero or less if its process has died
}

// MaxReasonBytes is the length in bytes to which the reason of a [Failure] is
// cut.
const MaxReasonBytes = 512

// Reason returns the text of err as a store keeps it: valid UTF-8 without NUL, of at
// most [MaxReasonBytes].
func Reason(err error) string {
	s := strings.ReplaceAll(strings.ToValidUTF8(err.Error(), "\uFFFD"), "\x00", "\uFFFD")
	s = s[:min(len(s), MaxReasonBytes)]
	for !utf8.ValidString(s) {
		s = s[:len(s)-1] // at most three times: a rune was cut
	}
	return s
}

// Refuse returns the outcome of a claim with the fingerprint fp that lost against r.
func (r Record) Refuse(fp idempotency.Fingerprint) idempotency.Outcome {
	kind := idempotency.KindInFlight
	switch {
	case !r.Fingerprint.Matches(fp):
		kind = idempotency.KindMismatch
	case r.State == Done:
		kind = idempotency.KindDuplicate
	case r.State == Dead:
		kind = idempotency.KindDead
	}
	o := idempotency.OutcomeOf(kind, nil)
	o.Attempt = r.Attempts
	switch kind {
	case idempotency.KindDuplicate:
		o.Result = r.Result
	case idempotency.KindInFlight:
		o.RetryAfter = max(0, r.LeaseLeft)
	}
	return o
}
