package inbox

import (
	"context"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
)

// A Queue stores what an [Inbox] has accepted, until it is done. sqlstore.Store,
// pgxstore.Store and memstore.Store are queues; storetest.RunQueue checks an
// implementation against what is said here.
//
// An entry is Waiting until its time has come, InFlight while a process has a lease on
// it, Blocked while another entry of its group is before it, or Dead. All times are
// measured with one clock, the queue's own.
//
// All methods must be safe for concurrent use, by any number of processes if they share
// the queue. Keys are compared byte for byte.
type Queue interface {
	// Enqueue adds entries, all of them or, after an error, none. When it returns nil,
	// everything that it says is durable: an answer is given on the strength of it. No
	// key is twice in entries. The result says of each entry, in its place, what
	// became of it.
	//
	// An entry is a duplicate if its key is in the queue already, or if there is a
	// record of the key that is Done.
	//
	// An entry with a group is Blocked if one of its group that is not Dead is in the
	// queue, or before it in entries; else it is Waiting, and due at once. The order
	// of a group is the order in which its entries were committed.
	Enqueue(ctx context.Context, entries []Entry) ([]Enqueued, error)

	// Dequeue takes up to limit entries of the endpoint that are due, and makes them
	// InFlight for the lease. Each of them is taken by one caller only. Its Token and
	// its Attempts grow by one. The oldest are first, if suspects is false.
	//
	// An entry that is InFlight, and whose lease has expired, is a suspect: its work
	// may have killed its process. It is taken only if suspects is true, and only
	// suspects are taken then.
	Dequeue(ctx context.Context, endpoint string, limit int, lease time.Duration, suspects bool) ([]Job, error)

	// Due reports which of the endpoints have something to dequeue, suspects or
	// others. It is cheap, and may miss what Dequeue would find for some seconds.
	Due(ctx context.Context, endpoints []string) ([]Due, error)

	// Extend makes the leases of the tickets end the given time from now. It returns
	// those tickets that are no longer held: whose entry is not InFlight, or has
	// another token.
	Extend(ctx context.Context, tickets []Ticket, lease time.Duration) (lost []Ticket, err error)

	// Settle ends the holding of tickets. One that is no longer held is skipped.
	// When an entry of a group is done or dead, the next of its group is due.
	Settle(ctx context.Context, settlements []Settlement) error

	// Payload returns the delivery of an entry, or of an event whose payload was
	// kept.
	Payload(ctx context.Context, key idempotency.Key) (hmacverify.Stored, error)

	// Entry returns what is known of an entry, or [idempotency.ErrNotFound].
	Entry(ctx context.Context, key idempotency.Key) (Status, error)

	// Entries returns up to limit entries of the endpoint in a state, the one with the
	// earliest Due first, then by key; those after the given one, if that is not nil.
	Entries(ctx context.Context, endpoint string, state State, after *Status, limit int) ([]Status, error)

	// Count returns how many entries of the endpoint are in a state, at most limit: it
	// does not look further.
	Count(ctx context.Context, endpoint string, state State, limit int) (int, error)

	// Redeliver makes a dead event due at once, with no attempts: one that is Dead in
	// the queue, or one whose record is Dead and whose payload was kept. Otherwise
	// the error is [idempotency.ErrNotDead], [idempotency.ErrNotFound] or [idempotency.ErrNoPayload].
	Redeliver(ctx context.Context, key idempotency.Key) error
}

// An Entry is an event that was accepted.
type Entry struct {
	Key         idempotency.Key
	Fingerprint idempotency.Fingerprint // zero: not checked
	Group       string                  // "": none; at most [MaxGroupBytes]
	Delivery    hmacverify.Stored
}

// MaxGroupBytes is the length in bytes that a group may not exceed.
const MaxGroupBytes = 255

// Enqueued says what became of an [Entry].
type Enqueued struct {
	Duplicate bool
	Done      bool // a duplicate of an event that was processed
	Dead      bool // a duplicate of an entry that is Dead
	Mismatch  bool // a duplicate with another fingerprint
}

// A Ticket is the right to work on an entry, while its lease lasts.
type Ticket struct {
	Key   idempotency.Key
	Token int64 // grows whenever the entry is dequeued
}

// A Job is an entry that was dequeued.
type Job struct {
	Ticket
	Fingerprint idempotency.Fingerprint
	Attempts    int           // this one included
	Age         time.Duration // since it was accepted
}

// Due says what of an endpoint there is to dequeue.
type Due struct {
	Endpoint string
	Waiting  bool // entries that are due
	Suspects bool // entries whose lease has expired
}

// A Settlement says what becomes of an entry that was dequeued.
type Settlement struct {
	Ticket
	Verdict Verdict

	// Delay, for Retry, is the time until the entry is due again.
	Delay time.Duration

	// Reason, for Retry and Die, is kept as the entry's LastError if it is not empty.
	// At most lease.MaxReasonBytes; never a body.
	Reason string

	// Uncount, for Retry, makes Attempts less by one.
	Uncount bool
}

// A Verdict is how the holding of an entry ends.
type Verdict uint8

// The verdicts.
const (
	Done  Verdict = 1 // the entry is deleted, and its payload unless that is to be kept
	Retry Verdict = 2 // it is Waiting again
	Die   Verdict = 3 // it is Dead
)

// A State is the state of an entry.
type State uint8

// The states of an entry.
const (
	Waiting  State = 1 // for its time, and for a worker
	InFlight State = 2 // dequeued
	Blocked  State = 3 // another of its group is before it
	Dead     State = 4 // it failed permanently, and can be redelivered
)

// String returns the state's name.
func (s State) String() string {
	switch s {
	case Waiting:
		return "waiting"
	case InFlight:
		return "in flight"
	case Blocked:
		return "blocked"
	case Dead:
		return "dead"
	}
	return "unknown"
}

// A Status is what is known of an entry.
type Status struct {
	Key       idempotency.Key
	State     State
	Group     string
	Attempts  int
	LastError string        // of the latest attempt that failed, "" if none did
	Age       time.Duration // since it was accepted

	// Due is the time until a Waiting entry may be dequeued, until the lease of one
	// that is InFlight ends; negative if that has passed. Of a Dead one it is minus the
	// time since it died.
	Due time.Duration

	// Place is for Queue.Entries only: where the entry stands in their order.
	Place int64
}
