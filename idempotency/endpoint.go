package idempotency

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
)

// The defaults of [Options].
const (
	DefaultTimeout     = 30 * time.Second
	DefaultWait        = 2 * time.Second
	DefaultRetryAfter  = 5 * time.Second
	DefaultMaxBody     = 1 << 20 // bytes
	DefaultMaxResponse = 64 << 10
	DefaultMaxInFlight = 1024
)

// maxNameBytes leaves room for a tenant in the scope of a [Key].
const maxNameBytes = 64

// An Endpoint receives one sender's webhooks: it verifies each delivery, finds the
// event's key, runs the work once, and responds in a way that the sender
// understands. Create one with [NewEndpoint]; then [Endpoint.Handle] takes a
// function, and [Endpoint.Wrap] an existing [http.Handler].
//
// T is what the runner hands to the work: *sql.Tx for a sqlstore.Store, a
// lease.Claim for a lease.Runner.
//
// # Responses
//
// Only a 2xx tells the sender to stop, and it is sent after the record and the
// work are durable.
//
//	what happened                          response              kind
//	the work succeeded                     2xx, or the handler's completed
//	the work returned ErrIgnored           2xx                   ignored
//	the event was stored for later         202                   accepted
//	the event was processed before         as the sender expects duplicate
//	the event is being processed           503, Retry-After      in_flight
//	same key, other content (if checked)   422                   mismatch
//	the work failed                        500, or its own       failed
//	the work returned RetryIn              503, Retry-After      postponed
//	the work did not finish in time        503, Retry-After      timeout
//	the response is too long               500; see MaxResponse  response_too_large
//	the event failed permanently           as for a duplicate    dead
//	no key, or an invalid one              400                   invalid_key
//	the request was refused                401, 405, 413, 400    refused
//	its body did not arrive in time        408                   refused
//	too many unverified bodies at once     503, Retry-After      refused
//	store down, or commit not confirmed    503, Retry-After      unavailable
//	the lease was lost                     503, Retry-After      lease_lost
//	too many deliveries at once            503, Retry-After      overloaded
//
// What a duplicate gets is the sender's [hmacverify.Sender].Duplicate: an empty 2xx
// for nearly all of them. After every response but a 2xx the sender can deliver the
// event again. Other responses that the handler did not write are RFC 9457 problem
// documents with the kind as their "code"; [StatusHeader] names it too. Those to
// refused requests are hmacverify's.
//
// # Batches
//
// Some senders put many events into one request, and group them differently when they
// retry. If the scheme's Sender.Items, or Options.Items, says where they are, each event
// is processed by itself, in the order of the request and under its own key; the
// function gets a delivery of that event only, whose Body is the event's. A request
// without an event is acknowledged.
//
// An event that fails does not keep the others from being done. The sender gets a 2xx if
// none is left to do: all were processed, or are duplicates, or dead. Otherwise it gets
// what the worst of them would have got, a 503 before a 500 before a 4xx, and so delivers
// the request again; those that are done are duplicates then. Options.Timeout is for all
// events together: those that have not begun when it ends are left, and answered 503.
//
// With Options.Whole and sqlstore's ClaimBatchTx, the work can process all new events of
// a request in one transaction: see examples/batches.
//
// # Time
//
// A body must arrive within hmacverify's Options.BodyTimeout, counted anew for each 64
// KiB; see [hmacverify.Verifier.Receive].
//
// The work's context does not end when the client disconnects: work that has begun
// is finished, because the sender would only retry it. It ends after
// Options.Timeout. A handler must return then. If it has not two seconds later, the
// sender gets a 503, other deliveries may try, the database decides what the late one
// can still do, and the observer sees the timeout; the handler holds its goroutine, its
// place among Options.MaxInFlight and, over HTTP/2, the end of the response's stream. A
// runner may call the work again, from the start, after a conflict in the database
// rolled it back.
//
// An Endpoint is safe for concurrent use.
type Endpoint[T any] struct {
	name     string
	verifier *hmacverify.Verifier   // nil if Options.AllowUnverified
	bodies   *hmacverify.BodyReader // of unverified requests
	runner   Runner[T]
	sender   hmacverify.Sender
	o        Options // with the defaults filled in

	// The runner's work has its effect at once. An optional method of a Runner
	// says so, which takes and returns nothing.
	effectsStand bool

	flights  flights
	inFlight atomic.Int64
}

