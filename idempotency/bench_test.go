package idempotency_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/memstore"
)

// A sink is a response writer that costs nothing, so that what is measured is
// the middleware.
type sink struct {
	header http.Header
	status int
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(status int)      { s.status = status }
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }

func (s *sink) reset() {
	clear(s.header)
	s.status = 0
}

// benchRequests returns n requests as hmacverify passes them on.
func benchRequests(b *testing.B, n int) []*http.Request {
	b.Helper()
	body := []byte(`{"eventId":"evt_1","sessionId":"sess_1","status":"verified","details":{"score":0.98}}`)
	requests := make([]*http.Request, n)
	for i := range requests {
		ctx := hmacverify.NewContext(b.Context(), &hmacverify.Delivery{
			Scheme:   "ai-verification",
			ID:       fmt.Sprintf("%08x-0000-4000-8000-%012x", i*2654435761%(1<<32), i),
			IDSigned: true,
			Body:     body,
		})
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, "/", nil)
		if err != nil {
			b.Fatal(err)
		}
		requests[i] = r
	}
	return requests
}

// newBenchStore returns a store whose records expire at once, so that its size
// stays what it is.
func newBenchStore(b *testing.B) *memstore.Store {
	b.Helper()
	s, err := memstore.New(&memstore.Options{Retention: time.Nanosecond, ForgetBeforeSendersDo: true})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func noop(http.ResponseWriter, *http.Request) {}

func BenchmarkDelivery(b *testing.B) {
	once := &idempotency.Middleware{Runner: &idempotency.Leased{Store: newBenchStore(b)}}
	h := once.Handler(http.HandlerFunc(noop))
	requests := benchRequests(b, 1<<16)
	w := &sink{header: make(http.Header)}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		w.reset()
		h.ServeHTTP(w, requests[i%len(requests)])
		if w.status != http.StatusOK {
			b.Fatalf("got %d, want 200", w.status)
		}
		i++
	}
}

func BenchmarkDuplicate(b *testing.B) {
	for _, bb := range []struct {
		name   string
		policy idempotency.Policy
		want   int
	}{
		{"Conflict", idempotency.Conflict, http.StatusConflict},
		{"Acknowledge", idempotency.Acknowledge, http.StatusOK},
		{"Replay", idempotency.Replay, http.StatusOK},
	} {
		b.Run(bb.name, func(b *testing.B) {
			once := &idempotency.Middleware{
				Runner:    &idempotency.Leased{Store: new(memstore.Store)},
				Duplicate: bb.policy,
			}
			h := once.Handler(http.HandlerFunc(noop))
			requests := benchRequests(b, 1<<12)
			w := &sink{header: make(http.Header)}
			for _, r := range requests {
				w.reset()
				h.ServeHTTP(w, r)
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				w.reset()
				h.ServeHTTP(w, requests[i%len(requests)])
				if w.status != bb.want {
					b.Fatalf("got %d, want %d", w.status, bb.want)
				}
				i++
			}
		})
	}
}
