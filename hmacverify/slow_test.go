package hmacverify_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
)

// These tests are about clients that are slow with the body, over real connections. A
// few seconds of real time pass, because net/http's deadlines are the network's.

// shortTimeout is long enough for a genuine client on a busy machine.
const shortTimeout = 2 * time.Second

const timedOut = `{"type":"about:blank","title":"Request Timeout","status":408,"code":"body_timeout"}`

// A slowServer counts the requests that are in its handler, and keeps why some were
// refused.
type slowServer struct {
	*httptest.Server
	begun, active atomic.Int64

	mu      sync.Mutex
	reasons []error
}

// onBoth runs f with a server of each version of HTTP, in front of whose next stands
// a verifier of s. The connection's writer is wrapped by wrap, if that is not nil.
func onBoth(t *testing.T, s hmacverify.Scheme, o hmacverify.Options, next http.Handler, f func(t *testing.T, server *slowServer)) {
	t.Helper()
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run(proto, func(t *testing.T) {
			t.Parallel()
			f(t, newSlowServer(t, s, o, next, proto == "HTTP/2.0", 0))
		})
	}
}

func newSlowServer(t testing.TB, s hmacverify.Scheme, o hmacverify.Options, next http.Handler, http2 bool, readTimeout time.Duration) *slowServer {
	t.Helper()
	server := &slowServer{}
	o.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, err error) {
		server.mu.Lock()
		defer server.mu.Unlock()
		server.reasons = append(server.reasons, err)
		hmacverify.WriteError(w, err)
	}
	handler := newVerifier(t, s, &o, testKey).Handler(next)
	server.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		server.begun.Add(1)
		server.active.Add(1)
		defer server.active.Add(-1)
		handler.ServeHTTP(w, r)
	}))
	server.Config.ReadTimeout = readTimeout
	if server.EnableHTTP2 = http2; http2 {
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	return server
}

// waitIdle waits until no request is in the handler.
func (s *slowServer) waitIdle(t *testing.T) {
	t.Helper()
	await(t, "the end of all requests", func() bool { return s.active.Load() == 0 })
}

func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 30s", what)
		}
	}
}

// post sends a delivery whose body is read from body, and returns the response.
func (s *slowServer) post(ctx context.Context, h http.Header, body io.Reader, length int64) (status int, answer string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL, body)
	if err != nil {
		return 0, "", err
	}
	r.Header, r.ContentLength = h, length
	response, err := s.Client().Do(r)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	if http2 := s.EnableHTTP2; (response.ProtoMajor == 2) != http2 {
		return 0, "", fmt.Errorf("spoke %s", response.Proto)
	}
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(text), err
}

// A slowBody is a body that arrives in pieces, with a pause before each but the first.
// After limit bytes, if that is not 0, it stalls until it is closed or the context ends.
type slowBody struct {
	ctx    context.Context
	text   string
	piece  int
	pause  time.Duration
	limit  int
	offset int
	closed chan struct{} // non-nil if there is a limit
}

// stalling returns a body of size bytes that stalls after sent of them.
func stalling(ctx context.Context, size, sent int) *slowBody {
	return &slowBody{ctx: ctx, text: slowEvent(size), piece: size, limit: sent, closed: make(chan struct{})}
}

func (b *slowBody) Read(p []byte) (int, error) {
	switch {
	case b.limit > 0 && b.offset >= b.limit:
		select {
		case <-b.closed:
		case <-b.ctx.Done():
		}
		return 0, io.ErrClosedPipe
	case b.offset >= len(b.text):
		return 0, io.EOF
	case b.offset > 0 && b.offset%b.piece == 0:
		time.Sleep(b.pause)
	}
	n := copy(p, b.text[b.offset:min(len(b.text), b.offset+b.piece-b.offset%b.piece)])
	if b.limit > 0 {
		n = min(n, b.limit-b.offset)
	}
	b.offset += n
	return n, nil
}

func (b *slowBody) Close() error {
	if b.closed != nil {
		close(b.closed)
	}
	return nil
}

func slowEvent(size int) string {
	const head = `{"eventId":"evt_1","data":"`
	return head + strings.Repeat("a", size-len(head)-2) + `"}`
}

var accept = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })

