package idempotency

import (
	"context"
	"errors"
	"time"
)

// An Observer is told what happens to events, as it happens; metrics and logs
// are made from it. It is called on the goroutine that does the work, or that
// renews its lease, so it must be quick, and concurrently. If it panics while the
// work runs, so does the work. A nil Observer sees nothing.
type Observer func(ctx context.Context, e Event)

// Notify calls o unless it is nil. It is for implementations of [Runner].
func (o Observer) Notify(ctx context.Context, e Event) {
	if o != nil {
		o(ctx, e)
	}
}

// An Event is one thing that happened. It never holds a body or a result.
type Event struct {
	Kind     EventKind
	Key      Key           // zero for EventPurged
	Attempt  int           // of the record; 0 if not known
	Duration time.Duration // since the delivery reached the runner
	Count    int           // of records, for EventPurged
	Err      error         // why, where there is a reason
}

// EventKind says what happened. The values are stable and fit to be the label of
// a metric.
type EventKind string

// The kinds of events.
const (
	EventClaimed    EventKind = "claimed"     // the work begins
	EventStolen     EventKind = "stolen"      // as claimed, from an owner whose lease had ended
	EventCompleted  EventKind = "completed"   // record and work are durable
	EventReleased   EventKind = "released"    // the attempt failed; the event is free again
	EventDead       EventKind = "dead"        // the event failed for good, now or before
	EventDuplicate  EventKind = "duplicate"   // the event had been done
	EventInFlight   EventKind = "in_flight"   // the event is being worked on elsewhere
	EventMismatch   EventKind = "mismatch"    // the key was used with other content
	EventLost       EventKind = "lost"        // the lease was lost while the work ran
	EventStoreError EventKind = "store_error" // the store failed, or its answer was lost
	EventPurged     EventKind = "purged"      // records past their retention were deleted
)

// refusalKind returns the kind of event that err, from Record.Refuse, is.
func refusalKind(err error) EventKind {
	switch {
	case errors.Is(err, ErrDuplicate):
		return EventDuplicate
	case errors.Is(err, ErrMismatch):
		return EventMismatch
	case errors.Is(err, ErrDead):
		return EventDead
	}
	return EventInFlight
}
