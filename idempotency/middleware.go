package idempotency

import (
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
// give just now. Its value is the answer's code: "duplicate", "in_flight",
// "mismatch" and so on, see [Middleware].
const StatusHeader = "Idempotency-Status"

// A Policy says how a delivery is answered whose event was finished before.
type Policy uint8

// The policies. Which one suits depends on what the sender makes of a 409: most
// take anything but 2xx for a failure and come again.
const (
	Conflict    Policy = iota // 409
	Acknowledge               // 200
	Replay                    // the first answer: its status, content type and body
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
//	the handler answers anything else       its answer
//	the handler panics                      it goes on panicking
//	it answers 2xx, but said Fail           500                     failed
//	it has not answered within Timeout      503, Retry-After        timeout
//	its response is too long                500                     response_too_large
//	the event failed for good, before now   by Dead                 dead
//	no key, or a malformed one              400                     invalid_key
//	not through hmacverify, with no Key     500                     not_verified
//	the body is too long, or broken off     413, 400                body_too_large, unreadable_body
//	store down, or commit not confirmed     503, Retry-After        unavailable
//	the lease was lost                      503, Retry-After        lease_lost
//	too many deliveries at once             503, Retry-After        overloaded
//
// Only a 2xx finishes the event. After every other answer it can be delivered
// again, unless the handler says that it has failed for good, see [Fail]. Answers
// that are not the handler's are RFC 9457 problem documents with the code above
// in their member "code", and name it in [StatusHeader].
//
// The handler's context does not end when the client goes away: work that was
// begun is finished, for its sender will come again. It ends after Timeout, and
// a handler that then returns without an answer has failed. Values of the
// request's context stay. A runner may call the handler again, with the same
// request, after a conflict in the database undid its work.
//
// The response writer that the handler gets is a buffer. Deadlines can be set on
// it with [http.ResponseController]; to flush, to hijack or to read and write at
// once is [http.ErrNotSupported]. 1xx responses and the values of trailers that are
// set after the first write are dropped, and 101 is answered with 500. A
// Content-Length that is not that of the body is mended. [AttemptFrom] tells the
// handler which attempt it is part of.
//
// A handler that writes nothing has answered 200, as in net/http. A framework that
// turns a returned error into an answer later, after the middleware has returned,
// would have such an event taken for done: put the framework's whole router inside
// (once.Handler(echo)), never the middleware inside the framework's chain. The same
// holds for frameworks whose chain can be gone through only once, such as gin.
//
// A Middleware is safe for concurrent use. Its fields must not be changed after
// the first call of Handler.
type Middleware struct {
	// Runner does the work once. Required.
	Runner Runner

	// Key names a request's event. It may read the body. nil means
	// [DeliveryKey]. A delivery for which it returns an error is answered 400,
	// or 503 if the error wraps [ErrUnavailable].
	Key func(*http.Request) (Key, error)

	// Duplicate is how an event that was done before is answered. Only Replay
	// stores responses, and no body that has a Content-Encoding. Where none was
	// stored it is the same as Acknowledge.
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

	// OnError is told why a request was not answered by the handler, before it
	// is; not of duplicates and events in flight, which are no errors. nil
	// means that nobody is.
	OnError func(*http.Request, error)

	flights  flights
	inFlight atomic.Int64
}

// Handler returns a handler that runs next once for each event. It panics if a
// field of m cannot be meant: no Runner, a policy that is none, a negative
// number.
func (m *Middleware) Handler(next http.Handler) http.Handler {
	if err := m.check(); err != nil {
		panic(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d := &delivery{Middleware: m, next: next, w: w, r: r}
		d.serve()
	})
}

func (m *Middleware) check() error {
	switch {
	case m.Runner == nil:
		return errors.New("idempotency: Middleware without a Runner")
	case m.Duplicate > Replay || m.Dead > Replay:
		return errors.New("idempotency: unknown Policy")
	case min(m.Timeout, m.Wait, m.RetryAfter) < 0 || min(m.MaxBody, int64(m.MaxResponse), int64(m.MaxInFlight)) < 0:
		return errors.New("idempotency: negative number in a Middleware")
	}
	return nil
}
