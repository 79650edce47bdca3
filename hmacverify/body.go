package hmacverify

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

// A BodyReader reads the bodies of requests that are not authenticated yet. It bounds
// how long a body may take to arrive, and the memory of all bodies that are arriving,
// so that clients without a key can hold neither connections nor memory for long.
//
// A [Verifier] has one of its own: use a BodyReader where something else authenticates
// the requests. The zero BodyReader has the defaults of [Options]. It is safe for
// concurrent use; do not copy it.
type BodyReader struct {
	maxBody       int64
	maxUnverified int64
	timeout       time.Duration

	held atomic.Int64 // bytes of memory
}

// NewBodyReader returns a BodyReader with the MaxBody, MaxUnverified and BodyTimeout
// of o, which may be nil. The error is [ErrConfig].
func NewBodyReader(o *Options) (*BodyReader, error) {
	if o == nil {
		o = &Options{}
	}
	if field, why := o.checkBody(&Scheme{}); field != "" {
		return nil, fmt.Errorf("%w: %s: %s", ErrConfig, field, why)
	}
	b := &BodyReader{}
	b.configure(o.withDefaults(&Scheme{}))
	return b, nil
}

func (b *BodyReader) configure(o Options) {
	b.maxBody, b.maxUnverified, b.timeout = o.MaxBody, o.MaxUnverified, o.BodyTimeout
}

// Read returns the body of r, with the limit of time that [Verifier.Receive]
// describes. If it refuses, and much of the body could still arrive, it sets the
// header Connection.
//
// The errors are [ErrBodyTooLarge], [ErrBodyTimeout], [ErrBodyUnreadable] and
// [ErrOverloaded].
func (b *BodyReader) Read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	a := arrival{reader: b, w: w, request: r}
	defer a.release()
	body, err := a.read()
	if err == nil {
		return body, nil
	}
	a.refuse()
	if w != nil && mustHangUp(r, err) {
		w.Header().Set("Connection", "close")
	}
	return nil, err
}

// An arrival is the body of one request while it arrives and is verified.
type arrival struct {
	reader  *BodyReader
	w       http.ResponseWriter // nil if there is none to set a deadline with
	request *http.Request
	held    int64     // its part of reader.held
	began   time.Time // when the deadline was set first; zero before
	without bool      // the connection takes no deadline
}

// read returns the body.
func (a *arrival) read() ([]byte, error) {
	r, limit := a.request, cmp.Or(a.reader.maxBody, defaultMaxBody)
	switch {
	case r.ContentLength > limit:
		return nil, fmt.Errorf("%w: Content-Length %d, limit %d", ErrBodyTooLarge, r.ContentLength, limit)
	case !hasBody(r):
		return nil, nil
	}
	n := r.ContentLength // so many bytes are read, and no more
	if n <= 0 {
		n = limit + 1 // one byte over the limit is enough to refuse the body
	}
	body, err := a.fill(n)
	switch {
	case err != nil:
		return nil, err
	case int64(len(body)) > limit:
		return nil, fmt.Errorf("%w: no Content-Length, limit %d", ErrBodyTooLarge, limit)
	case int64(len(body)) < r.ContentLength:
		return nil, fmt.Errorf("%w: %w", ErrBodyUnreadable, io.ErrUnexpectedEOF)
	}
	a.arrived()
	if cap(body) > 2*len(body) { // the handler keeps it for longer than we
		return a.move(body, int64(len(body)))
	}
	return body, nil
}

// window is how much of a body must arrive in time for the limit to start anew. An
// average over the whole body would let a client that was fast stall for long.
const window = 64 << 10

// fill reads n bytes, or less if the body ends before.
func (a *arrival) fill(n int64) (body []byte, err error) {
	for next := int64(0); int64(len(body)) < n && err == nil; {
		if int64(len(body)) >= next {
			a.limitTime()
			next = int64(len(body)) + window
		}
		if len(body) == cap(body) {
			if body, err = a.move(body, roomFor(body, n)); err != nil {
				return nil, err
			}
		}
		var read int
		read, err = a.request.Body.Read(body[len(body):cap(body)])
		body = body[:len(body)+read]
	}
	if err != nil && err != io.EOF && int64(len(body)) < n {
		return nil, readError(err, len(body))
	}
	return body, nil
}

