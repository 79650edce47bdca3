package idempotency

import (
	"context"
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
	rep, ok := r.Context().Value(reportKey{}).(*report)
	if !ok || err == nil {
		return
	}
	rep.mu.Lock()
	defer rep.mu.Unlock()
	if rep.err == nil {
		rep.err = err
	}
}

type reportKey struct{}

// A report is what a handler has said by calling Fail.
type report struct {
	mu  sync.Mutex // guards err while the handler runs
	err error
}

func withReport(r *http.Request) (*http.Request, *report) {
	rep := new(report)
	return r.WithContext(context.WithValue(r.Context(), reportKey{}, rep)), rep
}

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
