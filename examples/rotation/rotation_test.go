package main

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookonce/hookonce/examples/internal/hooktest"
	"github.com/hookonce/hookonce/hmacverify/preset"
)

func TestMain(m *testing.M) { hooktest.Main(m, main) }

// An endpoint is the example as a server, with its file of secrets.
type endpoint struct{ url, file string }

func newEndpoint(t *testing.T, secrets ...string) *endpoint {
	t.Helper()
	e := &endpoint{file: filepath.Join(t.TempDir(), "secrets")}
	e.write(t, secrets...)
	handler, err := newHandler(e.file)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	e.url = server.URL + "/webhooks"
	return e
}

// write replaces the file as a whole: a reader sees the old one or the new one.
func (e *endpoint) write(t *testing.T, secrets ...string) {
	t.Helper()
	if err := os.WriteFile(e.file+".new", []byte(strings.Join(secrets, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(e.file+".new", e.file); err != nil {
		t.Fatal(err)
	}
}

func (e *endpoint) sender(t *testing.T, secret string) *hooktest.Sender {
	t.Helper()
	return hooktest.NewSender(t, preset.XSignature256(), e.url, secret)
}

func event(n int) string { return `{"eventId":"evt_` + strconv.Itoa(n) + `"}` }

func TestRotation_StepByStep(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t, "old")
	before, after := e.sender(t, "old"), e.sender(t, "new")

	before.Send(t, event(1)).Want(t, 200, "")
	after.Send(t, event(2)).Want(t, 401, "")

	e.write(t, "new", "old")
	if got := before.Send(t, event(3)); got.Body != "signed with secret 1" {
		t.Errorf("a delivery with the old secret: %d %s", got.Status, got.Body)
	}
	if got := after.Send(t, event(4)); got.Body != "signed with secret 0" {
		t.Errorf("a delivery with the new secret: %d %s", got.Status, got.Body)
	}
	// An event is the same under another secret.
	after.Send(t, event(1)).Want(t, 409, "duplicate")

	e.write(t, "new")
	before.Send(t, event(5)).Want(t, 401, "")
	after.Send(t, event(5)).Want(t, 200, "")
}

func TestRotation_InvalidFile(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t, "old")
	e.write(t)
	e.sender(t, "old").Send(t, event(1)).Want(t, 200, "")
	if err := os.Remove(e.file); err != nil {
		t.Fatal(err)
	}
	e.sender(t, "old").Send(t, event(2)).Want(t, 200, "")
}

func TestRotation_NoDeliveryRefused(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t, "a", "b")
	var sent atomic.Int64
	done := make(chan struct{})
	var senders sync.WaitGroup
	for range 4 {
		senders.Go(func() {
			s := e.sender(t, "b")
			for {
				select {
				case <-done:
					return
				default:
					s.Send(t, event(int(sent.Add(1)))).Want(t, 200, "")
				}
			}
		})
	}
	for i := range 50 {
		e.write(t, "secret"+strconv.Itoa(i), "b")
		time.Sleep(2 * time.Millisecond) // for some to be sent
	}
	close(done)
	senders.Wait()
}

func TestRotation_Command(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "secrets")
	if err := os.WriteFile(file, []byte("first\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := hooktest.Start(t, []string{"-secrets", file})
	if diff := cmp.Diff([]hooktest.Outcome{{Status: 200, Count: 1}}, p.Try(t)); diff != "" {
		t.Errorf("responses (-want +got)\n%s", diff)
	}
	p.Stop(t)
}
