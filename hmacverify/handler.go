package hmacverify

import (
	"errors"
	"io"
	"net/http"
)

// Handler returns a handler that passes verified requests on to next, with the
// body put back and the [Delivery] in the context ([FromContext]), and answers
// all others itself: see [WriteError].
//
// A refused body is not read: a connection on which much of one may still come
// is closed after the answer.
func (v *Verifier) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := v.check(r)
		if err != nil {
			v.refuse(w, r, err)
			return
		}
		c.ctx = deliveryContext{r.Context(), &c.delivery}
		r = r.WithContext(&c.ctx)
		c.install(r)
		next.ServeHTTP(w, r)
	})
}

// refuse tells the hook before the client, so that a hook that reads the clock
// is not delayed by a slow one.
func (v *Verifier) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if v != nil && v.opts.onError != nil {
		v.opts.onError(r, err)
	}
	if errors.Is(err, ErrMethod) {
		w.Header().Set("Allow", v.plan.method)
	}
	if mustHangUp(r, err) {
		w.Header().Set("Connection", "close")
	}
	WriteError(w, err)
}

// mustHangUp reports whether net/http must not wait for the rest of a refused
// body. Left alone it reads up to 256 KiB of it before it sends our answer, at
// the client's pace, and whatever the length if somebody has wrapped the body.
// A small body is worth that, for the sake of the connection. In HTTP/2 a
// stream ends by itself, and "close" would end its neighbours too.
func mustHangUp(r *http.Request, err error) bool {
	const small = 16 << 10
	wasRead := errors.Is(err, ErrMismatch)
	return r.ProtoMajor == 1 && !wasRead && (r.ContentLength < 0 || r.ContentLength > small)
}

// Status returns the status that answers an error of Check: 401 for whatever
// is wrong with a signature, 413 for a body over the limit, 400 for one that
// could not be read, 405 for another method. Anything else is a failure on our
// side, 503: the sender must come again.
func Status(err error) int {
	switch {
	case errors.Is(err, ErrConfig):
		return http.StatusServiceUnavailable
	case errors.Is(err, ErrMissing), errors.Is(err, ErrMalformed), errors.Is(err, ErrTimestamp),
		errors.Is(err, ErrMismatch), errors.Is(err, ErrNoKey):
		return http.StatusUnauthorized
	case errors.Is(err, ErrBodyTooLarge):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, ErrBodyUnreadable):
		return http.StatusBadRequest
	case errors.Is(err, ErrMethod):
		return http.StatusMethodNotAllowed
	}
	return http.StatusServiceUnavailable
}

// problem returns the answer for a status, an RFC 9457 problem document. All
// are constants: whoever probes us learns nothing from them.
func problem(status int) string {
	switch status {
	case http.StatusBadRequest:
		return `{"type":"about:blank","title":"Bad Request","status":400,"code":"unreadable_body"}`
	case http.StatusUnauthorized:
		return `{"type":"about:blank","title":"Unauthorized","status":401,"code":"invalid_signature"}`
	case http.StatusMethodNotAllowed:
		return `{"type":"about:blank","title":"Method Not Allowed","status":405,"code":"method_not_allowed"}`
	case http.StatusRequestEntityTooLarge:
		return `{"type":"about:blank","title":"Content Too Large","status":413,"code":"body_too_large"}`
	}
	return `{"type":"about:blank","title":"Service Unavailable","status":503,"code":"verification_unavailable"}`
}

// WriteError answers a request that Check refused with err: [Status], and an
// RFC 9457 problem document that is the same for every reason of a status.
func WriteError(w http.ResponseWriter, err error) {
	status := Status(err)
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("X-Content-Type-Options", "nosniff")
	switch status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", "Signature") // RFC 9110 demands one
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", "5")
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, problem(status)) // the client may be gone
}
