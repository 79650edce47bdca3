package idempotency

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"
)

// The defaults of a [Middleware].
const (
	DefaultTimeout     = 30 * time.Second
	DefaultWait        = 2 * time.Second
	DefaultRetryAfter  = 5 * time.Second
	DefaultMaxBody     = 1 << 20 // bytes
	DefaultMaxResponse = 64 << 10
	DefaultMaxInFlight = 1024
)

// StatusHeader is the header of every answer that the wrapped handler did not
// give. Its value is the answer's code: "duplicate", "in_flight", "mismatch" and
// so on, see [Middleware].
const StatusHeader = "Idempotency-Status"

// A Policy says how a delivery is answered whose event was finished before.
type Policy uint8

// The policies. Which one suits depends on what the sender makes of a 409: most
// take anything but 2xx for a failure and come again.
const (
	Conflict    Policy = iota // 409
	Acknowledge               // 200
	Replay                    // what the first delivery was answered
)

// Middleware runs an [http.Handler] once for each event. It holds the handler's
// response back until the record and the work are durable, and only then sends
// it:
//
//	what happened                           answer                  code
//	the handler answers 2xx                 its answer
//	the event was done before               by Duplicate            duplicate
//	the event is being handled right now    503, Retry-After        in_flight
//	same key, other content (if checked)    422                     mismatch
//	the handler answers 4xx or 5xx          its answer
//	the handler panics                      it goes on panicking
//	the event failed for good, before now   by Dead                 dead
//	no key, or a malformed one              400                     invalid_key
//	the body is too long, or broken off     413, 400                body_too_large, unreadable_body
//	the response is too long                500                     response_too_large
//	store down, or commit not confirmed     503, Retry-After        unavailable
//	the lease was lost                      503, Retry-After        lease_lost
//	too many deliveries at once             503, Retry-After        overloaded
//
// Only a 2xx finishes the event. After every other answer it can be delivered
// again. Answers that are not the handler's are RFC 9457 problem documents with
// the code above in their member "code", and name it in [StatusHeader].
//
// The handler's context does not end when the client goes away: work that was
// begun is finished, for its sender will come again. It ends after Timeout.
// Values of the request's context stay. A runner may call the handler again,
// with the same request, after a conflict in the database undid its work.
//
// The response writer that the handler gets is a buffer. Deadlines can be set on
// it with [http.ResponseController]; it does not flush and cannot be hijacked,
// and 1xx responses are dropped. [AttemptFrom] tells the handler which attempt
// it is part of, [Fail] lets it say what went wrong.
//
// A Middleware is safe for concurrent use. Its fields must not be changed after
// the first call of Handler.
type Middleware struct {
	// Runner does the work once. Required.
	Runner Runner

	// Key names a request's event. nil means [DeliveryKey].
	Key func(*http.Request) (Key, error)

	// Duplicate is how an event that was done before is answered. Only Replay
	// stores responses.
	Duplicate Policy

	// Dead is how an event that has failed for good before is answered;
	// Replay is the same as Acknowledge.
	Dead Policy

	// CheckContent answers a delivery with 422 if its body is not that of the
	// first delivery with the same key, byte for byte. Some senders render the
	// body again for every delivery.
	CheckContent bool

	// Timeout is after how long the handler's context ends. In transactional
	// mode its work is undone then. 0 means [DefaultTimeout].
	Timeout time.Duration

	// Wait is how long a duplicate waits in this process for the delivery
	// that is being handled. 0 means [DefaultWait].
	Wait time.Duration

	// RetryAfter is when a sender is asked to come again if nothing better is
	// known. It is sent in whole seconds, rounded up. 0 means
	// [DefaultRetryAfter].
	RetryAfter time.Duration

	// MaxBody and MaxResponse bound request and response bodies, in bytes. A
	// request that hmacverify has read is not bounded again. 0 means
	// [DefaultMaxBody] and [DefaultMaxResponse].
	MaxBody     int64
	MaxResponse int

	// MaxInFlight bounds the deliveries that are handled, or wait, at once.
	// 0 means [DefaultMaxInFlight].
	MaxInFlight int

	// Observe is told of the deliveries that never get to the Runner because
	// of one that is being handled in this process. nil means that nobody is.
	Observe Observer

	// OnError is told why a request was not answered by the handler; not of
	// duplicates and events in flight, which are no errors. nil means that
	// nobody is.
	OnError func(*http.Request, error)

	flights  flights
	inFlight atomic.Int64
}

// Handler returns a handler that runs next once for each event. It panics if m
// has no Runner.
func (m *Middleware) Handler(next http.Handler) http.Handler {
	if m.Runner == nil {
		panic("idempotency: Middleware without a Runner")
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d := &delivery{Middleware: m, w: w, r: r, start: time.Now()}
		d.serve(next)
	})
}

// A delivery is one request on its way through the middleware.
type delivery struct {
	*Middleware
	w     http.ResponseWriter
	r     *http.Request
	start time.Time
	body  []byte
	ran   bool // the runner was called, and has told its own observer
	buf   buffer
}

func (d *delivery) serve(next http.Handler) {
	defer d.inFlight.Add(-1)
	if d.inFlight.Add(1) > int64(cmp.Or(d.MaxInFlight, DefaultMaxInFlight)) {
		d.refuse(errOverloaded)
		return
	}
	key, err := d.key()
	if err != nil {
		d.refuse(err)
		return
	}
	// The body is read before anything is claimed: a slow sender must hold
	// neither a lease nor a connection to the database.
	if d.body, err = readBody(d.w, d.r, cmp.Or(d.MaxBody, DefaultMaxBody)); err != nil {
		d.refuse(err)
		return
	}
	var fp Fingerprint
	if d.CheckContent {
		fp = FingerprintOf(d.body)
	}
	result, err := d.flights.do(d.r.Context(), key, fp, cmp.Or(d.Wait, DefaultWait), func() (*Result, error) {
		return d.run(key, fp, next)
	})
	if !d.ran {
		d.Observe.Notify(d.r.Context(), Event{Kind: refusalKind(err), Key: key, Duration: time.Since(d.start)})
	}
	d.answer(result, err)
}

func (d *delivery) key() (Key, error) {
	f := d.Key
	if f == nil {
		f = DeliveryKey
	}
	key, err := f(d.r)
	if err != nil {
		return Key{}, errors.Join(ErrInvalidKey, err)
	}
	return key, key.Validate()
}

// run gives the delivery to the runner, detached from the client's going away.
func (d *delivery) run(key Key, fp Fingerprint, next http.Handler) (*Result, error) {
	d.ran = true
	ctx := context.WithoutCancel(d.r.Context())
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(d.Timeout, DefaultTimeout))
	defer cancel()
	return d.Runner.Run(ctx, key, fp, func(ctx context.Context) (*Result, error) {
		return d.work(ctx, next)
	})
}

// work calls the handler and reads from its response whether it succeeded.
func (d *delivery) work(ctx context.Context, next http.Handler) (*Result, error) {
	d.buf.reset(d.w, cmp.Or(d.MaxResponse, DefaultMaxResponse))
	r, reported := withReport(d.r.WithContext(ctx))
	setBody(r, d.body)
	next.ServeHTTP(&d.buf, r)
	switch {
	case d.buf.overflowed:
		return nil, errResponseTooLarge
	case reported.err != nil:
		return nil, &handlerError{status: d.buf.statusCode(), err: reported.err}
	case !d.buf.succeeded():
		return nil, &handlerError{status: d.buf.statusCode()}
	case d.Duplicate == Replay:
		return d.buf.result(), nil
	}
	return nil, nil
}