// Clients without a key announce a megabyte, send some of it, and stall. They hold
// little memory, each gets its response in time, and deliveries get through meanwhile.
func TestVerifier_StalledBodies(t *testing.T) {
	const clients = 60
	for _, tt := range []struct {
		name    string
		sent    int
		chunked bool
		memory  int64 // of all clients
	}{
		{"a kilobyte", 1 << 10, false, 3 << 20},
		{"over 64 KiB", 64<<10 + 1, false, clients * 256 << 10},
		{"a kilobyte of unknown length", 1 << 10, true, 3 << 20},
	} {
		t.Run(tt.name, func(t *testing.T) { // not in parallel with others, whose memory would count
			server := newSlowServer(t, preset.XSignature256(), hmacverify.Options{BodyTimeout: shortTimeout}, accept, false, 0)
			before := heapInUse()
			start := time.Now()
			var conns []net.Conn
			for range clients {
				conn, err := net.Dial("tcp", server.Listener.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				head := fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nX-Signature-256: %064d\r\n", 0)
				if tt.chunked {
					fmt.Fprintf(conn, "%sTransfer-Encoding: chunked\r\n\r\n%x\r\n%s", head, 1<<20, unsignedChunk[:tt.sent])
				} else {
					fmt.Fprintf(conn, "%sContent-Length: %d\r\n\r\n", head, 1<<20)
					conn.Write(make([]byte, tt.sent))
				}
				conns = append(conns, conn)
			}
			await(t, "the requests", func() bool { return server.active.Load() == clients })
			time.Sleep(shortTimeout / 10) // in which they read what was sent
			grown := int64(heapInUse()) - int64(before)
			if server.active.Load() != clients {
				t.Fatal("the memory could not be measured before the timeout")
			}
			t.Logf("%d clients hold %d KiB", clients, grown>>10)
			if grown > tt.memory {
				t.Errorf("they hold %d KiB, want at most %d", grown>>10, tt.memory>>10)
			}

			genuine := signed(t, preset.XSignature256(), nil, ruleBody, testKey)
			delivered := 0
			for server.active.Load() > 1 && time.Since(start) < 30*time.Second {
				got, _, err := server.post(t.Context(), genuine, strings.NewReader(ruleBody), int64(len(ruleBody)))
				if got != http.StatusNoContent || err != nil {
					t.Fatalf("a delivery got %d, %v", got, err)
				}
				delivered++
			}
			for _, conn := range conns {
				checkTimedOut(t, conn)
			}
			t.Logf("released after %v; %d deliveries got through meanwhile", time.Since(start), delivered)
			server.waitIdle(t)
			server.mu.Lock()
			defer server.mu.Unlock()
			if len(server.reasons) != clients || delivered == 0 {
				t.Errorf("refused %d and accepted %d, want %d and some", len(server.reasons), delivered, clients)
			}
			for _, err := range server.reasons {
				wantErr(t, err, hmacverify.ErrBodyTimeout)
			}
		})
	}
}

// checkTimedOut checks that the client gets the constant refusal, and the connection
// is closed.
func checkTimedOut(t *testing.T, conn net.Conn) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if response.StatusCode != http.StatusRequestTimeout || string(body) != timedOut || err != nil {
		t.Errorf("got %d %s, %v", response.StatusCode, body, err)
	}
	if _, err := reader.ReadByte(); err == nil || !response.Close {
		t.Errorf("the connection stays open: close %t, %v", response.Close, err)
	}
}

func TestVerifier_StalledStreams(t *testing.T) {
	t.Parallel()
	const clients = 60
	server := newSlowServer(t, preset.XSignature256(), hmacverify.Options{BodyTimeout: shortTimeout}, accept, true, 0)
	forged := http.Header{"X-Signature-256": {strings.Repeat("0", 64)}}
	genuine := signed(t, preset.XSignature256(), nil, ruleBody, testKey)
	deliver := func() {
		got, _, err := server.post(t.Context(), genuine, strings.NewReader(ruleBody), int64(len(ruleBody)))
		if got != http.StatusNoContent || err != nil {
			t.Fatalf("a delivery got %d, %v", got, err)
		}
	}
	deliver() // so that there is a connection, for all streams
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			body := stalling(t.Context(), 1<<20, 1<<10)
			got, answer, err := server.post(t.Context(), forged, body, 1<<20)
			if got != http.StatusRequestTimeout || answer != timedOut || err != nil {
				t.Errorf("got %d %s, %v", got, answer, err)
			}
		})
	}
	await(t, "the requests", func() bool { return server.begun.Load() == 1+clients })
	for server.active.Load() > 0 {
		deliver()
	}
	wg.Wait()
	server.waitIdle(t)
}

