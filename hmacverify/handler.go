package hmacverify

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
)

// Handler returns a handler that passes verified requests to next, with the body
// restored and the [Delivery] in the context, see [FromContext]. It refuses all
// others: Options.ErrorHandler responds to them, by default after a log entry with
// [WriteError].
//
// The body of a refused request is not read. If much of it could still arrive, the
// connection is closed after the response.
func (v *Verifier) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d, err := v.receive(r)
		if err != nil {
			if v == nil || v.opts.ErrorHandler == nil {
				v.logRefusal(r, err)
			}
			v.Refuse(w, r, err)
			return
		}
		r = r.WithContext(NewContext(r.Context(), d))
		putBack(r, d.Body)
		next.ServeHTTP(w, r)
	})
}

// Check verifies a request and restores its body: afterwards r.Body reads the same
// bytes from the start, r.GetBody returns them as often as it is called, and
// r.ContentLength is their number. If Check fails, r may have lost its body.
//
// What is cheap comes first. A request with another method, without a signature,
// with a timestamp outside the tolerance, or with a Content-Length over the limit
// is refused without reading its body.
//
// The errors are those of Verify, [ErrMethod], [ErrNoKey], [ErrBodyTooLarge],
// [ErrBodyUnreadable], [ErrConfig], and what Options.Keys returned. Respond with
// [WriteError], or with the status that [Status] returns.
func (v *Verifier) Check(r *http.Request) (*Delivery, error) {
	d, err := v.receive(r)
	if err != nil {
		return nil, err
	}
	putBack(r, d.Body)
	return d, nil
}

// receive is Check without the changes to r.
func (v *Verifier) receive(r *http.Request) (*Delivery, error) {
	if v != nil && v.plan != nil && r.Method != v.plan.method {
		return nil, fmt.Errorf("%w: %.16q", ErrMethod, r.Method)
	}
	d, err := v.verify(&incoming{header: r.Header, request: r})
	if err != nil {
		return nil, err
	}
	return &d, nil
}

// Refuse responds to a request that [Verifier.Check] refused with err, as Handler
// does: it sets Allow where the method was wrong, closes a connection on which much
// of the body may still arrive, and calls Options.ErrorHandler or [WriteError]. It
// does not log.
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
	WriteError(w, err)
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
	return r.ProtoMajor == 1 && !wasRead && (r.ContentLength < 0 || r.ContentLength > small)
}