// Options configures an [Endpoint]. The zero value and nil use the defaults.
type Options struct {
	// ID returns the event's ID, for schemes without an identity and for
	// senders whose ID is elsewhere. d is the verified delivery; the request's
	// body can be read. An error that wraps [ErrInvalidKey] is answered 400,
	// any other 503. Default: the delivery's IdempotencyID, which rests on
	// signed data only.
	ID func(r *http.Request, d *hmacverify.Delivery) (string, error)

	// Items returns the events of d, a verified delivery, each made with d.Item; none if
	// d carries none. It is for senders that put several events into one request, and
	// whose scheme has no Sender.Items. ID is then called for each of them, with its
	// body. An error that wraps [hmacverify.ErrItems] or [ErrInvalidKey] is answered
	// 400, any other 503. Default: as Sender.Items says; one event without it.
	Items func(d *hmacverify.Delivery) ([]*hmacverify.Delivery, error)

	// Whole takes a request for one event, also if its sender puts several into one. Then
	// what is in it is processed together, and an event that a retry groups with others
	// is processed again, unless the work looks for that: see "Batches" at [Endpoint].
	// Default: each event by itself.
	Whole bool

	// CheckContent responds 422 to a delivery whose body is not byte for byte
	// that of the first delivery with the same key. Some senders render the
	// body again for each retry. Default: not checked.
	CheckContent bool

	// Timeout is how long the work may take. Default [DefaultTimeout]. It may
	// be longer than the sender waits: work that is late is finished, and the
	// retry is a duplicate. Work that is always late belongs in a queue.
	Timeout time.Duration

	// Wait is how long a duplicate waits in this process for the delivery
	// that is being processed. Default [DefaultWait].
	Wait time.Duration

	// RetryAfter is the Retry-After of a 503 when nothing better is known. It
	// is sent in whole seconds, rounded up. Default [DefaultRetryAfter].
	RetryAfter time.Duration

	// MaxResponse is the largest response of a wrapped handler, in bytes. A
	// larger one fails and rolls back. Under a lease.Runner, which cannot undo
	// an effect, the response is sent without its body instead, and observed as
	// [KindResponseTooLarge]. Default [DefaultMaxResponse].
	MaxResponse int

	// MaxInFlight bounds the verified deliveries that are processed, or
	// waiting, at once. Default [DefaultMaxInFlight].
	MaxInFlight int

	// ErrorHandler, if non-nil, writes every response but that of an event that
	// was just processed, and those of a wrapped handler: duplicates included.
	// [WriteError] writes the default. err wraps a sentinel of this package, or
	// is the work's error. Responses to refused requests are written by
	// hmacverify's ErrorHandler.
	ErrorHandler func(w http.ResponseWriter, r *http.Request, err error)

	// AllowUnverified accepts requests that no Verifier has checked, for
	// endpoints behind another authentication. It needs ID, and no Verifier.
	AllowUnverified bool

	// Sender describes the sender of unverified requests; that of verified ones
	// is in the verifier's scheme. Default: nothing is known of it.
	Sender hmacverify.Sender

	// MaxBody is the largest body of an unverified request, in bytes, at most 1
	// GiB. Default [DefaultMaxBody]. Its time and memory are limited by the
	// defaults of a [hmacverify.BodyReader].
	MaxBody int64
}

// NewEndpoint returns an Endpoint that accepts what v verifies and has r run the
// work.
//
// The name is the scope of the endpoint's keys: 1 to 64 printable ASCII bytes
// without "/". Give each endpoint that you register with a sender a name of its own,
// also if two of them belong to one account; processes that serve the same endpoint
// share its name. It must not change while events can still be retried.
//
// All mistakes that can be found are found here. Besides missing arguments, it
// refuses a scheme whose deliveries have no identity without Options.ID, and a
// store that forgets events before the sender stops retrying them. o may be nil.
func NewEndpoint[T any](name string, v *hmacverify.Verifier, r Runner[T], o *Options) (*Endpoint[T], error) {
	if o == nil {
		o = new(Options)
	}
	e := &Endpoint[T]{name: name, verifier: v, runner: r, sender: o.Sender, o: o.withDefaults()}
	if v != nil {
		e.sender = v.Scheme().Sender
	}
	err := e.check()
	if err == nil {
		e.bodies, err = hmacverify.NewBodyReader(&hmacverify.Options{MaxBody: e.o.MaxBody})
	}
	if err != nil {
		return nil, fmt.Errorf("idempotency: endpoint %q: %w", name, err)
	}
	_, e.effectsStand = r.(interface{ EffectsStand() })
	return e, nil
}