// A genuine sender may need longer than the timeout, if it sends 64 KiB within that.
// What follows on the connection, the handler and its context have no deadline.
func TestVerifier_SlowDelivery(t *testing.T) {
	t.Parallel()
	s := preset.XSignature256()
	body := slowEvent(5 * 64 << 10)
	header := signed(t, s, nil, body, testKey)
	next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(shortTimeout * 11 / 10)
		if err := r.Context().Err(); err != nil {
			t.Errorf("the handler's context has ended: %v", context.Cause(r.Context()))
		}
		if got, err := io.ReadAll(r.Body); string(got) != body || err != nil {
			t.Errorf("read %d bytes, %v", len(got), err)
		}
		io.WriteString(w, r.RemoteAddr)
	})
	onBoth(t, s, hmacverify.Options{BodyTimeout: shortTimeout}, next, func(t *testing.T, server *slowServer) {
		var addresses []string
		for _, pause := range []time.Duration{shortTimeout * 3 / 10, 0} {
			slow := &slowBody{text: body, piece: 64 << 10, pause: pause}
			got, address, err := server.post(t.Context(), header, slow, int64(len(body)))
			if got != http.StatusOK || err != nil {
				t.Fatalf("pause %v: got %d, %v", pause, got, err)
			}
			addresses = append(addresses, address)
			time.Sleep(shortTimeout * 11 / 10) // idle
		}
		if addresses[0] != addresses[1] {
			t.Errorf("used the connections %v, want one", addresses)
		}
	})
}

// GitHub's largest, at eight megabytes a second, with the default limits.
func TestVerifier_LargeDelivery(t *testing.T) {
	t.Parallel()
	s := preset.GitHub()
	body := slowEvent(25 << 20)
	header := signed(t, s, nil, body, testKey)
	header.Set("X-GitHub-Event", "push")
	for _, announced := range []bool{true, false} {
		t.Run(fmt.Sprintf("announced %t", announced), func(t *testing.T) {
			t.Parallel()
			onBoth(t, s, hmacverify.Options{}, accept, func(t *testing.T, server *slowServer) {
				length := int64(len(body))
				if !announced {
					length = -1
				}
				got, answer, err := server.post(t.Context(), header, &slowBody{text: body, piece: 512 << 10, pause: 60 * time.Millisecond}, length)
				if got != http.StatusNoContent || err != nil {
					t.Errorf("got %d %s, %v", got, answer, err)
				}
			})
		})
	}
}

// A request that its headers refuse has a body too, for which net/http waits.
func TestVerifier_RefusedBodyStalls(t *testing.T) {
	t.Parallel()
	server := newSlowServer(t, preset.XSignature256(), hmacverify.Options{BodyTimeout: 100 * time.Millisecond, MaxBody: 50}, accept, false, 0)
	for _, tt := range []struct {
		name, request string
		want          int
	}{
		{"without a signature, small", "Content-Length: 10\r\n\r\n{", 401},
		{"without a signature, large", "Content-Length: 100000\r\n\r\n{", 401},
		{"without a signature, of unknown length", "Transfer-Encoding: chunked\r\n\r\n9\r\n{", 401},
		{"too large", fmt.Sprintf("X-Signature-256: %064d\r\nContent-Length: 100\r\n\r\n{", 0), 413},
		{"too large, of unknown length", fmt.Sprintf("X-Signature-256: %064d\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n%s", 0, strings.Repeat("x", 60)), 413},
	} {
		t.Run(tt.name, func(t *testing.T) {
			conn := dial(t, server.Listener.Addr().String())
			if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\n%s", tt.request)
			if got := status(t, conn); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
			if n, err := io.Copy(io.Discard, conn); err != nil {
				t.Errorf("the connection stays open: %d bytes, %v", n, err)
			}
		})
	}
}

func TestVerifier_ReadTimeoutStays(t *testing.T) {
	t.Parallel()
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("HTTP/2 %t", http2), func(t *testing.T) {
			t.Parallel()
			server := newSlowServer(t, preset.XSignature256(), hmacverify.Options{BodyTimeout: time.Hour}, accept, http2, time.Second)
			body := stalling(t.Context(), 1<<20, 1<<10)
			got, _, err := server.post(t.Context(), http.Header{"X-Signature-256": {strings.Repeat("0", 64)}}, body, 1<<20)
			if got != http.StatusRequestTimeout || err != nil {
				t.Errorf("got %d, %v, want 408", got, err)
			}
		})
	}
}

