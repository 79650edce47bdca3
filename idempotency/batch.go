package idempotency

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
)

// splits reports whether the endpoint processes each event of a request by itself.
func (e *Endpoint[T]) splits() bool {
	return e.o.Items != nil || e.verifier != nil && !e.o.Whole && len(e.sender.Items) > 0
}

// refuseSplitting panics for handlers that get requests, not events.
func (e *Endpoint[T]) refuseSplitting(method string) {
	if e.splits() {
		panic(fmt.Sprintf("idempotency: endpoint %q: %s gets a whole request, and this sender puts several events into one: "+
			"use Handle, whose function is called for each event, or set Options.Whole", e.name, method))
	}
}

// parts returns a passage for each event of p.
func (e *Endpoint[T]) parts(p *passage) ([]*passage, error) {
	items, err := p.delivery.Items()
	if e.o.Items != nil {
		items, err = e.o.Items(p.delivery)
	}
	switch {
	case errors.Is(err, hmacverify.ErrItems), errors.Is(err, ErrInvalidKey):
		return nil, fmt.Errorf("%w: %w", ErrInvalidKey, err)
	case err != nil:
		return nil, fmt.Errorf("%w: Options.Items: %w", ErrUnavailable, err)
	case len(items) > hmacverify.MaxItems:
		return nil, fmt.Errorf("%w: Options.Items returned more than %d events", ErrInvalidKey, hmacverify.MaxItems)
	}
	parts := make([]*passage, len(items))
	for i, d := range items {
		if !e.verifier.Verified(d) {
			return nil, fmt.Errorf("%w: Options.Items returned an event that was not made with Delivery.Item", ErrUnavailable)
		}
		parts[i] = &passage{
			request:  p.request.WithContext(hmacverify.NewContext(p.request.Context(), d)),
			start:    p.start,
			delivery: d,
			body:     d.Body,
			outer:    p.outer,
			accepted: p.accepted,
		}
	}
	return parts, nil
}

// processParts processes each event of a request. A request with one event is one like
// any other.
func (e *Endpoint[T]) processParts(w http.ResponseWriter, p *passage, take taker) Outcome {
	parts, err := e.parts(p)
	switch {
	case err != nil:
		return OutcomeOf(kindOf(err).kind, err)
	case len(parts) == 0:
		return Outcome{Kind: KindIgnored}
	case len(parts) == 1:
		*p = *parts[0]
		return e.processOne(w, p, take)
	}
	b := &batch[T]{endpoint: e, w: w, whole: p, take: take, wait: e.o.Wait, deadline: time.Now().Add(e.o.Timeout)}
	if p.accepted {
		return b.accept(parts)
	}
	p.observed = true // event by event
	b.process(parts)
	if b.late > 0 {
		o := OutcomeOf(KindTimeout, fmt.Errorf("%d of the request's %d events were not begun in time", b.late, len(parts)))
		e.observe(p, o, 0)
		b.sum.add(o)
	}
	return b.sum.outcome()
}

// A batch is the events of one request, on their way through an endpoint.
type batch[T any] struct {
	endpoint *Endpoint[T]
	w        http.ResponseWriter
	whole    *passage
	take     taker
	deadline time.Time     // of all events together
	wait     time.Duration // how long the others may still wait for deliveries under way
	late     int           // events that were not begun
	sum      sum
}

// process does the work of the events in order, each in its own run. One that fails does
// not keep the others from being done, and neither does one that panics: it would keep
// them from it in every retry.
func (b *batch[T]) process(parts []*passage) {
	for i := range parts {
		b.processBefore(parts[i], parts[i+1:])
	}
}

// processBefore processes one event, and the rest as well if it panics. The panic goes
// on after that, with its stack.
func (b *batch[T]) processBefore(part *passage, rest []*passage) {
	panics := true
	defer func() {
		if panics {
			b.process(rest)
		}
	}()
	b.processPart(part)
	panics = false
}

func (b *batch[T]) processPart(part *passage) {
	if !time.Now().Before(b.deadline) {
		b.late++
		return
	}
	e, led := b.endpoint, false
	item, err := e.item(part)
	if err != nil {
		b.ended(part, OutcomeOf(kindOf(err).kind, err))
		return
	}
	part.deadline = b.deadline
	start := time.Now()
	b.ended(part, e.flights.do(part.request.Context(), routeOf(item), b.wait, func(land func()) Outcome {
		led = true
		return e.run(b.w, part, []Item{item}, b.take, land)
	}))
	if !led {
		b.wait = max(0, b.wait-time.Since(start))
	}
}

// ended observes what happened to an event. The response to one that hung was sent
// meanwhile, and that was observed.
func (b *batch[T]) ended(part *passage, o Outcome) {
	b.whole.answered = cmp.Or(b.whole.answered, part.answered)
	if part.answered == 0 || o.Err == nil {
		b.endpoint.observe(part, o, 0)
	}
	b.sum.add(o)
}

// accept has the events stored in one go. Those without a key are left out: the others
// must not be lost with them.
func (b *batch[T]) accept(parts []*passage) Outcome {
	e, p := b.endpoint, b.whole
	var items []Item
	for _, part := range parts {
		item, err := e.item(part)
		if err != nil {
			b.ended(part, OutcomeOf(kindOf(err).kind, err))
			continue
		}
		items = append(items, item)
	}
	if len(items) == 0 {
		p.observed = true
		return b.sum.outcome()
	}
	p.count = len(items)
	o := e.run(b.w, p, items, b.take, func() {})
	if len(items) == len(parts) || p.answered != 0 {
		return o
	}
	p.observed = true
	e.observe(p, o, 0)
	b.sum.add(o)
	return b.sum.outcome()
}

// A sum is the outcome of a request: the worst of its events', in that the sender delivers
// the request again if any of them is left.
type sum struct {
	worst      Outcome
	rank       int
	retryAfter time.Duration
}

func (s *sum) add(o Outcome) {
	if o.Kind == KindDead { // an answer of the work's is about that event only
		o = OutcomeOf(KindDead, nil)
	}
	if r := rankOf(o); r > s.rank {
		s.worst, s.rank = o, r
	}
	s.retryAfter = max(s.retryAfter, o.RetryAfter)
}

func (s *sum) outcome() Outcome {
	s.worst.RetryAfter = s.retryAfter
	s.worst.Attempt, s.worst.Result = 0, nil
	return s.worst
}

// rankOf says how much an event's outcome weighs in the response to all: first what makes
// a sender try again soonest, then what may make it give up, then what is done.
func rankOf(o Outcome) int {
	p := o.Kind.properties()
	switch status := cmp.Or(o.Kind.workStatus(o.Err), p.status); {
	case o.Kind == KindCompleted, o.Kind == KindAccepted:
		return 4
	case o.Kind == KindIgnored:
		return 3
	case o.Kind == KindDuplicate:
		return 2
	case o.Kind == KindDead:
		return 1
	case p.retry:
		return 8
	case status >= 500:
		return 7
	case o.Kind == KindFailed:
		return 6
	}
	return 5 // no key, or other content
}
