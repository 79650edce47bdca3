package idempotency_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
)

// bodyTimeout is long enough for a genuine client on a busy machine.
const bodyTimeout = 2 * time.Second

// slowEndpoints returns the two kinds of an endpoint, which wait for a body for
// bodyTimeout, and accept a request with that header.
func slowEndpoints(t *testing.T, g *rig, signature string) map[string]*idempotency.Endpoint[lease.Claim] {
	t.Helper()
	limits := &hmacverify.Options{BodyTimeout: bodyTimeout}
	verifier, err := hmacverify.New(preset.XSignature256(), limits, "secret")
	if err != nil {
		t.Fatal(err)
	}
	reader, err := hmacverify.NewBodyReader(limits)
	if err != nil {
		t.Fatal(err)
	}
	unverified := newEndpoint(t, g.runner, idempotency.Options{MaxInFlight: 4, ID: func(r *http.Request, _ *hmacverify.Delivery) (string, error) {
		return signature, nil
	}})
	unverified.SetBodyReader(reader)
	verified, err := idempotency.NewEndpoint("verified", verifier, g.runner, &idempotency.Options{MaxInFlight: 4})
	if err != nil {
		t.Fatal(err)
	}
	return map[string]*idempotency.Endpoint[lease.Claim]{"verified": verified, "unverified": unverified}
}

// Clients that stall within the body get a response in time, whatever is behind the
// endpoint, and deliveries get through meanwhile. Those have no deadline in their
// handler, and the connection can be used again.
func TestEndpoint_StalledBodies(t *testing.T) {
	t.Parallel()
	const clients, event = 60, `{"eventId":"evt_1"}`
	signature := newSigned(t, preset.XSignature256()).request(t, event).Header.Get("X-Signature-256")
	linger := func(ctx context.Context) {
		if time.Sleep(bodyTimeout * 11 / 10); ctx.Err() != nil {
			t.Errorf("the handler's context has ended: %v", context.Cause(ctx))
		}
	}
	for _, mode := range []string{"Handle", "Wrap"} {
		g := newRig(t)
		for name, e := range slowEndpoints(t, g, signature) {
			t.Run(mode+", "+name, func(t *testing.T) {
				var active atomic.Int64
				handler := e.Handle(func(ctx context.Context, _ lease.Claim, _ *hmacverify.Delivery) error {
					linger(ctx)
					return nil
				})
				if mode == "Wrap" {
					handler = e.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { linger(r.Context()) }))
				}
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					active.Add(1)
					defer active.Add(-1)
					handler.ServeHTTP(w, r)
					if err := r.Context().Err(); err != nil && r.ContentLength == int64(len(event)) {
						t.Errorf("the request's context has ended: %v", err)
					}
				}))
				defer server.Close()
				var stalled []net.Conn
				for range clients {
					stalled = append(stalled, stall(t, server, strings.Repeat("0", 64)))
				}
				await(t, "the requests", func() bool { return active.Load() == clients })

				conn := dial(t, server)
				reader := bufio.NewReader(conn)
				for i := range 2 { // the second one is a duplicate, and may be a 409
					fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nX-Signature-256: %s\r\nContent-Length: %d\r\n\r\n", signature, len(event))
					time.Sleep(bodyTimeout / 10)
					io.WriteString(conn, event)
					if got, _ := receive(t, reader); got != http.StatusOK && (i == 0 || got != http.StatusConflict) {
						t.Errorf("delivery %d: got %d", i, got)
					}
				}
				const want = `{"type":"about:blank","title":"Request Timeout","status":408,"code":"body_timeout"}`
				for _, conn := range stalled {
					if got, body := receive(t, bufio.NewReader(conn)); got != http.StatusRequestTimeout || body != want {
						t.Errorf("got %d %s", got, body)
					}
				}
				await(t, "the end of all requests", func() bool { return active.Load() == 0 })
			})
		}
		refused := 0
		for _, e := range g.observed() {
			if e.Kind == idempotency.KindRefused {
				refused++
				checkError(t, e.Err, hmacverify.ErrBodyTimeout)
				if e.Status != http.StatusRequestTimeout {
					t.Errorf("observed status %d, want 408", e.Status)
				}
			}
		}
		if refused != 2*clients {
			t.Errorf("%s: observed %d refusals, want %d", mode, refused, 2*clients)
		}
	}
}

// stall connects, announces a megabyte, and sends a byte.
func stall(t *testing.T, server *httptest.Server, signature string) net.Conn {
	t.Helper()
	conn := dial(t, server)
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nX-Signature-256: %s\r\nContent-Length: %d\r\n\r\n{", signature, 1<<20)
	return conn
}

func dial(t *testing.T, server *httptest.Server) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

func receive(t *testing.T, r *bufio.Reader) (status int, body string) {
	t.Helper()
	response, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// The memory of unverified bodies is bounded too, and Options.ErrorHandler hears why.
func TestEndpoint_UnverifiedBodiesOverloaded(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	e := newEndpoint(t, g.runner, idempotency.Options{})
	reader, err := hmacverify.NewBodyReader(&hmacverify.Options{MaxBody: 100, MaxUnverified: 200})
	if err != nil {
		t.Fatal(err)
	}
	e.SetBodyReader(reader)
	h := e.Handle(func(context.Context, lease.Claim, *hmacverify.Delivery) error { return nil })
	var nested int
	var nest func() // serves another request while the body of this one arrives
	nest = func() {
		if nested++; nested <= 2 {
			r := newDelivery(fmt.Sprint("evt_", nested), strings.Repeat("x", 100))
			r.Body = io.NopCloser(io.MultiReader(funcReader(nest), r.Body))
			if w := serve(h, r); w.Code != http.StatusOK {
				t.Errorf("request %d: got %d", nested, w.Code)
			}
			return
		}
		w := serve(h, newDelivery("evt", "x"))
		if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
			t.Errorf("got %d %v, want 503 with Retry-After", w.Code, w.Header())
		}
		checkError(t, g.lastError(t), hmacverify.ErrOverloaded)
	}
	nest()
	if w := serve(h, newDelivery("evt", "x")); w.Code != http.StatusOK {
		t.Errorf("afterwards: got %d", w.Code)
	}
}

// A funcReader is empty, and calls f once.
type funcReader func()

func (f funcReader) Read([]byte) (int, error) { f(); return 0, io.EOF }