func (o *Options) withDefaults() Options {
	c := *o
	c.Timeout = cmp.Or(c.Timeout, DefaultTimeout)
	c.Wait = cmp.Or(c.Wait, DefaultWait)
	c.RetryAfter = cmp.Or(c.RetryAfter, DefaultRetryAfter)
	c.MaxResponse = cmp.Or(c.MaxResponse, DefaultMaxResponse)
	c.MaxInFlight = cmp.Or(c.MaxInFlight, DefaultMaxInFlight)
	c.MaxBody = cmp.Or(c.MaxBody, DefaultMaxBody)
	return c
}

// check finds what is wrong with the arguments, and says the way out.
func (e *Endpoint[T]) check() error {
	o := &e.o
	switch {
	case e.name == "" || len(e.name) > maxNameBytes || strings.Contains(e.name, "/") || !printable(e.name):
		return fmt.Errorf("its name must be 1 to %d printable bytes without spaces and slashes, such as %q", maxNameBytes, "stripe")
	case isNil(e.runner):
		return errors.New("no runner: pass the sqlstore.Store, or a lease.Runner")
	case min(o.Timeout, o.Wait, o.RetryAfter) < 0 || min(o.MaxBody, int64(o.MaxResponse), int64(o.MaxInFlight)) < 0:
		return errors.New("a number in Options is negative; leave it 0 for the default")
	}
	for name, d := range map[string]time.Duration{"Timeout": o.Timeout, "Wait": o.Wait, "RetryAfter": o.RetryAfter} {
		if d < time.Millisecond {
			return fmt.Errorf("the field Options.%s of %v is too short to be meant: write %d * time.Second for seconds", name, d, d)
		}
	}
	if err := e.checkIdentity(); err != nil {
		return err
	}
	return e.checkRetention()
}

func (e *Endpoint[T]) checkIdentity() error {
	if e.verifier == nil {
		switch {
		case !e.o.AllowUnverified:
			return errors.New("no verifier: pass the one that hmacverify.New returned (or set Options.AllowUnverified if something else authenticates the requests)")
		case e.o.ID == nil:
			return errors.New("Options.AllowUnverified needs Options.ID, which returns a request's event ID")
		case len(e.o.Sender.Pings) > 0:
			return errors.New("Options.Sender.Pings without a verifier: only a signed body can say that it is a ping")
		case e.o.Items != nil || len(e.o.Sender.Items) > 0:
			return errors.New("Options.Items or Options.Sender.Items without a verifier: only a signed body can be divided into events")
		}
		// The sender of a verifier's scheme was checked by hmacverify.New.
		_, err := hmacverify.New(hmacverify.Scheme{Name: "Options", Signature: []string{"None"}, Sender: e.o.Sender}, nil, "none")
		return err
	}
	s := e.verifier.Scheme()
	switch {
	case e.o.AllowUnverified:
		return errors.New("Options.AllowUnverified with a verifier: use one of them")
	case !reflect.ValueOf(e.o.Sender).IsZero():
		return errors.New("Options.Sender with a verifier: change the Sender of its scheme instead")
	case s.Name == "":
		return errors.New("the verifier is the zero Verifier, which refuses everything: create it with hmacverify.New")
	case e.o.Items != nil && e.o.Whole:
		return errors.New("Options.Items with Options.Whole: use one of them")
	case e.o.ID == nil && s.Identity == hmacverify.NoIdentity && s.Extract == nil && !e.splits():
		return fmt.Errorf("scheme %s signs nothing that tells its events apart: set Options.ID to a function that returns a unique ID from the signed body", s.Name)
	}
	return nil
}

// checkRetention refuses a store that would process a late retry, or a replay within
// the tolerance, as a new event.
func (e *Endpoint[T]) checkRetention() error {
	kept := e.runner.Retention()
	if kept <= 0 {
		return nil // unlimited, or shortened by an option that says so
	}
	if w := e.sender.RetryWindow; kept < w {
		return fmt.Errorf("the store's Retention is %v, but the sender retries for %v: set Retention to more", kept, w)
	}
	if t := e.verifier.Tolerance(); kept < t {
		return fmt.Errorf("the store's Retention is %v, but the tolerance of the timestamp is %v: set Retention to more", kept, t)
	}
	return nil
}

