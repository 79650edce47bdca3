package idempotency_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/memstore"
)

// await waits until ok, which other goroutines make true.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 10s", what)
		}
	}
}

// Work that has begun is finished after the client has disconnected.
func TestEndpoint_ClientDisconnects(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	started, clientGone := make(chan struct{}), make(chan struct{})
	var effects atomic.Int64
	e := newEndpoint(t, g.runner, idempotency.Options{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, outer *http.Request) {
		e.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			close(started)
			<-outer.Context().Done() // the server has seen the client disconnect
			close(clientGone)
			if err := r.Context().Err(); err != nil {
				t.Errorf("the handler's context has ended: %v", err)
				w.WriteHeader(500)
				return
			}
			effects.Add(1)
		})).ServeHTTP(w, outer)
	}))
	defer server.Close()

	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-started
		cancel()
	}()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL, strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Event-Id", "evt")
	if resp, err := server.Client().Do(r); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, %v, want a canceled request", resp, err)
	}
	<-clientGone
	await(t, "completion", func() bool { return len(g.kinds()) == 2 })
	checkKinds(t, g, "claimed", "completed")
	checkState(t, g.store, evt, lease.Done)
	if effects.Load() != 1 {
		t.Errorf("%d effects, want 1", effects.Load())
	}
}

// A ledger is the system in which the effects are. It takes an effect with the
// completion of its record: lease mode over memstore promises no more.
type ledger struct {
	lease.Store
	mu      sync.Mutex
	effects map[idempotency.Key]int
}

func (l *ledger) Complete(ctx context.Context, c lease.Claim, r *idempotency.Result) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if rand.N(100) == 0 {
		return errBoom
	}
	if err := l.Store.Complete(ctx, c, r); err != nil {
		return err
	}
	l.effects[c.Key]++
	return nil
}

// Ten thousand deliveries of a thousand events, with failures of all kinds: each event
// that was acknowledged has one effect.
func TestEndpoint_Storm(t *testing.T) {
	const deliveries, events, senders = 10_000, 1_000, 64
	before := runtime.NumGoroutine()
	books := &ledger{Store: new(memstore.Store), effects: make(map[idempotency.Key]int)}
	var starts [events]atomic.Int64
	runner, err := lease.New(books, &lease.Options{Lease: time.Minute, Observe: func(context.Context, idempotency.Event) {}})
	if err != nil {
		t.Fatal(err)
	}
	h := newEndpoint(t, runner, idempotency.Options{}).WrapFunc(func(w http.ResponseWriter, r *http.Request, _ lease.Claim) error {
		body, err := io.ReadAll(r.Body)
		if err != nil || !bytes.Equal(body, []byte(r.Header.Get("Event-Id"))) {
			t.Errorf("got body %q, %v of %s", body, err, r.Header.Get("Event-Id"))
		}
		switch rand.N(10) {
		case 0:
			w.WriteHeader(500)
		case 1:
			panic(http.ErrAbortHandler)
		case 2:
			return errBoom
		case 3:
			time.Sleep(rand.N(time.Millisecond)) // let others arrive
		case 4:
			<-time.After(rand.N(time.Millisecond))
			if r.Context().Err() != nil {
				t.Error("the handler's context has ended")
			}
		}
		return nil
	})

	var acknowledged [events]atomic.Int64
	// send makes one delivery, whose client may give up, and reports whether it was
	// acknowledged.
	send := func(i int, mayGiveUp bool) bool {
		starts[i].Add(1)
		r := newDelivery(fmt.Sprint(i), fmt.Sprint(i))
		if mayGiveUp && rand.N(4) == 0 {
			ctx, cancel := context.WithTimeout(r.Context(), rand.N(time.Millisecond))
			defer cancel()
			r = r.WithContext(ctx)
		}
		w := httptest.NewRecorder()
		func() {
			defer func() {
				if v := recover(); v != nil {
					w.Code = 0
					if v != http.ErrAbortHandler {
						t.Errorf("panic: %v", v)
					}
				}
			}()
			h.ServeHTTP(w, r)
		}()
		switch w.Code {
		case 200:
			acknowledged[i].Add(1)
			return true
		case 0, 500, 503:
			return false
		}
		t.Errorf("got %d %s", w.Code, w.Body)
		return false
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range senders {
		wg.Go(func() {
			for n := next.Add(1); n <= deliveries; n = next.Add(1) {
				send(int(n)*7919%events, true)
			}
		})
	}
	wg.Wait()
	for i := range events { // senders retry until they need not
		if acknowledged[i].Load() > 0 && books.effects[testKey(fmt.Sprint(i))] != 1 {
			t.Errorf("event %d was acknowledged and has %d effects", i, books.effects[testKey(fmt.Sprint(i))])
		}
		for !send(i, false) {
		}
		checkState(t, books.Store, testKey(fmt.Sprint(i)), lease.Done)
		if n := books.effects[testKey(fmt.Sprint(i))]; n != 1 {
			t.Errorf("event %d has %d effects, want 1", i, n)
		}
	}
	await(t, "goroutines of the storm", func() bool { return runtime.NumGoroutine() <= before })
}

// A handler that passes on the status of a server that switched protocols has failed.
// Over HTTP/2 a 101 would be an informational response, followed by a 200.
func TestEndpoint_SwitchingProtocols(t *testing.T) {
	t.Parallel()
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("HTTP/2 %t", http2), func(t *testing.T) {
			t.Parallel()
			g := newRig(t)
			h := newEndpoint(t, g.runner, idempotency.Options{}).Wrap(writing(http.StatusSwitchingProtocols, ""))
			server := httptest.NewUnstartedServer(h)
			server.EnableHTTP2 = http2
			server.StartTLS()
			defer server.Close()
			r := newDelivery("evt", "")
			r.RequestURI = ""
			var err error
			if r.URL, err = r.URL.Parse(server.URL); err != nil {
				t.Fatal(err)
			}
			response, err := server.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			if response.StatusCode != http.StatusInternalServerError || (response.ProtoMajor == 2) != http2 {
				t.Errorf("got %s %s, want 500", response.Proto, response.Status)
			}
			checkState(t, g.store, evt, lease.Released)
		})
	}
}
