package hmacverify

import (
	"errors"
	"fmt"
	"net/http"
)

// Status returns the status for an error of Check: 401 for anything wrong with a
// signature, 413 for a body over the limit, 408 for one that did not arrive in time,
// 400 for one that could not be read, 405 for another method. Any other error is a
// failure of ours, 503, so that the sender retries. Status(nil) is 200.
func Status(err error) int {
	switch {
	case err == nil:
		return http.StatusOK
	case errors.Is(err, ErrConfig):
		return http.StatusServiceUnavailable
	case errors.Is(err, ErrMissing), errors.Is(err, ErrMalformed), errors.Is(err, ErrTimestamp),
		errors.Is(err, ErrMismatch), errors.Is(err, ErrNoKey):
		return http.StatusUnauthorized
	case errors.Is(err, ErrBodyTooLarge):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, ErrBodyTimeout):
		return http.StatusRequestTimeout
	case errors.Is(err, ErrBodyUnreadable):
		return http.StatusBadRequest
	case errors.Is(err, ErrMethod):
		return http.StatusMethodNotAllowed
	}
	return http.StatusServiceUnavailable
}

// WriteError responds to a request that Check refused: with [Status], and with an
// RFC 9457 problem document that does not depend on the reason. Without an error it
// is 503: there is nothing to refuse, so the failure is ours.
func WriteError(w http.ResponseWriter, err error) { writeError(w, err, &Sender{}) }

// writeError is WriteError in the way that the sender wants it.
func writeError(w http.ResponseWriter, err error, to *Sender) {
	status := Status(err)
	if err == nil {
		status = http.StatusServiceUnavailable
	}
	code := problemCode(status)
	status = to.StatusOf(status)
	h := w.Header()
	switch status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", "Signature") // RFC 9110 requires one
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		h.Set("Retry-After", "5")
	}
	if to.NoBody {
		w.WriteHeader(status)
		return
	}
	h.Set("Content-Type", "application/problem+json")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	// The client may have left.
	_, _ = fmt.Fprintf(w, `{"type":"about:blank","title":%q,"status":%d,"code":%q}`, http.StatusText(status), status, code)
}

// problemCode returns the "code" of the document for a status. It does not depend on
// the request, so that a client that probes us learns nothing from it.
func problemCode(status int) string {
	switch status {
	case http.StatusBadRequest:
		return "unreadable_body"
	case http.StatusUnauthorized:
		return "invalid_signature"
	case http.StatusMethodNotAllowed:
		return "method_not_allowed"
	case http.StatusRequestTimeout:
		return "body_timeout"
	case http.StatusRequestEntityTooLarge:
		return "body_too_large"
	}
	return "verification_unavailable"
}
