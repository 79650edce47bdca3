package hmacverify

import (
	"errors"
	"io"
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
func WriteError(w http.ResponseWriter, err error) {
	status := Status(err)
	if err == nil {
		status = http.StatusServiceUnavailable
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("X-Content-Type-Options", "nosniff")
	switch status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", "Signature") // RFC 9110 requires one
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", "5")
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, problem(status)) // the client may have left
}

// problem returns the document for a status. All are constants, so that a client
// that probes us learns nothing from them.
func problem(status int) string {
	switch status {
	case http.StatusBadRequest:
		return `{"type":"about:blank","title":"Bad Request","status":400,"code":"unreadable_body"}`
	case http.StatusUnauthorized:
		return `{"type":"about:blank","title":"Unauthorized","status":401,"code":"invalid_signature"}`
	case http.StatusMethodNotAllowed:
		return `{"type":"about:blank","title":"Method Not Allowed","status":405,"code":"method_not_allowed"}`
	case http.StatusRequestTimeout:
		return `{"type":"about:blank","title":"Request Timeout","status":408,"code":"body_timeout"}`
	case http.StatusRequestEntityTooLarge:
		return `{"type":"about:blank","title":"Content Too Large","status":413,"code":"body_too_large"}`
	}
	return `{"type":"about:blank","title":"Service Unavailable","status":503,"code":"verification_unavailable"}`
}
