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

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
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

func TestWorkIsFinishedThoughTheClientHasGone(t *testing.T) {
	t.Parallel()
	runner := leased()
	j := new(journal)
	runner.Observe = j.observe
	started, clientGone := make(chan struct{}), make(chan struct{})
	var effects atomic.Int64
	once := &idempotency.Middleware{Runner: runner, Key: headerKey}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, outer *http.Request) {
		once.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			close(started)
			<-outer.Context().Done() // the server has seen that the client is gone
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
		t.Fatalf("got %v, %v, want a cancelled request", resp, err)
	}
	<-clientGone
	await(t, "completion", func() bool { return len(j.kinds()) == 2 })
	checkKinds(t, j, "claimed", "completed")
	checkState(t, runner.Store, evt, idempotency.Done)
	if effects.Load() != 1 {
		t.Errorf("%d effects, want 1", effects.Load())
	}
}

// The whole way: sign, verify, run once.
func TestVerifiedDeliveryIsRunOnceUnderItsSignedID(t *testing.T) {
	t.Parallel()
	verifier, err := hmacverify.New(preset.XSignature256(), nil, "secret")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := hmacverify.NewSigner(preset.XSignature256(), nil, "secret")
	if err != nil {
		t.Fatal(err)
	}
	runner := leased()
	var got []string
	once := &idempotency.Middleware{Runner: runner}
	h := verifier.Handler(once.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		a, _ := idempotency.AttemptFrom(r.Context())
		got = append(got, a.Key.ID+" "+string(body))
	})))
	send := func(body, headerID string) int {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("X-Event-Id", headerID)
		if err := signer.Sign(r.Header, []byte(body)); err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	for i, want := range []int{200, 409, 409} { // under whatever unsigned ID
		if got := send(`{"eventId":"evt_1"}`, fmt.Sprint(i)); got != want {
			t.Errorf("delivery %d: got %d, want %d", i, got, want)
		}
	}
	if got := send(`{"no":"id"}`, "evt_2"); got != 400 {
		t.Errorf("without an ID: got %d, want 400", got)
	}
	if len(got) != 1 || got[0] != `evt_1 {"eventId":"evt_1"}` {
		t.Errorf("the handler got %q", got)
	}
}

// A ledger is the system in which the effects are. It takes an effect at the
// completion of its record, as lease mode over memstore promises no more.
type ledger struct {
	idempotency.Store
	mu      sync.Mutex
	effects map[idempotency.Key]int
}

func (l *ledger) Complete(ctx context.Context, c idempotency.Claim, r *idempotency.Result) error {
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

func TestStorm(t *testing.T) {
	const deliveries, events, senders = 10_000, 1_000, 64
	before := runtime.NumGoroutine()
	books := &ledger{Store: new(memstore.Store), effects: make(map[idempotency.Key]int)}
	var starts [events]atomic.Int64
	once := &idempotency.Middleware{
		Runner: &idempotency.Leased{Store: books, Lease: time.Minute},
		Key:    headerKey,
	}
	h := once.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
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
			idempotency.Fail(r, errBoom)
		case 3:
			time.Sleep(rand.N(time.Millisecond)) // let others come
		case 4:
			<-time.After(rand.N(time.Millisecond))
			if r.Context().Err() != nil {
				t.Error("the handler's context has ended")
			}
		}
	}))

	var acknowledged [events]atomic.Int64
	// send makes one delivery, whose client may give up, and reports whether
	// the sender need not come again.
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
		case 200, 409:
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
	for i := range events { // senders come again until they need not
		if acknowledged[i].Load() > 0 && books.effects[testKey(fmt.Sprint(i))] != 1 {
			t.Errorf("event %d was acknowledged and has %d effects", i, books.effects[testKey(fmt.Sprint(i))])
		}
		for !send(i, false) {
		}
		checkState(t, books.Store, testKey(fmt.Sprint(i)), idempotency.Done)
		if n := books.effects[testKey(fmt.Sprint(i))]; n != 1 {
			t.Errorf("event %d has %d effects, want 1", i, n)
		}
	}
	await(t, "goroutines of the storm", func() bool { return runtime.NumGoroutine() <= before })
}

// A handler that passes on the status of a server that switched protocols. Over
// HTTP/2 a 101 would be a mere notice, and a 200 would come after it.
func TestSwitchingProtocolsFails(t *testing.T) {
	t.Parallel()
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("HTTP/2 %t", http2), func(t *testing.T) {
			t.Parallel()
			runner := leased()
			once := &idempotency.Middleware{Runner: runner, Key: headerKey}
			server := httptest.NewUnstartedServer(once.Handler(answering(http.StatusSwitchingProtocols, "")))
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
			checkState(t, runner.Store, testKey("evt"), idempotency.Released)
		})
	}
}
