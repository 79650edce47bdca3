package idempotency

import (
	"bytes"
	"cmp"
	"errors"
	"maps"
	"net/http"
	"time"
)

var errResponseTooLarge = errors.New("idempotency: response larger than MaxResponse")

// A buffer is the response writer that holds a response back. It has no Flush,
// Hijack or Unwrap: each would let bytes out before the work is durable.
type buffer struct {
	under      http.ResponseWriter
	max        int
	header     http.Header
	sent       http.Header // header as it was at WriteHeader
	status     int
	body       bytes.Buffer
	overflowed bool
}

func (b *buffer) reset(under http.ResponseWriter, max int) {
	b.body.Reset()
	*b = buffer{under: under, max: max, header: under.Header().Clone(), body: b.body}
	if b.header == nil {
		b.header = make(http.Header)
	}
}

func (b *buffer) Header() http.Header { return b.header }

func (b *buffer) WriteHeader(status int) {
	informational := status >= 100 && status < 200 && status != http.StatusSwitchingProtocols
	if b.status != 0 || informational {
		return
	}
	b.status, b.sent = status, b.header.Clone()
}

// Write implements [http.ResponseWriter]. A response that grows beyond the limit
// fails, with all of its work.
func (b *buffer) Write(p []byte) (int, error) {
	b.WriteHeader(http.StatusOK)
	if b.overflowed || len(p) > b.max-b.body.Len() {
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

func (b *buffer) succeeded() bool { return b.statusCode()/100 == 2 }

// result returns what is kept of the response for Replay.
func (b *buffer) result() *Result {
	return &Result{
		Status:      b.statusCode(),
		ContentType: b.final().Get("Content-Type"),
		Body:        bytes.Clone(b.body.Bytes()),
	}
}

// send writes the response to the client.
func (b *buffer) send() {
	h := b.under.Header()
	clear(h)
	maps.Copy(h, b.final())
	b.under.WriteHeader(b.statusCode())
	b.under.Write(b.body.Bytes())
}

func (b *buffer) final() http.Header {
	if b.status != 0 {
		return b.sent
	}
	return b.header
}
