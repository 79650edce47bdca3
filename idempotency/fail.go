package idempotency

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
)

// Fail tells the [Middleware] why the handler of r fails. Call it before the
// handler returns; the first call counts. A store keeps the text of err as the
// event's last error, and a runner that knows err as a conflict in its database
// runs the handler again.
//
// An err marked by [Permanent] makes the event Dead. The handler may then answer
// 2xx to have the sender stop; it is sent once the event is recorded as Dead.
// With any other err the handler has failed, even if it answers 2xx: the client
// gets 500 instead.
//
// Outside of a Middleware, Fail does nothing. It is safe for concurrent use.
func Fail(r *http.Request, err error) {
	if rep, ok := r.Context().Value(reportKey{}).(*report); ok {
		rep.set(err)
	}
}

type reportKey struct{}

// A report is what a handler has said by calling Fail.
type report struct {
	mu  sync.Mutex
	err error
}

func (r *report) set(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = err
	}
}

func (r *report) get() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// errGaveUp is the failure of a handler that has not answered by the end of its
// context.
var errGaveUp = errors.New("idempotency: no answer from the handler by the end of its context")

// A handlerError is the failure of a handler that has answered.
type handlerError struct {
	status int
	err    error // what the handler told Fail; may be nil
}

func (e *handlerError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("the handler answered %d", e.status)
	}
	return e.err.Error()
}

func (e *handlerError) Unwrap() error { return e.err }
