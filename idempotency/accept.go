package idempotency

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
)

// What the methods of stores return that look at one event, or change it.
var (
	// ErrNotFound means that there is no such event.
	ErrNotFound = errors.New("idempotency: event not found")

	// ErrNotDead means that the event has not failed permanently: it waits, is being
	// processed, or is done.
	ErrNotDead = errors.New("idempotency: event is not dead")

	// ErrNoPayload means that no payload of the event is kept.
	ErrNoPayload = errors.New("idempotency: no payload is kept")
)

// An Accepter stores deliveries whose work is done later, such as an inbox.Inbox.
type Accepter interface {
	// Accept stores the events of one request, all of them or none. The outcome is
	// [KindAccepted] when they are durable, [KindDuplicate] if all of them were
	// accepted or processed before, and [KindDead] if the only one has failed
	// permanently. Its other kinds are [KindMismatch], [KindUnavailable] and
	// [KindInFlight], after which the sender delivers again.
	Accept(ctx context.Context, items []Item) Outcome
}

// Accept returns a handler that has a store each event, and responds when that is
// durable: 202, or what the sender takes for success. So does it for an event that was
// accepted before, whatever has become of it, unless Options.ErrorHandler responds to
// that. [Endpoint.Process] does the work later.
//
// The events of a request that carries several are stored together, or none of them,
// each under its own key; those without a key are left out, and answered 400. The
// request is observed as one Event, without a key and with the Count of its events.
//
// It is for implementations of an inbox: see package inbox, whose Handle calls it.
func (e *Endpoint[T]) Accept(a Accepter) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.serve(w, r, func(ctx context.Context, _ *passage, items []Item) Outcome {
			return a.Accept(ctx, items)
		}, true)
	})
}

// Process does the work of an event that was accepted before, and observes the
// outcome. The delivery is what was stored, or nil. It is [Run] with what the endpoint
// is configured with: its runner, its name, and Options.Timeout. attempt counts the
// calls for this event, 0 if they are not counted.
func (e *Endpoint[T]) Process(ctx context.Context, key Key, fp Fingerprint, d *hmacverify.Delivery, attempt int, f Func[T]) Outcome {
	ctx, cancel := context.WithTimeout(ctx, e.o.Timeout)
	defer cancel()
	if d != nil {
		ctx = hmacverify.NewContext(ctx, d)
	}
	start := time.Now()
	o := process(ctx, e.runner, Item{Key: key, Fingerprint: fp}, func(ctx context.Context, tx T) (*Result, error) {
		return nil, f(ctx, tx, d)
	})
	if attempt > 0 {
		o.Attempt = attempt
	}
	e.runner.Observe(ctx, Event{
		Kind:     o.Kind,
		Endpoint: e.name,
		Key:      key,
		Attempt:  o.Attempt,
		Duration: time.Since(start),
		Err:      o.Err,
	})
	return o
}

// Name returns the endpoint's name.
func (e *Endpoint[T]) Name() string { return e.name }

// Timeout returns how long the work of one event may take.
func (e *Endpoint[T]) Timeout() time.Duration { return e.o.Timeout }

// Observe reports ev to the runner's observer, under the endpoint's name.
func (e *Endpoint[T]) Observe(ctx context.Context, ev Event) {
	ev.Endpoint = e.name
	e.runner.Observe(ctx, ev)
}
