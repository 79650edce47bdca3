package sessionstep

import (
	"encoding/json"
	"errors"
	"net/http"
)

// A problem is an RFC 9457 problem document. Its type is about:blank, so its
// title is the status's own; code is what a program looks at.
type problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Code   string `json:"code"`
}

// problemOf is the one place that decides what an error is answered with. What it
// does not know is 500, so that whoever holds the transaction rolls it back and
// the sender comes again.
func problemOf(err error) problem {
	status, code := http.StatusInternalServerError, "internal"
	switch {
	case isTooLarge(err):
		status, code = http.StatusRequestEntityTooLarge, "body_too_large"
	case errors.Is(err, ErrMalformed):
		status, code = http.StatusBadRequest, "malformed_callback"
	case errors.Is(err, ErrMissingField):
		status, code = http.StatusBadRequest, "missing_field"
	case errors.Is(err, ErrUnknownStatus):
		status, code = http.StatusUnprocessableEntity, "unknown_status"
	case errors.Is(err, ErrNotAcceptable):
		status, code = http.StatusUnprocessableEntity, "payload_not_acceptable"
	case errors.Is(err, ErrSessionNotFound):
		status, code = http.StatusNotFound, "session_not_found"
	case errors.Is(err, ErrSessionNotOpen):
		status, code = http.StatusNotFound, "session_not_open"
	case errors.Is(err, ErrStepNotFound):
		status, code = http.StatusNotFound, "step_not_found"
	case errors.Is(err, ErrStepNotInProgress):
		status, code = http.StatusNotFound, "step_not_in_progress"
	}
	return problem{Title: http.StatusText(status), Status: status, Code: code}
}

func isTooLarge(err error) bool {
	_, ok := errors.AsType[*http.MaxBytesError](err)
	return ok
}

func writeProblem(w http.ResponseWriter, p problem) {
	writeJSON(w, p.Status, "application/problem+json", p)
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
	w.Write(body) // the client is gone if this fails
}
