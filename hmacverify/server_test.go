package hmacverify_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
)

// These tests use real connections, because net/http decides what becomes of a body
// that is not read, and a recorder does not.

func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestVerifier_HandlerOverTCP(t *testing.T) {
	t.Parallel()
	s := preset.XSignature256()
	var failure atomic.Pointer[error]
	v := newVerifier(t, s, &hmacverify.Options{ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
		failure.Store(&err)
		hmacverify.WriteError(w, err)
	}}, testKey)
	addr := serve(t, v.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(w, r.Body)
	})))
	head := func(extra string, length int) string {
		return fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n%s\r\n", length, extra)
	}
	signature := "X-Signature-256: " + signed(t, s, nil, ruleBody, testKey).Get("X-Signature-256") + "\r\n"

	t.Run("an unsigned request is refused before its body is sent", func(t *testing.T) {
		t.Parallel()
		conn := dial(t, addr)
		fmt.Fprint(conn, head("", 1<<20))
		if got := status(t, conn); got != 401 {
			t.Errorf("got %d, want 401", got)
		}
	})
	t.Run("a client that expects 100 gets the refusal instead", func(t *testing.T) {
		t.Parallel()
		conn := dial(t, addr)
		fmt.Fprint(conn, head("Expect: 100-continue\r\n", 1<<20))
		if got := status(t, conn); got != 401 {
			t.Errorf("got %d, want 401 and not 100", got)
		}
	})
	t.Run("a body that is announced as too long is refused before it is sent", func(t *testing.T) {
		t.Parallel()
		conn := dial(t, addr)
		fmt.Fprint(conn, head(signature, 1<<20+1))
		if got := status(t, conn); got != 413 {
			t.Errorf("got %d, want 413", got)
		}
	})
	t.Run("a body that stops half-way is 400", func(t *testing.T) {
		t.Parallel()
		conn := dial(t, addr)
		fmt.Fprint(conn, head(signature, len(ruleBody))+ruleBody[:5])
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if got := status(t, conn); got != 400 {
			t.Errorf("got %d, want 400; the reason is %v", got, *failure.Load())
		}
	})
	t.Run("a body of unknown length is not waited for", func(t *testing.T) {
		t.Parallel()
		conn := dial(t, addr)
		fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
		if got := status(t, conn); got != 401 {
			t.Errorf("got %d, want 401", got)
		}
	})
	t.Run("a connection is reused after a small refused body", func(t *testing.T) {
		t.Parallel()
		conn := dial(t, addr)
		reader := bufio.NewReader(conn)
		for _, want := range []int{401, 200} {
			extra := ""
			if want == 200 {
				extra = signature
			}
			fmt.Fprint(conn, head(extra, len(ruleBody))+ruleBody)
			response, err := http.ReadResponse(reader, nil)
			if err != nil {
				t.Fatal(err)
			}
			io.Copy(io.Discard, response.Body)
			if response.StatusCode != want {
				t.Errorf("got %d, want %d", response.StatusCode, want)
			}
		}
	})
}

func status(t *testing.T, conn net.Conn) int {
	t.Helper()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	return response.StatusCode
}

// A flood of unsigned bodies must cost neither memory nor reading. Each client
// sends 64 KiB of its megabyte and waits for the response.
func TestVerifier_UnsignedFlood(t *testing.T) {
	requests, clients := 10_000, 200
	if raceEnabled || testing.Short() {
		requests, clients = 1_000, 50
	}
	v := newVerifier(t, preset.XSignature256(), quietOptions(), testKey)
	var bodyRead atomic.Int64
	handler := v.Handler(unreachable(t))
	addr := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = &meteredBody{r.Body, &bodyRead}
		handler.ServeHTTP(w, r)
	}))
	before := heapInUse()
	var peak atomic.Uint64
	stop := watchHeap(&peak)
	var wg sync.WaitGroup
	work := make(chan struct{})
	for range clients {
		wg.Go(func() {
			for range work {
				if err := sendUnsigned(addr); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range requests {
		work <- struct{}{}
	}
	close(work)
	wg.Wait()
	stop()
	grown := int64(peak.Load()) - int64(before)
	t.Logf("%d requests over %d connections: heap grew by %d KiB at most, %d body bytes read by the handler",
		requests, clients, grown>>10, bodyRead.Load())
	if grown > 32<<20 {
		t.Errorf("heap grew by %d MiB, want at most 32", grown>>20)
	}
	if bodyRead.Load() != 0 {
		t.Errorf("read %d bytes of unsigned bodies", bodyRead.Load())
	}
}

type meteredBody struct {
	io.ReadCloser
	read *atomic.Int64
}

func (b *meteredBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.read.Add(int64(n))
	return n, err
}

var unsignedChunk = make([]byte, 64<<10)

// sendUnsigned announces a megabyte, sends what the socket takes at once, and reads
// the response. The server should close the connection meanwhile.
func sendUnsigned(addr string) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", 1<<20)
	_, _ = conn.Write(unsignedChunk)
	var line [12]byte
	if _, err := io.ReadFull(conn, line[:]); err != nil {
		return err
	}
	if got := string(line[:]); got != "HTTP/1.1 401" {
		return fmt.Errorf("got %q", got)
	}
	return nil
}

func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse
}

func watchHeap(peak *atomic.Uint64) (stop func()) {
	done, finished := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(finished)
		for {
			select {
			case <-done:
				return
			case <-time.After(20 * time.Millisecond):
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				peak.Store(max(peak.Load(), m.HeapInuse))
			}
		}
	}()
	return func() { close(done); <-finished }
}
