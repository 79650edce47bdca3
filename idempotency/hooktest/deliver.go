package hooktest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// bodyID is the ID of an event that has none.
func bodyID(body string) string {
	sum := sha256.Sum256([]byte(body))
	return "evt_" + hex.EncodeToString(sum[:8])
}

// Deliver delivers e to h, and returns the response. Call it again for a retry.
func (s *Sender) Deliver(tb testing.TB, h http.Handler, e Event) Response {
	tb.Helper()
	return serve(h, s.Request(tb, e))
}

func serve(h http.Handler, r *http.Request) Response {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return responseOf(w.Result())
}

// DeliverCopies delivers n copies of e to h, all at once, and returns the responses.
// Check them with [WantOnce].
func (s *Sender) DeliverCopies(tb testing.TB, h http.Handler, n int, e Event) []Response {
	tb.Helper()
	requests := make([]*http.Request, n)
	for i := range requests {
		requests[i] = s.Request(tb, e)
	}
	responses := make([]Response, n)
	start := make(chan struct{})
	var copies sync.WaitGroup
	for i, r := range requests {
		copies.Go(func() {
			<-start
			responses[i] = serve(h, r)
		})
	}
	close(start)
	copies.Wait()
	return responses
}

// CutOff delivers e to h and lets the connection break when h begins to respond: what
// h writes fails, and the request's context ends. The sender, which saw no response,
// delivers again: call Deliver.
func (s *Sender) CutOff(tb testing.TB, h http.Handler, e Event) {
	tb.Helper()
	ctx, cancel := context.WithCancel(tb.Context())
	defer cancel()
	h.ServeHTTP(&brokenWriter{header: http.Header{}, broken: cancel}, s.Request(tb, e).WithContext(ctx))
}

// GoAway delivers e to h as a sender that gives up at once: when h has read the
// request, its context ends, and what h writes fails. The sender delivers again: call
// Deliver.
func (s *Sender) GoAway(tb testing.TB, h http.Handler, e Event) {
	tb.Helper()
	ctx, cancel := context.WithCancel(tb.Context())
	defer cancel()
	r := s.Request(tb, e).WithContext(ctx)
	r.Body = &lastRequest{Reader: strings.NewReader(e.Body), left: len(e.Body), read: cancel}
	h.ServeHTTP(&brokenWriter{header: http.Header{}, broken: cancel}, r)
}

// brokenWriter is the connection to a client that is gone.
type brokenWriter struct {
	header http.Header
	broken func()
}

func (w *brokenWriter) Header() http.Header { return w.header }

func (w *brokenWriter) WriteHeader(int) { w.broken() }

func (w *brokenWriter) Write([]byte) (int, error) { return 0, w.FlushError() }

// FlushError is what http.ResponseController calls.
func (w *brokenWriter) FlushError() error {
	w.broken()
	return syscall.EPIPE
}

// lastRequest is a body that says when it has been read: by its size, because who
// knows that does not read on to io.EOF.
type lastRequest struct {
	io.Reader
	left int
	read func()
}

func (b *lastRequest) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if b.left -= n; b.left == 0 {
		b.read()
	}
	return n, err
}

func (b *lastRequest) Close() error { return nil }

// Orders returns the events in every order that they can arrive in: 6 orders for 3
// events, 24 for 4. Each needs an endpoint, and a database, of its own.
func Orders(events ...Event) iter.Seq[[]Event] {
	return func(yield func([]Event) bool) { permute(nil, events, yield) }
}

// permute yields what begins with done and goes on with rest in any order, and
// reports whether to go on.
func permute(done, rest []Event, yield func([]Event) bool) bool {
	if len(rest) == 0 {
		return yield(done)
	}
	for i, e := range rest {
		if !permute(append(slices.Clip(done), e), slices.Delete(slices.Clone(rest), i, i+1), yield) {
			return false
		}
	}
	return true
}
