package sessionstep

import (
	"encoding/json"
	"errors"
	"net/http"
)

// Status returns the status of the response to a callback that failed with err:
// that of the first of this package's sentinels in err's tree, 413 for a
// [net/http.MaxBytesError], 500 for every other error, and 200 for nil,
// [ErrNoResult] and what Options.Acknowledge lists.
func Status(err error) int {
	if err == nil || isIgnored(err) {
		return http.StatusOK
	}
	return problemOf(err).Status
}

// WriteError writes the response to a callback that failed with err: [Status], and
// a problem document with a code that is stable. It does not show the text of err.
// err must not be nil. If there was nothing to do, the status is 200 and the body
// {"status":"ignored"}.
func WriteError(w http.ResponseWriter, err error) {
	if isIgnored(err) {
		writeJSON(w, http.StatusOK, "application/json", struct {
			Status string `json:"status"`
		}{"ignored"})
		return
	}
	p := problemOf(err)
	writeJSON(w, p.Status, "application/problem+json", p)
}

// A problem is an RFC 9457 problem document. It has no type, which stands for
// about:blank, so its title is the status's own; programs look at code.
type problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Code   string `json:"code"`
}

// problemOf maps errors to responses, and is the only place that does. An error
// that it does not know is a 500: the transaction is rolled back, and the sender
// retries.
func problemOf(err error) problem {
	status, code := http.StatusInternalServerError, "internal"
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		status, code = http.StatusRequestEntityTooLarge, "body_too_large"
	} else if e, ok := errors.AsType[*refusal](err); ok {
		status, code = e.status, e.code
	}
	return problem{Title: http.StatusText(status), Status: status, Code: code}
}

func writeSuccess(w http.ResponseWriter, eventID string) {
	writeJSON(w, http.StatusOK, "application/json", struct {
		Status  string `json:"status"`
		EventID string `json:"eventId"`
	}{"success", eventID})
}

func writeJSON(w http.ResponseWriter, status int, contentType string, v any) {
	body, err := json.Marshal(v) // of strings and integers, so it does not fail
	if err != nil {
		status, body = http.StatusInternalServerError, nil
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	w.Write(body) // fails only if the client is gone
}
