package hmacverify_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
)

// A signature can be well-formed and wrong, so a client that announces a body has
// not shown yet that it may send one.
func TestVerifier_AnnouncedBodyDoesNotArrive(t *testing.T) {
	const limit, clients, bound = 1 << 20, 200, 128 << 10
	var announced atomic.Int64
	verifier, err := hmacverify.New(preset.XSignature256(), &hmacverify.Options{
		MaxBody:      limit,
		ErrorHandler: quietOptions().ErrorHandler,
		Keys: func(*http.Request) (hmacverify.Tenant, error) {
			announced.Add(1)
			return hmacverify.Tenant{Name: "tenant", Keys: []string{"key"}}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(verifier.Handler(http.NotFoundHandler()))
	defer server.Close()
	before := heapInUse()
	for range clients {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nX-Signature-256: %064d\r\nContent-Length: %d\r\n\r\n{", 0, limit)
	}
	for announced.Load() < clients {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(50 * time.Millisecond) // the read follows the key function within a few instructions
	if growth := int64(heapInUse()) - int64(before); growth > clients*bound {
		t.Errorf("%d bytes of heap for each connection, want at most %d", growth/clients, bound)
	}
}