// A hidden is a writer of a middleware that lets no one see what is under it; an open
// one does.
type (
	hidden struct{ http.ResponseWriter }
	open   struct{ http.ResponseWriter }
)

func (o open) Unwrap() http.ResponseWriter { return o.ResponseWriter }

func TestVerifier_WrappedWriter(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, preset.XSignature256(), &hmacverify.Options{
		BodyTimeout:  100 * time.Millisecond,
		ErrorHandler: quietOptions().ErrorHandler,
	}, testKey)
	header := signed(t, preset.XSignature256(), nil, ruleBody, testKey)
	for _, tt := range []struct {
		name string
		wrap func(http.ResponseWriter) http.ResponseWriter
		want int
	}{
		{"a writer with Unwrap is limited", func(w http.ResponseWriter) http.ResponseWriter { return open{open{w}} }, 408},
		{"one without is not", func(w http.ResponseWriter) http.ResponseWriter { return open{hidden{w}} }, 204},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			addr := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				v.Handler(accept).ServeHTTP(tt.wrap(w), r)
			}))
			conn := dial(t, addr)
			fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nX-Signature-256: %s\r\nContent-Length: %d\r\n\r\n%s",
				header.Get("X-Signature-256"), len(ruleBody), ruleBody[:5])
			time.Sleep(time.Second)
			fmt.Fprint(conn, ruleBody[5:])
			if got := status(t, conn); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

// Bodies that have not been verified hold no more memory than is allowed, and what
// they held is free afterwards.
func TestVerifier_MaxUnverified(t *testing.T) {
	t.Parallel()
	s := preset.XSignature256()
	large, small := slowEvent(8<<10), slowEvent(100)
	largeHeader, smallHeader := signed(t, s, nil, large, testKey), signed(t, s, nil, small, testKey)
	options := hmacverify.Options{MaxBody: 8 << 10, MaxUnverified: 16 << 10}
	onBoth(t, s, options, accept, func(t *testing.T, server *slowServer) {
		ctx, leave := context.WithCancel(t.Context())
		defer leave()
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				for ctx.Err() == nil { // it can be refused itself, while a small one is read
					server.post(ctx, largeHeader, stalling(ctx, 8<<10, 1), 8<<10)
				}
			})
		}
		var response *http.Response
		await(t, "a refusal", func() bool {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, strings.NewReader(small))
			if err != nil {
				t.Fatal(err)
			}
			r.Header = smallHeader
			if response, err = server.Client().Do(r); err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			return response.StatusCode != http.StatusNoContent
		})
		if after := response.Header.Get("Retry-After"); response.StatusCode != http.StatusServiceUnavailable || after != "5" {
			t.Errorf("got %d, Retry-After %q, want 503 and 5", response.StatusCode, after)
		}
		server.mu.Lock()
		wantErr(t, server.reasons[0], hmacverify.ErrOverloaded)
		server.mu.Unlock()
		leave()
		wg.Wait()
		server.waitIdle(t)
		if got, _, err := server.post(t.Context(), largeHeader, strings.NewReader(large), 8<<10); got != 204 || err != nil {
			t.Errorf("afterwards: got %d, %v, want 204", got, err)
		}
	})
}

