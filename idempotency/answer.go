package idempotency

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
)

var errOverloaded = errors.New("idempotency: too many deliveries at once")

// answer writes the one response of the delivery, after all is decided.
func (d *delivery) answer(result *Result, err error) {
	switch {
	case err == nil || mayBeSent(err):
		d.call.buffer.send(d.r)
	case d.Duplicate != Conflict && errors.Is(err, ErrDuplicate):
		d.acknowledge(duplicateDone, d.Duplicate, result)
	case d.Dead != Conflict && errors.Is(err, ErrDead):
		d.acknowledge(deadDone, d.Dead, nil)
	default:
		d.refuse(err)
	}
}

// mayBeSent reports whether err is the handler's failure and no more, and its
// answer tells the truth. A 2xx does only if no further delivery can help.
func mayBeSent(err error) bool {
	failed, ok := errors.AsType[*handlerError](err)
	return ok && (failed.status/100 != 2 || IsPermanent(failed.err)) && !isVerdict(err)
}

// acknowledge answers 2xx for an event that needs no work any more.
func (d *delivery) acknowledge(done problem, p Policy, result *Result) {
	if p != Replay || result == nil || result.Status/100 != 2 {
		done.write(d.w, "application/json")
		return
	}
	done.status, done.body = result.Status, result.Body
	done.write(d.w, result.ContentType)
}

// refuse answers with the problem that err is.
func (d *delivery) refuse(err error) {
	p := problemOf(err)
	if d.OnError != nil && p.err != ErrDuplicate && p.err != ErrInFlight {
		d.OnError(d.r, err)
	}
	if p.status == http.StatusServiceUnavailable {
		d.w.Header().Set("Retry-After", strconv.FormatInt(d.retryAfter(err), 10))
	}
	p.write(d.w, "application/problem+json")
}

// retryAfter returns in how many seconds the sender should come again.
func (d *delivery) retryAfter(err error) int64 {
	after := cmp.Or(d.RetryAfter, DefaultRetryAfter)
	if inFlight, ok := errors.AsType[*InFlightError](err); ok && inFlight.RetryAfter > 0 {
		after = inFlight.RetryAfter
	}
	return int64(math.Ceil(after.Seconds()))
}

// A problem is an answer that is made of constants only.
type problem struct {
	err    error
	status int
	code   string
	body   []byte
}

// The answers of an event that is acknowledged without the handler.
var (
	duplicateDone = acknowledgement(EventDuplicate)
	deadDone      = acknowledgement(EventDead)
)

func acknowledgement(kind EventKind) problem {
	return problem{status: http.StatusOK, code: string(kind), body: fmt.Appendf(nil, `{"status":%q}`+"\n", kind)}
}

// problems are the answers to errors, as RFC 9457 problem documents. An error is
// answered by the first that it wraps, so those by which a sender comes again
// stand before those by which it might give up.
var problems = [...]problem{
	newProblem(ErrUnavailable, http.StatusServiceUnavailable, "unavailable"),
	newProblem(ErrLeaseLost, http.StatusServiceUnavailable, "lease_lost"),
	newProblem(ErrInFlight, http.StatusServiceUnavailable, "in_flight"),
	newProblem(errOverloaded, http.StatusServiceUnavailable, "overloaded"),
	newProblem(errGaveUp, http.StatusServiceUnavailable, "timeout"),
	newProblem(errNotVerified, http.StatusInternalServerError, "not_verified"),
	newProblem(ErrInvalidKey, http.StatusBadRequest, "invalid_key"),
	newProblem(ErrDuplicate, http.StatusConflict, "duplicate"),
	newProblem(ErrDead, http.StatusConflict, "dead"),
	newProblem(ErrMismatch, http.StatusUnprocessableEntity, "mismatch"),
	newProblem(errUnreadableBody, http.StatusBadRequest, "unreadable_body"),
	newProblem(errBodyTooLarge, http.StatusRequestEntityTooLarge, "body_too_large"),
	newProblem(errResponseTooLarge, http.StatusInternalServerError, "response_too_large"),
}

var failedProblem = newProblem(nil, http.StatusInternalServerError, "failed")

func newProblem(err error, status int, code string) problem {
	body := fmt.Appendf(nil, `{"type":"about:blank","title":%q,"status":%d,"code":%q}`+"\n",
		http.StatusText(status), status, code)
	return problem{err, status, code, body}
}

// problemOf maps an error to its answer. It is the one place that does.
func problemOf(err error) problem {
	for i := range problems {
		if err == problems[i].err { // as most are; errors.Is takes ten times as long
			return problems[i]
		}
	}
	for i := range problems {
		if errors.Is(err, problems[i].err) {
			return problems[i]
		}
	}
	return failedProblem
}

func (p problem) write(w http.ResponseWriter, contentType string) {
	h := w.Header()
	values := []string{p.code, "nosniff", contentType} // one allocation for three
	h[StatusHeader] = values[0:1:1]
	h["X-Content-Type-Options"] = values[1:2:2]
	if contentType != "" {
		h["Content-Type"] = values[2:3:3]
	}
	w.WriteHeader(p.status)
	if len(p.body) > 0 {
		w.Write(p.body) // the client may be gone
	}
}
