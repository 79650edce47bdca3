package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// The canaries must not occur in any log or response.
const (
	canarySecret = "canary-secret-5d41402abc4b2a76"
	canaryBody   = "canary-body-7d793037a0760186"
)

// logged is the log of every server in this process.
var logged syncBuffer

// A syncBuffer is a buffer for concurrent writers.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// A hostile is a server, with the settings of the real one, and its responses.
type hostile struct {
	*app
	addr      string
	responses syncBuffer

	mu   sync.Mutex // guards macs
	macs []string   // of what was signed
}

// newHostile serves the database, and at the end of the test looks for canaries in the
// responses and the log.
func newHostile(t testing.TB, dbURL string) *hostile {
	t.Helper()
	h := &hostile{}
	a, err := newApp(t.Context(), dbURL, canarySecret, nil)
	if err != nil {
		t.Fatal(err)
	}
	h.app = a
	t.Cleanup(a.close)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.addr = listener.Addr().String()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	served := make(chan error, 1)
	go func() { served <- serve(ctx, listener, a.routes()) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
		h.checkCanaries(t)
	})
	if err := a.sessions.Create(t.Context(), newSession("sess_1")); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *hostile) checkCanaries(t testing.TB) {
	h.mu.Lock()
	defer h.mu.Unlock()
	responses, log := strings.ToLower(h.responses.String()), strings.ToLower(logged.String())
	if responses == "" || log == "" {
		t.Error("the server has not responded, or nothing was logged, so this shows nothing")
	}
	said := responses + log
	for _, canary := range append([]string{canarySecret, canaryBody}, h.macs...) {
		if at := strings.Index(said, canary); at >= 0 {
			t.Errorf("the server discloses %q:\n%s", canary, said[max(0, at-200):min(len(said), at+200)])
		}
	}
}

// sign returns the signature of body.
func (h *hostile) sign(body string) string {
	m := hmac.New(sha256.New, []byte(canarySecret))
	io.WriteString(m, body)
	mac := hex.EncodeToString(m.Sum(nil))
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.macs) < 1000 {
		h.macs = append(h.macs, mac)
	}
	return mac
}

// callback is a body for the event, with the canary in it. Any number of them can
// be applied to the one session.
func callback(event string) string {
	return `{"eventId":"` + event + `","sessionId":"sess_1","status":"needs_review","details":"` + canaryBody + `"}`
}

// post returns a request as it goes over the wire.
func post(body string, headers ...string) string {
	return fmt.Sprintf("POST /webhooks/ai-verification HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n%s\r\n%s",
		len(body), lines(headers), body)
}

func lines(headers []string) string {
	var b strings.Builder
	for _, header := range headers {
		b.WriteString(header + "\r\n")
	}
	return b.String()
}

// dial connects, with a deadline that a busy machine can meet.
func (h *hostile) dial(t testing.TB) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", h.addr)
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(20 * time.Second))
	t.Cleanup(func() { c.Close() })
	return c
}

// raw sends bytes, closes its side, and returns the status of the response; 0 if the
// connection was closed without one.
func (h *hostile) raw(t testing.TB, request string) int {
	t.Helper()
	c := h.dial(t)
	defer c.Close()
	io.WriteString(c, request) // the server may hang up before the end
	c.(*net.TCPConn).CloseWrite()
	return h.answer(c)
}

// answer reads a response and returns its status.
func (h *hostile) answer(c net.Conn) int {
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	resp.Write(&h.responses) // headers and body
	return resp.StatusCode
}

// signed sends a body with its signature.
func (h *hostile) signed(t testing.TB, body string) int {
	t.Helper()
	return h.raw(t, post(body, "X-Signature-256: "+h.sign(body)))
}

// records returns the number of recorded events.
func (h *hostile) records(t testing.TB) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // a flood may have taken every connection
	defer cancel()
	var n int
	if err := h.db.QueryRowContext(ctx, "SELECT count(*) FROM idempotency_records").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// inUse returns how many connections to the database the server holds.
func (h *hostile) inUse() int {
	if h.pool != nil {
		return int(h.pool.Stat().AcquiredConns())
	}
	return h.db.Stats().InUse
}

// checkRefused checks that a forgery was refused, by a 4xx or by closing the connection.
func checkRefused(t testing.TB, status int) {
	t.Helper()
	if status != 0 && status/100 != 4 {
		t.Errorf("responded %d, want 4xx", status)
	}
}

// heap returns the bytes in use after a collection.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