// A body can find the memory taken when it is half-way.
func TestBodyReader_OverloadedHalfWay(t *testing.T) {
	t.Parallel()
	reader, err := hmacverify.NewBodyReader(&hmacverify.Options{MaxBody: 1 << 20, MaxUnverified: 2 << 20})
	if err != nil {
		t.Fatal(err)
	}
	body := strings.Repeat("x", 1<<20)
	// read reads a megabyte, and calls before when all but the last byte has arrived.
	read := func(before func()) error {
		last := readerFunc(func(p []byte) (int, error) {
			before()
			return copy(p, "x"), io.EOF
		})
		r, _ := request(http.Header{}, io.MultiReader(strings.NewReader(body[1:]), last), 1<<20)
		got, err := reader.Read(httptest.NewRecorder(), r)
		if err == nil && string(got) != body {
			t.Errorf("got %d bytes", len(got))
		}
		return err
	}
	wantErr(t, read(func() { wantErr(t, read(func() {}), hmacverify.ErrOverloaded) }), nil)
	wantErr(t, read(func() {}), nil)
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// No outcome leaves memory counted.
func TestVerifier_MaxUnverifiedIsFreed(t *testing.T) {
	t.Parallel()
	s := preset.XSignature256()
	o := quietOptions()
	o.MaxBody, o.MaxUnverified = 1000, 2000
	v := newVerifier(t, s, o, testKey)
	body := slowEvent(1000)
	good, forged := signed(t, s, nil, body, testKey), http.Header{"X-Signature-256": {strings.Repeat("0", 64)}}
	for range 10 {
		for _, tt := range []struct {
			header http.Header
			body   string
			length int64
			want   error
		}{
			{good, body, 1000, nil},
			{good, body, -1, nil},
			{forged, body, 1000, hmacverify.ErrMismatch},
			{forged, body, -1, hmacverify.ErrMismatch},
			{good, body[:999], 1000, hmacverify.ErrBodyUnreadable},
			{good, body + " ", -1, hmacverify.ErrBodyTooLarge},
			{good, body, 1001, hmacverify.ErrBodyTooLarge},
		} {
			r, _ := request(tt.header, strings.NewReader(tt.body), tt.length)
			_, err := v.Check(r)
			wantErr(t, err, tt.want)
		}
	}
}

func TestNewBodyReader(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		o    *hmacverify.Options
		want error
	}{
		{"no options", nil, nil},
		{"the smallest memory", &hmacverify.Options{MaxBody: 10, MaxUnverified: 20}, nil},
		{"memory for less than two bodies", &hmacverify.Options{MaxBody: 10, MaxUnverified: 19}, hmacverify.ErrConfig},
		{"a negative limit", &hmacverify.Options{MaxBody: -1}, hmacverify.ErrConfig},
		{"a timeout without a unit", &hmacverify.Options{BodyTimeout: 20}, hmacverify.ErrConfig},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := hmacverify.NewBodyReader(tt.o)
			wantErr(t, err, tt.want)
		})
	}
}

func TestBodyReader_Read(t *testing.T) {
	t.Parallel()
	ten, err := hmacverify.NewBodyReader(&hmacverify.Options{MaxBody: 10})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		reader *hmacverify.BodyReader
		body   string
		length int64
		want   error
	}{
		{"the largest body", ten, "0123456789", 10, nil},
		{"the largest body, of unknown length", ten, "0123456789", -1, nil},
		{"a larger one", ten, "0123456789a", 11, hmacverify.ErrBodyTooLarge},
		{"a larger one, of unknown length", ten, "0123456789a", -1, hmacverify.ErrBodyTooLarge},
		{"one that is cut off", ten, "0", 2, hmacverify.ErrBodyUnreadable},
		{"the zero BodyReader has the defaults", &hmacverify.BodyReader{}, strings.Repeat("x", 1<<20), -1, nil},
		{"and their limits", &hmacverify.BodyReader{}, strings.Repeat("x", 1<<20+1), -1, hmacverify.ErrBodyTooLarge},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, _ := request(http.Header{}, strings.NewReader(tt.body), tt.length)
			got, err := tt.reader.Read(httptest.NewRecorder(), r)
			wantErr(t, err, tt.want)
			if tt.want == nil && string(got) != tt.body {
				t.Errorf("got %d bytes, want %d", len(got), len(tt.body))
			}
		})
	}
}

// A deadlineRecorder keeps the read deadlines that were set, relative to now: 1 for
// one in the future, 0 for none.
type deadlineRecorder struct {
	*httptest.ResponseRecorder
	set []int
}

func (d *deadlineRecorder) SetReadDeadline(t time.Time) error {
	d.set = append(d.set, max(0, t.Compare(time.Now())))
	return nil
}

