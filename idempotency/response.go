package idempotency

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
)

// A response is the response writer that holds a wrapped handler's response back. It
// has no Flush, Hijack or Unwrap: each would let bytes out before the work is
// durable.
type response struct {
	under      http.ResponseWriter
	max        int
	header     http.Header // nil: none was set around the handler, and it has not asked
	sent       http.Header // header as it was at WriteHeader
	status     int         // 0 until WriteHeader
	body       bytes.Buffer
	overflowed bool
	discards   bool // a body that is too large, rather than fail
	as         int  // the status to send, 0: that of the handler
}

// Header implements [http.ResponseWriter]. The handler finds the headers that were
// set around it, before it began: a late handler must not touch those of under; those that it sets are sent with its own response only.
func (r *response) Header() http.Header {
	if r.header == nil {
		r.header = make(http.Header)
	}
	return r.header
}

// WriteHeader implements [http.ResponseWriter]. As in net/http, the first call
// counts, and an invalid status panics: here, while the work can still be rolled
// back. 101 is a failure: the connection is not the handler's, and HTTP/2 would send
// it as an informational response followed by a 200.
func (r *response) WriteHeader(status int) {
	if status < 100 || status > 999 {
		panic(fmt.Sprintf("idempotency: invalid WriteHeader code %d", status))
	}
	if status == http.StatusSwitchingProtocols {
		status = http.StatusInternalServerError
	}
	if r.status != 0 || status < 200 {
		return
	}
	r.status, r.sent = status, r.header.Clone()
}

// Write implements [http.ResponseWriter]. A response that grows beyond the limit
// fails, and its work with it; if the work's effect cannot be undone, the response
// loses its body instead.
func (r *response) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.WriteHeader(http.StatusOK)
	}
	switch {
	case r.status == http.StatusNoContent || r.status == http.StatusNotModified:
		return 0, http.ErrBodyNotAllowed
	case r.overflowed || len(p) > r.max-r.body.Len():
		r.overflowed = true
		if r.discards {
			r.body.Reset()
			return len(p), nil
		}
		return 0, errResponseTooLarge
	}
	return r.body.Write(p)
}

// SetReadDeadline is for [http.ResponseController].
func (r *response) SetReadDeadline(t time.Time) error {
	return http.NewResponseController(r.under).SetReadDeadline(t)
}

// SetWriteDeadline is for [http.ResponseController].
func (r *response) SetWriteDeadline(t time.Time) error {
	return http.NewResponseController(r.under).SetWriteDeadline(t)
}

// statusCode returns the status of the response: 200 if nothing was written, as in
// net/http.
func (r *response) statusCode() int { return cmp.Or(r.as, r.status, http.StatusOK) }

// result returns what is kept of the response for Replay. A body that cannot be
// read without headers that are not kept is not kept either.
func (r *response) result() *Result {
	h := r.final()
	if h.Get("Content-Encoding") != "" || r.overflowed {
		return &Result{Status: r.statusCode()}
	}
	return &Result{
		Status:      r.statusCode(),
		ContentType: h.Get("Content-Type"),
		Body:        bytes.Clone(r.body.Bytes()),
	}
}

// adapt makes the response one that the sender takes for what it means.
func (r *response) adapt(to *hmacverify.Sender) {
	r.as = to.StatusOf(r.statusCode())
	if to.NoBody || r.as == http.StatusNoContent {
		r.body.Reset()
		if h := r.final(); h != nil {
			h.Del("Content-Length")
		}
	}
}

// send writes the response to the client.
func (r *response) send(_ http.ResponseWriter, request *http.Request) {
	h := r.under.Header()
	if final := r.final(); final != nil {
		clear(h)
		maps.Copy(h, final)
	}
	// net/http drops a response whose Content-Length is wrong. Only a response
	// to HEAD may state the length of a body that it lacks.
	if h["Content-Length"] != nil && request.Method != http.MethodHead && r.status != http.StatusNotModified {
		h.Set("Content-Length", strconv.Itoa(r.body.Len()))
	}
	r.under.WriteHeader(r.statusCode())
	if r.body.Len() > 0 {
		r.under.Write(r.body.Bytes()) // the client may be gone
	}
}

// final returns the headers to send, nil if the handler set none.
func (r *response) final() http.Header {
	if r.status != 0 {
		return r.sent
	}
	return r.header
}

// resultOf reads from a wrapped handler's response, and the error that it returned,
// whether it has done its work.
func (e *Endpoint[T]) resultOf(ctx context.Context, r *response, err error) (*Result, error) {
	switch {
	case r.overflowed && !r.discards:
		return nil, errResponseTooLarge
	case err != nil && r.status/100 == 4 && statusOf(err) == 0:
		return nil, WithStatus(r.status, err) // that it has answered counts
	case err != nil:
		return nil, err
	case r.status == 0 && ctx.Err() != nil:
		// It has given up, or it would have responded. To take its silence for
		// a 200, as net/http does, would lose the event.
		return nil, fmt.Errorf("%w: the handler wrote no response", ErrTimeout)
	case r.statusCode()/100 != 2:
		return nil, responseError(r.statusCode())
	case e.sender.Duplicate == hmacverify.Replay:
		return r.result(), nil
	}
	return nil, nil
}

// A responseError is the failure of a handler that has responded with that status.
type responseError int

func (e responseError) Error() string { return fmt.Sprintf("the handler responded %d", int(e)) }

// HTTPStatus returns the status.
func (e responseError) HTTPStatus() int { return int(e) }