// keyOf returns the key of a delivery. An error of Options.ID is taken for a failure
// of ours, unless it says that the key is invalid.
func (e *Endpoint[T]) keyOf(r *http.Request, d *hmacverify.Delivery) (Key, error) {
	if e.o.ID == nil {
		return KeyOf(e.name, d)
	}
	id, err := e.o.ID(r, d)
	switch {
	case err != nil && errors.Is(err, ErrInvalidKey):
		return Key{}, err
	case err != nil:
		return Key{}, fmt.Errorf("%w: Options.ID: %w", ErrUnavailable, err)
	}
	return newKey(scopeOf(e.name, d), id)
}

// Handle returns a handler that calls f once for each event.
//
// The sender gets a 2xx after f has returned nil and the record and f's work are
// committed. An error rolls back; see [Func] for what it can say. For another status
// or a body, use [Endpoint.WrapFunc].
//
// If the sender puts several events into one request, f is called for each, see
// "Batches" at [Endpoint].
//
// Handle panics if f is nil, as [http.Handle] does.
func (e *Endpoint[T]) Handle(f Func[T]) http.Handler {
	if f == nil {
		panic(fmt.Sprintf("idempotency: endpoint %q: Handle(nil)", e.name))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.serve(w, r, e.now(func(ctx context.Context, tx T, p *passage) (*Result, error) {
			return nil, f(ctx, tx, p.delivery)
		}), false)
	})
}

// Wrap returns a handler that calls next once for each event. next finds the
// verified delivery with [hmacverify.FromContext] and, under a sqlstore.Store, the
// transaction with sqlstore.Tx.
//
// A 2xx completes the event; any other response rolls back. The sender gets it as
// [hmacverify.Sender] says: with another status if it takes that one for something
// else, and without a body if it wants none. The response is held
// back until the commit: the writer that next gets is a buffer. Deadlines can be set
// on it with [http.ResponseController]; flushing, hijacking and full duplex are
// [http.ErrNotSupported]. 1xx responses, and values of trailers set after the first
// write, are dropped; 101 is answered with 500. An incorrect Content-Length is
// corrected. A handler that writes nothing has responded 200, as in net/http, unless
// its time was up.
//
// Wrap panics if next is nil, and if the endpoint processes each event of a request by
// itself, since next gets a whole request: see Options.Whole.
//
// # Frameworks
//
// A framework that writes the response to a returned error after the middleware has
// returned would mark a failed event as processed. Put the framework's router inside
// (endpoint.Wrap(router)), not the endpoint inside the framework's chain. A 5xx that
// the router writes rolls back; its reason is not known here, so it is logged as the
// status only, and a conflict in the database is retried by the sender instead of at
// once. To report the reason, use WrapFunc.
func (e *Endpoint[T]) Wrap(next http.Handler) http.Handler {
	if next == nil {
		panic(fmt.Sprintf("idempotency: endpoint %q: Wrap(nil)", e.name))
	}
	e.refuseSplitting("Wrap")
	return e.WrapFunc(func(w http.ResponseWriter, r *http.Request, _ T) error {
		next.ServeHTTP(w, r)
		return nil
	})
}

// WrapFunc is [Endpoint.Wrap] for a handler that also returns why it failed. An
// error rolls back, and its meaning is that of an error of [Func]. If the handler
// has written a 4xx or 5xx as well, the sender gets that.
func (e *Endpoint[T]) WrapFunc(next func(w http.ResponseWriter, r *http.Request, tx T) error) http.Handler {
	if next == nil {
		panic(fmt.Sprintf("idempotency: endpoint %q: WrapFunc(nil)", e.name))
	}
	e.refuseSplitting("WrapFunc")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.serve(w, r, e.now(func(ctx context.Context, tx T, p *passage) (*Result, error) {
			p.response = &response{under: w, max: e.o.MaxResponse, header: p.outer.Clone(), discards: e.effectsStand}
			err := next(p.response, p.requestFor(ctx), tx)
			if p.response.overflowed && e.effectsStand {
				e.observe(p, OutcomeOf(KindResponseTooLarge, nil), p.response.statusCode())
			}
			return e.resultOf(ctx, p.response, err)
		}), false)
	})
}

// isNil also finds the nil pointer of a constructor whose error was not looked at.
func isNil(v any) bool {
	r := reflect.ValueOf(v)
	return !r.IsValid() || r.Kind() == reflect.Pointer && r.IsNil()
}

func printable(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}
