package hmacverify

import (
	"errors"
	"log/slog"
	"net/http"
)

// Handler returns a handler that passes verified requests to next, with the body
// restored and the [Delivery] in the context, see [FromContext]. It refuses all
// others: Options.ErrorHandler responds to them, by default after a log entry with
// [WriteError].
//
// A body has a limited time to arrive, see [Verifier.Receive]. That of a request that
// its headers refuse is not read. If much of it could still arrive, the connection is
// closed after the response.
func (v *Verifier) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d, err := v.receive(w, r)
		if err != nil {
			if v == nil || v.opts.ErrorHandler == nil {
				v.logRefusal(r, err)
			}
			v.Refuse(w, r, err)
			return
		}
		r = r.WithContext(NewContext(r.Context(), d))
		putBack(r, d)
		next.ServeHTTP(w, r)
	})
}

// Check verifies a request and restores its body: afterwards r.Body reads
// Delivery.Body from the start, r.GetBody returns it as often as it is called,
// r.ContentLength is its length, and r.Header is Delivery.Header. If Check fails, r may
// have lost its body.
//
// What is cheap comes first. A request with another method, without a signature,
// with a timestamp outside the tolerance, or with a Content-Length over the limit
// is refused without reading its body.
//
// The errors are those of Verify, [ErrMethod], [ErrNoKey], [ErrBodyTooLarge],
// [ErrBodyTimeout], [ErrBodyUnreadable], [ErrOverloaded], [ErrConfig], and what
// Options.Keys returned. Respond with [WriteError], or with the status that [Status]
// returns.
//
// Check waits for the body for as long as the server does. Where there is a
// ResponseWriter, use [Verifier.Receive].
func (v *Verifier) Check(r *http.Request) (*Delivery, error) { return v.Receive(nil, r) }

// Receive is [Verifier.Check] with a limit to the time that the body may take: each
// 64 KiB of it within Options.BodyTimeout. Otherwise a client without a key could
// hold a connection for as long as it likes. A body that is late is refused with
// [ErrBodyTimeout].
//
// The limit is a read deadline of the connection, or of the stream in HTTP/2, set as
// by [http.ResponseController]. It is removed when the body has arrived, so that
// neither the handler nor the next request on the connection has it. After a refusal
// it stays, for the rest of the body. It replaces a deadline that was set before. The
// ReadTimeout of the [http.Server] is kept, counted from this call. Where w takes no
// deadline, as behind a middleware whose writer has no Unwrap method, there is no limit.
func (v *Verifier) Receive(w http.ResponseWriter, r *http.Request) (*Delivery, error) {
	d, err := v.receive(w, r)
	if err != nil {
		return nil, err
	}
	putBack(r, d)
	return d, nil
}

// receive is Receive without the changes to r.
func (v *Verifier) receive(w http.ResponseWriter, r *http.Request) (*Delivery, error) {
	if v == nil {
		v = &Verifier{} // which refuses everything too
	}
	in := incoming{header: r.Header, arrival: arrival{reader: &v.bodies, w: w, request: r}}
	defer in.arrival.release() // the body is authentic then, or garbage
	d, err := v.verify(&in)
	if err != nil {
		in.arrival.refuse()
		return nil, err
	}
	return &d, nil
}

// Refuse responds to a request that [Verifier.Receive] or Check refused with err, as
// Handler does: it sets Allow where the method was wrong, closes a connection on which
// much of the body may still arrive, and calls Options.ErrorHandler or [WriteError],
// whose status and body it adapts to the scheme's Sender. It does not log.
func (v *Verifier) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, ErrMethod) {
		w.Header().Set("Allow", v.plan.method)
	}
	if mustHangUp(r, err) {
		w.Header().Set("Connection", "close")
	}
	if v != nil && v.opts.ErrorHandler != nil {
		v.opts.ErrorHandler(w, r, err)
		return
	}
	to := new(Sender)
	if v != nil && v.plan != nil {
		to = &v.plan.scheme.Sender
	}
	writeError(w, err, to)
}

// logRefusal logs before the response is written, so that a slow client does not
// delay the entry. The reason holds no header value, signature or body.
func (v *Verifier) logRefusal(r *http.Request, err error) {
	level := slog.LevelWarn
	if Status(err) >= http.StatusInternalServerError {
		level = slog.LevelError // ours, not the client's
	}
	slog.Default().LogAttrs(r.Context(), level, "webhook refused",
		slog.String("scheme", v.Scheme().Name), slog.String("reason", err.Error()))
}

// mustHangUp reports whether net/http must not wait for the rest of a refused body.
// By default it reads up to 256 KiB before it sends the response, at the client's
// pace, and without limit if a middleware has wrapped the body. For a small body
// that is worth it, to keep the connection. In HTTP/2 a stream ends by itself, and
// "close" would end its neighbours too.
func mustHangUp(r *http.Request, err error) bool {
	const small = 16 << 10
	wasRead := errors.Is(err, ErrMismatch)
	return r.ProtoMajor == 1 && !wasRead &&
		(r.ContentLength < 0 || r.ContentLength > small || errors.Is(err, ErrBodyTimeout))
}