// The deadline is there while the body arrives, and after that only if it has not
// arrived. It is not set for a body that net/http has read to its end: it would
// end the request's context.
func TestVerifier_Deadline(t *testing.T) {
	t.Parallel()
	s := preset.XSignature256()
	v := newVerifier(t, s, quietOptions(), testKey)
	large := slowEvent(200 << 10)
	good, goodLarge, empty := signed(t, s, nil, ruleBody, testKey), signed(t, s, nil, large, testKey), signed(t, s, nil, "", testKey)
	forged := http.Header{"X-Signature-256": {strings.Repeat("0", 64)}}
	for _, tt := range []struct {
		name   string
		header http.Header
		body   string
		length int64
		want   []int
	}{
		{"an accepted body", good, ruleBody, int64(len(ruleBody)), []int{1, 0}},
		{"an accepted body of unknown length", good, ruleBody, -1, []int{1, 0}},
		{"an accepted body of more than 64 KiB", goodLarge, large, 200 << 10, []int{1, 1, 0}},
		{"a forged body", forged, ruleBody, int64(len(ruleBody)), []int{1, 0}},
		{"an unsigned body", http.Header{}, ruleBody, int64(len(ruleBody)), []int{1}},
		{"a body that is too large", good, ruleBody, 2 << 20, []int{1}},
		{"a body that turns out to be too large", good, large + strings.Repeat(" ", 1<<20), -1, nil},
		{"a body that breaks off", good, ruleBody, 1000, []int{1}},
		{"no body", empty, "", 0, nil},
		{"no body and no signature", http.Header{}, "", 0, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, _ := request(tt.header, strings.NewReader(tt.body), tt.length)
			if tt.body == "" {
				r.Body = http.NoBody
			}
			w := &deadlineRecorder{ResponseRecorder: httptest.NewRecorder()}
			v.Handler(accept).ServeHTTP(w, r)
			if tt.want == nil && tt.body != "" {
				if n := len(w.set); n == 0 || w.set[n-1] != 1 {
					t.Errorf("got %v, want the last to stay", w.set)
				}
			} else if diff := cmp.Diff(tt.want, w.set); diff != "" {
				t.Errorf("deadlines (-want +got):\n%s", diff)
			}
		})
	}
}

// A thousand clients without a key stall beside good ones. Each holds the same little
// memory, and good deliveries get through all the while: BenchmarkHandler_BesideStalledBodies
// measures what that costs them.
func TestVerifier_ThousandStalledBodies(t *testing.T) {
	const clients, memory = 1000, 32 << 10 // of each
	server := newSlowServer(t, preset.XSignature256(), hmacverify.Options{}, accept, false, 0)
	before := heapInUse()
	stallBodies(t, server, clients)
	await(t, "the requests", func() bool { return server.active.Load() == clients })
	grown := int64(heapInUse()) - int64(before)
	t.Logf("%d clients hold %d KiB, %d bytes each", clients, grown>>10, grown/clients)
	if grown > clients*memory {
		t.Errorf("they hold %d KiB, want at most %d", grown>>10, clients*memory>>10)
	}
	genuine := signed(t, preset.XSignature256(), nil, ruleBody, testKey)
	for range 100 {
		got, _, err := server.post(t.Context(), genuine, strings.NewReader(ruleBody), int64(len(ruleBody)))
		if got != http.StatusNoContent || err != nil {
			t.Fatalf("a delivery got %d, %v", got, err)
		}
	}
	if server.active.Load() < clients {
		t.Error("a client was let go before its time, so that little was shown")
	}
}

// stallBodies makes clients send a kilobyte of a megabyte, and stall until the end.
func stallBodies(tb testing.TB, server *slowServer, clients int) {
	tb.Helper()
	for range clients {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { conn.Close() })
		fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nX-Signature-256: %064d\r\nContent-Length: %d\r\n\r\n%01024d", 0, 1<<20, 0)
	}
}

// What stalled clients cost the good deliveries beside them.
func BenchmarkHandler_BesideStalledBodies(b *testing.B) {
	genuine := signed(b, preset.XSignature256(), nil, ruleBody, testKey)
	for _, clients := range []int{0, 1000} {
		b.Run(fmt.Sprintf("%d stalled", clients), func(b *testing.B) {
			server := newSlowServer(b, preset.XSignature256(), hmacverify.Options{BodyTimeout: time.Minute}, accept, false, 0)
			stallBodies(b, server, clients)
			await(b, "the requests", func() bool { return server.active.Load() == int64(clients) })
			var times []time.Duration
			for b.Loop() {
				start := time.Now()
				got, _, err := server.post(b.Context(), genuine, strings.NewReader(ruleBody), int64(len(ruleBody)))
				if got != http.StatusNoContent || err != nil {
					b.Fatalf("a delivery got %d, %v", got, err)
				}
				times = append(times, time.Since(start))
			}
			slices.Sort(times)
			b.ReportMetric(float64(times[len(times)/2].Microseconds()), "µs-p50")
			b.ReportMetric(float64(times[len(times)*99/100].Microseconds()), "µs-p99")
		})
	}
}
