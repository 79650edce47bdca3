package idempotency

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"time"
)

// A delivery is one request on its way through the middleware.
type delivery struct {
	*Middleware
	next  http.Handler
	w     http.ResponseWriter
	r     *http.Request
	start time.Time // set only for an observer

	to     route
	body   []byte
	flight flight
	ctx    deliveryContext
	ran    bool  // the runner was called, and has told its own observer
	call   *call // the latest of the handler
}

func (d *delivery) serve() {
	defer d.inFlight.Add(-1)
	if d.inFlight.Add(1) > int64(cmp.Or(d.MaxInFlight, DefaultMaxInFlight)) {
		d.refuse(errOverloaded)
		return
	}
	if err := d.read(); err != nil {
		d.refuse(err)
		return
	}
	if d.Observe != nil {
		d.start = time.Now()
	}
	result, err := d.flights.do(d.r.Context(), d.to, &d.flight, cmp.Or(d.Wait, DefaultWait), d.run)
	if !d.ran && d.Observe != nil {
		d.Observe(d.r.Context(), Event{Kind: refusalKind(err), Key: d.to.key, Duration: time.Since(d.start)})
	}
	d.answer(result, err)
}

// read takes all that is needed of the request, before anything is claimed: a
// slow sender must hold neither a lease nor a connection to the database.
func (d *delivery) read() (err error) {
	if d.body, err = readBody(d.w, d.r, cmp.Or(d.MaxBody, DefaultMaxBody)); err != nil {
		return err
	}
	if d.to.key, err = d.key(); err != nil {
		return err
	}
	if d.CheckContent {
		d.to.fp = FingerprintOf(d.body)
	}
	return nil
}

func (d *delivery) key() (key Key, err error) {
	switch {
	case d.Key == nil:
		key, err = DeliveryKey(d.r)
	case len(d.body) == 0:
		key, err = d.Key(d.r)
	default:
		r := d.r.WithContext(d.r.Context())
		new(body).install(r, d.body)
		key, err = d.Key(r)
	}
	if err != nil {
		return Key{}, fmt.Errorf("%w: %w", ErrInvalidKey, err)
	}
	return key, key.Validate()
}

// run gives the delivery to the runner, detached from the client's going away.
func (d *delivery) run() (*Result, error) {
	d.ran = true
	d.ctx.delivery = d
	d.ctx.parent = context.WithoutCancel(d.r.Context())
	d.ctx.deadline = time.Now().Add(cmp.Or(d.Timeout, DefaultTimeout))
	defer d.ctx.close()
	return d.Runner.Run(&d.ctx, d.to.key, d.to.fp, d.work)
}

// work calls the handler and reads from its response whether it succeeded.
func (d *delivery) work(ctx context.Context) (*Result, error) {
	d.call = &call{
		Context: ctx,
		buffer:  buffer{under: d.w, max: cmp.Or(d.MaxResponse, DefaultMaxResponse)},
	}
	d.call.serve(d.next, d.r, d.body)
	if err := d.call.outcome(); err != nil {
		return nil, err
	}
	if d.Duplicate == Replay {
		return d.call.buffer.result(), nil
	}
	return nil, nil
}

// A deliveryContext is what the runner gets. It makes the [Payload] when somebody
// asks for it.
type deliveryContext struct {
	lazyContext
	delivery *delivery
}

// Value implements [context.Context].
func (c *deliveryContext) Value(key any) any {
	if _, ok := key.(payloadKey); ok {
		return Payload{
			Source:      c.delivery.to.key.Scope,
			ContentType: c.delivery.r.Header.Get("Content-Type"),
			Body:        c.delivery.body,
		}
	}
	return c.lazyContext.Value(key)
}
