package idempotency

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

var errOverloaded = errors.New("idempotency: too many deliveries at once")

// answer writes the one response of the delivery, after all is decided.
func (d *delivery) answer(result *Result, err error) {
	failed, isHandlers := errors.AsType[*handlerError](err)
	switch {
	case err == nil:
		d.buf.send()
	case isHandlers && (failed.status/100 != 2 || IsPermanent(failed.err)) && !errors.Is(err, ErrUnavailable):
		d.buf.send()
	case errors.Is(err, ErrDuplicate) && d.Duplicate != Conflict:
		d.acknowledge(EventDuplicate, d.Duplicate, result)
	case errors.Is(err, ErrDead) && d.Dead != Conflict:
		d.acknowledge(EventDead, d.Dead, nil)
	default:
		d.refuse(err)
	}
}

// acknowledge answers 2xx for an event that needs no work any more.
func (d *delivery) acknowledge(kind EventKind, p Policy, result *Result) {
	d.w.Header().Set(StatusHeader, string(kind))
	if p == Replay && result != nil && result.Status != 0 {
		if result.ContentType != "" {
			d.w.Header().Set("Content-Type", result.ContentType)
		}
		d.w.WriteHeader(result.Status)
		d.w.Write(result.Body)
		return
	}
	d.w.Header().Set("Content-Type", "application/json")
	d.w.WriteHeader(http.StatusOK)
	fmt.Fprintf(d.w, `{"status":%q}`+"\n", kind)
}

// refuse answers with the problem that err is.
func (d *delivery) refuse(err error) {
	p := problemOf(err)
	if d.OnError != nil && p.code != "duplicate" && p.code != "in_flight" {
		d.OnError(d.r, err)
	}
	if p.status == http.StatusServiceUnavailable {
		after := cmp.Or(d.RetryAfter, DefaultRetryAfter)
		if inFlight, ok := errors.AsType[*InFlightError](err); ok && inFlight.RetryAfter > 0 {
			after = inFlight.RetryAfter
		}
		d.w.Header().Set("Retry-After", strconv.FormatInt(int64((after+time.Second-1)/time.Second), 10))
	}
	p.write(d.w)
}

// A problem is an answer of RFC 9457. It is made of constants only.
type problem struct {
	status int
	code   string
}

// problemOf maps an error to its answer. It is the one place that does.
func problemOf(err error) problem {
	for _, p := range []struct {
		err error
		problem
	}{
		{ErrUnavailable, problem{http.StatusServiceUnavailable, "unavailable"}},
		{ErrLeaseLost, problem{http.StatusServiceUnavailable, "lease_lost"}},
		{ErrInFlight, problem{http.StatusServiceUnavailable, "in_flight"}},
		{errOverloaded, problem{http.StatusServiceUnavailable, "overloaded"}},
		{ErrDuplicate, problem{http.StatusConflict, "duplicate"}},
		{ErrDead, problem{http.StatusConflict, "dead"}},
		{ErrMismatch, problem{http.StatusUnprocessableEntity, "mismatch"}},
		{ErrInvalidKey, problem{http.StatusBadRequest, "invalid_key"}},
		{errUnreadableBody, problem{http.StatusBadRequest, "unreadable_body"}},
		{errBodyTooLarge, problem{http.StatusRequestEntityTooLarge, "body_too_large"}},
		{errResponseTooLarge, problem{http.StatusInternalServerError, "response_too_large"}},
	} {
		if errors.Is(err, p.err) {
			return p.problem
		}
	}
	return problem{http.StatusInternalServerError, "failed"}
}

func (p problem) write(w http.ResponseWriter) {
	h := w.Header()
	h.Set(StatusHeader, p.code)
	h.Set("Content-Type", "application/problem+json")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(p.status)
	io.WriteString(w, fmt.Sprintf(`{"type":"about:blank","title":%q,"status":%d,"code":%q}`+"\n",
		http.StatusText(p.status), p.status, p.code))
}
