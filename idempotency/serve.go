package idempotency

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
)

// A passage is one request on its way through an endpoint.
type passage struct {
	request  *http.Request
	start    time.Time            // when it arrived
	delivery *hmacverify.Delivery // nil if unverified
	body     []byte               // what a wrapped handler reads
	key      Key
	response *response   // of the latest call of a wrapped handler
	outer    http.Header // set by others before the endpoint was called; nil if none
	answered int         // the status that was sent while the work hung; 0: none
	accepted bool        // the work is done after the response
	observed bool        // event by event, before the response
	count    int         // of the events that were accepted together; 0: one
	deadline time.Time   // of the work; zero: as Options.Timeout says
}

// A caller calls the user's function or handler for p.
type caller[T any] func(ctx context.Context, tx T, p *passage) (*Result, error)

// A taker does with the events of p what is to be done before the response. There is one,
// unless they are accepted.
type taker func(ctx context.Context, p *passage, items []Item) Outcome

// now returns the taker that does the work.
func (e *Endpoint[T]) now(call caller[T]) taker {
	return func(ctx context.Context, p *passage, items []Item) Outcome {
		return process(ctx, e.runner, items[0], func(ctx context.Context, tx T) (*Result, error) {
			return call(ctx, tx, p)
		})
	}
}

// serve takes one request from its arrival to its response. What happened in between
// is one Outcome, which flows back once: the response, the observation and the log
// line follow from it.
func (e *Endpoint[T]) serve(w http.ResponseWriter, r *http.Request, take taker, accepts bool) {
	p := &passage{request: r, start: time.Now(), accepted: accepts}
	if h := w.Header(); len(h) > 0 {
		p.outer = h.Clone()
	}
	o := e.process(w, p, take)
	if p.answered != 0 {
		if o.Err == nil && !p.observed { // it was late, and has done its work
			e.observe(p, o, p.answered)
		}
		return
	}
	a := e.answerTo(o, p)
	if !p.observed {
		e.observe(p, o, a.status)
	}
	a.write(w, p.request)
}

func (e *Endpoint[T]) observe(p *passage, o Outcome, status int) {
	e.runner.Observe(p.request.Context(), Event{
		Kind:     o.Kind,
		Endpoint: e.name,
		Key:      p.key,
		Attempt:  o.Attempt,
		Status:   status,
		Duration: time.Since(p.start),
		Count:    p.count,
		Err:      o.Err,
	})
}

// process verifies the delivery, finds its key, and has the runner do the work.
// Everything that is needed of the request is read before anything is claimed: a
// slow sender must hold neither a lease nor a database connection.
func (e *Endpoint[T]) process(w http.ResponseWriter, p *passage, take taker) Outcome {
	if err := e.receive(w, p); err != nil {
		return Outcome{Kind: KindRefused, Err: err}
	}
	if p.delivery != nil && p.delivery.Ping {
		return Outcome{Kind: KindIgnored}
	}
	defer e.inFlight.Add(-1)
	if e.inFlight.Add(1) > int64(e.o.MaxInFlight) {
		return OutcomeOf(KindOverloaded, nil)
	}
	if e.splits() {
		return e.processParts(w, p, take)
	}
	return e.processOne(w, p, take)
}

// processOne processes the one event of p.
func (e *Endpoint[T]) processOne(w http.ResponseWriter, p *passage, take taker) Outcome {
	item, err := e.item(p)
	if err != nil {
		return OutcomeOf(kindOf(err).kind, err)
	}
	return e.flights.do(p.request.Context(), routeOf(item), e.o.Wait, func(land func()) Outcome {
		return e.run(w, p, []Item{item}, take, land)
	})
}

// item returns the event of p, whose key it finds.
func (e *Endpoint[T]) item(p *passage) (Item, error) {
	if err := e.identify(p); err != nil {
		return Item{}, err
	}
	item := Item{Key: p.key, Delivery: p.kept()}
	if e.o.CheckContent {
		item.Fingerprint = FingerprintOf(p.signedBody())
	}
	return item, nil
}

// receive verifies the request and reads its body, within hmacverify's limits.
func (e *Endpoint[T]) receive(w http.ResponseWriter, p *passage) (err error) {
	if e.verifier == nil {
		p.body, err = e.bodies.Read(w, p.request)
		return err
	}
	// The verifier may stand in front, with a handshake in between; what that
	// has made of the body is what the handler gets.
	if d, ok := hmacverify.FromContext(p.request.Context()); ok && e.verifier.Verified(d) {
		p.delivery = d
		p.body, err = readBody(w, p.request, int64(len(d.Body))+e.o.MaxBody)
		return err
	}
	if p.delivery, err = e.verifier.Receive(w, p.request); err != nil {
		return err
	}
	p.body = p.delivery.Body
	p.request = p.request.WithContext(hmacverify.NewContext(p.request.Context(), p.delivery))
	return nil
}

// readBody reads a body that was verified, and changed since.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	if r.ContentLength > limit {
		return nil, hmacverify.ErrBodyTooLarge
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, hmacverify.ErrBodyTooLarge
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", hmacverify.ErrBodyUnreadable, err)
	}
	return body, nil
}

// identify finds the event's key.
func (e *Endpoint[T]) identify(p *passage) (err error) {
	r := p.request
	if e.o.ID != nil {
		r = p.requestFor(r.Context()) // it may read the body
	}
	p.key, err = e.keyOf(r, p.delivery)
	return err
}

// run takes the events, detached from the client's disconnecting.
func (e *Endpoint[T]) run(w http.ResponseWriter, p *passage, items []Item, take taker, land func()) Outcome {
	if p.deadline.IsZero() {
		p.deadline = time.Now().Add(e.o.Timeout)
	}
	ctx, cancel := context.WithDeadline(context.WithoutCancel(p.request.Context()), p.deadline)
	defer cancel()
	watch := e.watch(w, p, land)
	defer func() { p.answered = watch.stop() }()
	return take(ctx, p, items)
}

// kept is the delivery that a store that keeps payloads keeps.
func (p *passage) kept() *hmacverify.Delivery {
	if p.delivery != nil {
		return p.delivery
	}
	return &hmacverify.Delivery{Scheme: "unverified", Header: p.request.Header, Body: p.body}
}

// signedBody is the body that the fingerprint is taken of.
func (p *passage) signedBody() []byte {
	if p.delivery != nil {
		return p.delivery.Body
	}
	return p.body
}

// requestFor returns the request for a handler, with a body that is read from its
// beginning. Each call gets its own, so that a goroutine that an earlier call left
// behind cannot disturb a later one.
func (p *passage) requestFor(ctx context.Context) *http.Request {
	r := p.request.WithContext(ctx)
	r.Body = io.NopCloser(bytes.NewReader(p.body))
	r.ContentLength = int64(len(p.body))
	r.TransferEncoding = nil
	return r
}