// roomFor returns how much memory to have for a body of at most n bytes, of which some
// have arrived. A client that announces megabytes and sends a byte must not cost
// megabytes: beyond 64 KiB, it is at most four times what has arrived.
func roomFor(body []byte, n int64) int64 {
	const first, second = 4 << 10, 64 << 10
	switch arrived := int64(len(body)); {
	case arrived == 0 && n > 2*first:
		return first
	case arrived < second:
		return min(n, second)
	case arrived < n/4:
		return 2 * arrived
	}
	return n
}

// move moves body to memory of the given size, and counts it.
func (a *arrival) move(body []byte, size int64) ([]byte, error) {
	before := a.held
	if err := a.hold(size); err != nil {
		return nil, err
	}
	moved := append(make([]byte, 0, size), body...)
	a.drop(before)
	return moved, nil
}

// hold counts memory, if there is a reader to count it for.
func (a *arrival) hold(size int64) error {
	if a.reader == nil {
		return nil
	}
	if limit := cmp.Or(a.reader.maxUnverified, defaultMaxUnverified); a.reader.held.Add(size) > limit {
		a.reader.held.Add(-size)
		return fmt.Errorf("%w: they would hold more than %d bytes", ErrOverloaded, limit)
	}
	a.held += size
	return nil
}

// drop ends the counting of so much memory.
func (a *arrival) drop(size int64) {
	if a.reader != nil {
		a.reader.held.Add(-size)
		a.held -= size
	}
}

// release ends the counting.
func (a *arrival) release() { a.drop(a.held) }

// limitTime gives the client so much time to send the next bytes, if the connection
// allows that. It does not extend the limit that the server may have for the whole
// request, which it replaces.
func (a *arrival) limitTime() {
	if a.w == nil || a.without {
		return
	}
	now := time.Now()
	if a.began.IsZero() {
		a.began = now
	}
	end := now.Add(cmp.Or(a.reader.timeout, defaultBodyTimeout))
	if s, ok := a.request.Context().Value(http.ServerContextKey).(*http.Server); ok && s.ReadTimeout > 0 {
		if whole := a.began.Add(s.ReadTimeout); whole.Before(end) {
			end = whole
		}
	}
	a.setDeadline(end)
}

// arrived removes the limit. At the end of the body net/http begins to watch the
// connection for the client's leaving; a deadline would then pass for that, and end
// the context of the handler.
func (a *arrival) arrived() {
	if a.w != nil && !a.without {
		a.setDeadline(time.Time{})
	}
}

// setDeadline is SetReadDeadline of an [http.ResponseController] without its error,
// which costs as much as half the verification of a small body.
func (a *arrival) setDeadline(t time.Time) {
	for w := a.w; ; {
		switch under := w.(type) {
		case interface{ SetReadDeadline(time.Time) error }:
			a.without = under.SetReadDeadline(t) != nil
			return
		case interface{ Unwrap() http.ResponseWriter }:
			w = under.Unwrap()
		default:
			a.without = true
			return
		}
	}
}

// refuse limits the time of a body that was not read, because net/http may wait for it
// before it sends the response, or before it closes the connection. A limit that has
// been set stays.
func (a *arrival) refuse() {
	if a.began.IsZero() && hasBody(a.request) {
		a.limitTime()
	}
}

func hasBody(r *http.Request) bool { return r.Body != nil && r.Body != http.NoBody }

// readError says why a body did not arrive, of which n bytes did.
func readError(err error, n int) error {
	if errors.Is(err, os.ErrDeadlineExceeded) { // ours, or the server's ReadTimeout
		return fmt.Errorf("%w: %d bytes had arrived", ErrBodyTimeout, n)
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok { // from an http.MaxBytesReader around ours
		return fmt.Errorf("%w: %w", ErrBodyTooLarge, err)
	}
	return fmt.Errorf("%w: %w", ErrBodyUnreadable, err)
}

// putBack makes r read the body, as it would have before we did.
func putBack(r *http.Request, d *Delivery) {
	body := d.Body
	r.Header = d.Header // without Content-Encoding if the body was decompressed
	r.Body = &replay{reader: *bytes.NewReader(body), original: r.Body}
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	r.ContentLength = int64(len(body))
}

// replay is a body that was read before. Closing it closes the original.
type replay struct {
	reader   bytes.Reader
	original io.Closer
}

func (r *replay) Read(p []byte) (int, error) { return r.reader.Read(p) }

func (r *replay) Close() error {
	if r.original == nil {
		return nil
	}
	return r.original.Close()
}
