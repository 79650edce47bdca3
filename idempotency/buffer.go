package idempotency

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"time"
)

var errResponseTooLarge = errors.New("idempotency: response larger than MaxResponse")

// A buffer is the response writer that holds a response back. It has no Flush,
// Hijack or Unwrap: each would let bytes out before the work is durable.
type buffer struct {
	under      http.ResponseWriter
	max        int
	header     http.Header // nil until the handler asks for it
	sent       http.Header // header as it was at WriteHeader
	status     int         // 0 until WriteHeader
	body       bytes.Buffer
	overflowed bool
}

// Header implements [http.ResponseWriter]. The handler finds what was set around
// it; what it sets itself is not sent with any answer but its own.
func (b *buffer) Header() http.Header {
	if b.header == nil {
		b.header = b.under.Header().Clone()
	}
	if b.header == nil {
		b.header = make(http.Header)
	}
	return b.header
}

// WriteHeader implements [http.ResponseWriter]. As in net/http, the first call
// counts and a status that is none panics; while the work can still be undone.
// 101 is a failure: the connection is not the handler's, and HTTP/2 would send it
// as a mere notice, with a 200 after it.
func (b *buffer) WriteHeader(status int) {
	if status < 100 || status > 999 {
		panic(fmt.Sprintf("idempotency: invalid WriteHeader code %d", status))
	}
	if status == http.StatusSwitchingProtocols {
		status = http.StatusInternalServerError
	}
	if b.status != 0 || status < 200 {
		return
	}
	b.status, b.sent = status, b.header.Clone()
}

// Write implements [http.ResponseWriter]. A response that grows beyond the limit
// fails, with all of its work.
func (b *buffer) Write(p []byte) (int, error) {
	if b.status == 0 {
		b.WriteHeader(http.StatusOK)
	}
	switch {
	case b.status == http.StatusNoContent || b.status == http.StatusNotModified:
		return 0, http.ErrBodyNotAllowed
	case b.overflowed || len(p) > b.max-b.body.Len():
		b.overflowed = true
		return 0, errResponseTooLarge
	}
	return b.body.Write(p)
}

// SetReadDeadline is for [http.ResponseController].
func (b *buffer) SetReadDeadline(t time.Time) error {
	return http.NewResponseController(b.under).SetReadDeadline(t)
}

// SetWriteDeadline is for [http.ResponseController].
func (b *buffer) SetWriteDeadline(t time.Time) error {
	return http.NewResponseController(b.under).SetWriteDeadline(t)
}

// statusCode returns the status that the handler answered; one that wrote
// nothing has answered 200, as in net/http.
func (b *buffer) statusCode() int { return cmp.Or(b.status, http.StatusOK) }

// result returns what is kept of the response for Replay. A body that cannot be
// read without headers that are not kept is not kept either.
func (b *buffer) result() *Result {
	h := b.final()
	if h.Get("Content-Encoding") != "" {
		return &Result{Status: b.statusCode()}
	}
	return &Result{
		Status:      b.statusCode(),
		ContentType: h.Get("Content-Type"),
		Body:        bytes.Clone(b.body.Bytes()),
	}
}

// send writes the response to r's client.
func (b *buffer) send(r *http.Request) {
	h := b.under.Header()
	if final := b.final(); final != nil {
		clear(h)
		maps.Copy(h, final)
	}
	// A wrong Content-Length would have net/http drop the whole answer. Only an
	// answer to HEAD may name the length of a body that it does not have.
	if h["Content-Length"] != nil && r.Method != http.MethodHead && b.status != http.StatusNotModified {
		h.Set("Content-Length", strconv.Itoa(b.body.Len()))
	}
	b.under.WriteHeader(b.statusCode())
	if b.body.Len() > 0 {
		b.under.Write(b.body.Bytes()) // the client may be gone
	}
}

// final returns the headers to send, nil if the handler set none.
func (b *buffer) final() http.Header {
	if b.status != 0 {
		return b.sent
	}
	return b.header
}
