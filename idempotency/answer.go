package idempotency

import (
	"cmp"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
)

// StatusHeader is the header of every response that neither the work nor hmacverify
// wrote. Its value is the [Kind], such as "duplicate" or "in_flight".
const StatusHeader = "Idempotency-Status"

// maxRetryAfter bounds Retry-After: a lease can be long, and some senders drop a
// delivery that is asked to wait for a minute.
const maxRetryAfter = 30 * time.Second

// An answer is the one response to a delivery.
type answer struct {
	status  int
	kind    Kind
	headers map[string]string
	body    []byte
	writer  func(w http.ResponseWriter, r *http.Request) // if non-nil, writes it instead
}

// answerTo looks up the response to an outcome. It is the one place that does.
func (e *Endpoint[T]) answerTo(o Outcome, p *passage) answer {
	switch {
	case p.response != nil && sendsResponse(o, p.response):
		p.response.adapt(&e.sender)
		return answer{status: p.response.statusCode(), writer: p.response.send}
	case o.Kind == KindCompleted, o.Kind == KindIgnored:
		return answer{status: e.success()}
	case o.Kind == KindAccepted:
		return answer{status: e.sender.StatusOf(http.StatusAccepted)}
	case o.Kind == KindRefused && e.verifier != nil:
		return answer{status: e.sender.StatusOf(hmacverify.Status(o.Err)), writer: func(w http.ResponseWriter, r *http.Request) {
			e.verifier.Refuse(w, r, o.Err)
		}}
	case e.o.ErrorHandler != nil:
		err := o.AsError() // a nested runner's ErrDuplicate is no duplicate here
		return answer{status: Status(err), writer: func(w http.ResponseWriter, r *http.Request) {
			e.o.ErrorHandler(w, r, err)
		}}
	case p.accepted && (o.Kind == KindDuplicate || o.Kind == KindDead):
		return answer{status: e.sender.StatusOf(http.StatusAccepted), kind: o.Kind}
	case (o.Kind == KindDuplicate || o.Kind == KindDead) && o.Kind.workStatus(o.Err) == 0 && e.sender.Duplicate != hmacverify.Conflict:
		return e.acknowledge(o)
	case o.Kind == KindRefused:
		return answer{status: Status(o.Err), writer: func(w http.ResponseWriter, r *http.Request) {
			hmacverify.WriteError(w, o.Err)
		}}
	}
	return problem(o.Err, o.Kind, cmp.Or(o.RetryAfter, e.o.RetryAfter), &e.sender)
}

// sendsResponse reports whether the response that a wrapped handler wrote is the
// truth: that of a completed event, or a failure that the handler chose to report. A
// 3xx is one only if the handler returned no error beside it.
func sendsResponse(o Outcome, r *response) bool {
	switch o.Kind {
	case KindCompleted:
		return true
	case KindIgnored:
		return r.status != 0 && r.status/100 == 2
	case KindFailed, KindDead:
		_, said := errors.AsType[responseError](o.Err)
		return said || r.statusCode() >= 400
	}
	return false
}

// success returns the status that tells the sender that its event was processed.
func (e *Endpoint[T]) success() int {
	return e.sender.StatusOf(http.StatusOK)
}

// acknowledge answers 2xx for an event that needs no more work: empty, since some
// senders take a body for a failure, or with the first response.
func (e *Endpoint[T]) acknowledge(o Outcome) answer {
	a := answer{status: e.success(), kind: o.Kind}
	if r := o.Result; r != nil && r.Status/100 == 2 && e.sender.Duplicate == hmacverify.Replay {
		a.status, a.body = e.sender.StatusOf(r.Status), r.Body
		if r.ContentType != "" {
			a.headers = map[string]string{"Content-Type": r.ContentType}
		}
	}
	return a
}

// problem answers with an RFC 9457 problem document that is made of constants only.
func problem(err error, kind Kind, retryAfter time.Duration, to *hmacverify.Sender) answer {
	p := kind.properties()
	a := answer{
		status:  to.StatusOf(cmp.Or(kind.workStatus(err), p.status)),
		kind:    kind,
		headers: map[string]string{},
	}
	if p.retry || a.status == http.StatusServiceUnavailable || a.status == http.StatusTooManyRequests {
		seconds := math.Ceil(min(retryAfter, maxRetryAfter).Seconds())
		a.headers["Retry-After"] = strconv.Itoa(int(seconds))
	}
	if to.NoBody {
		return a
	}
	a.headers["Content-Type"] = "application/problem+json"
	a.body, _ = json.Marshal(struct { // strings and a number: it cannot fail
		Type   string `json:"type"`
		Title  string `json:"title"`
		Status int    `json:"status"`
		Code   Kind   `json:"code"`
	}{"about:blank", http.StatusText(a.status), a.status, kind})
	return a
}

func (a answer) write(w http.ResponseWriter, r *http.Request) {
	if a.writer != nil {
		a.writer(w, r)
		return
	}
	h := w.Header()
	for name, value := range a.headers {
		h.Set(name, value)
	}
	if a.kind != "" {
		h.Set(StatusHeader, string(a.kind))
		h.Set("X-Content-Type-Options", "nosniff")
	}
	w.WriteHeader(a.status)
	if len(a.body) > 0 {
		w.Write(a.body) // the client may be gone
	}
}

// Status returns the HTTP status for an error of this package or of hmacverify: what
// an [Endpoint] would respond to a sender for which a duplicate is a conflict. It is
// 200 for nil. An error of the work is 500, or the status that it carries, see
// [WithStatus].
//
// Most senders take the 409 of [ErrDuplicate] for a failure; respond 2xx to those.
func Status(err error) int {
	if err == nil {
		return http.StatusOK
	}
	p := kindOf(err)
	if p.err == nil && isVerification(err) {
		return hmacverify.Status(err)
	}
	return cmp.Or(p.kind.workStatus(err), p.status)
}

// workStatus returns the status that the work's error carries, 0 if it carries none.
// It counts only where the work has failed: if the lease was lost, say, another owner
// may be at work, and a 404 of this one could stop the sender.
func (k Kind) workStatus(err error) int {
	if k != KindFailed && k != KindDead {
		return 0
	}
	return statusOf(err)
}

// WriteError writes the response to an error, which must not be nil: [Status], and a
// problem document that is the same for every error of its kind.
func WriteError(w http.ResponseWriter, err error) {
	p := kindOf(err)
	if p.err == nil && isVerification(err) {
		hmacverify.WriteError(w, err)
		return
	}
	problem(err, p.kind, DefaultRetryAfter, &hmacverify.Sender{}).write(w, nil)
}

// isVerification reports whether err is the reason of a refusal by hmacverify.
func isVerification(err error) bool {
	for _, sentinel := range []error{
		hmacverify.ErrMissing, hmacverify.ErrMalformed, hmacverify.ErrTimestamp, hmacverify.ErrMismatch,
		hmacverify.ErrNoKey, hmacverify.ErrMethod, hmacverify.ErrBodyTooLarge, hmacverify.ErrBodyUnreadable,
		hmacverify.ErrBodyTimeout, hmacverify.ErrOverloaded, hmacverify.ErrConfig,
	} {
		if errors.Is(err, sentinel) {
			return true
		}
	}
	return false
}
