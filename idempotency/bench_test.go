package idempotency_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/memstore"
)

// A sink is a response writer that costs nothing, so that what is measured is
// the endpoint.
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

// benchIDs returns n event IDs that look like those of a sender of UUIDs.
func benchIDs(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("%08x-0000-4000-8000-%012x", i*2654435761%(1<<32), i)
	}
	return ids
}

// benchRequests returns n signed requests, one for each ID.
func benchRequests(b *testing.B, s signed, n int) []*http.Request {
	b.Helper()
	requests := make([]*http.Request, n)
	for i, id := range benchIDs(n) {
		requests[i] = s.request(b, `{"eventId":"`+id+`","sessionId":"sess_1","status":"verified","details":{"score":0.98}}`)
	}
	return requests
}

// verified returns the requests as the verifier passes them on, so that a benchmark
// measures the endpoint alone.
func verified(b *testing.B, s signed, requests []*http.Request) []*http.Request {
	b.Helper()
	for i, r := range requests {
		s.verifier.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			requests[i] = r
			r.Body = nil
		})).ServeHTTP(new(sink), r)
	}
	return requests
}

// newBenchStore returns a store whose records expire at once, so that its size
// stays what it is.
func newBenchStore(b *testing.B) *memstore.Store {
	b.Helper()
	s, err := memstore.New(&memstore.Options{Retention: time.Nanosecond, AllowShortRetention: true})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func benchRunner(b *testing.B, s lease.Store) *lease.Runner {
	b.Helper()
	runner, err := lease.New(s, nil)
	if err != nil {
		b.Fatal(err)
	}
	return runner
}

func benchScheme(d hmacverify.Response) hmacverify.Scheme {
	s := preset.XSignature256()
	s.Sender.Duplicate = d
	return s
}

func BenchmarkEndpoint_Delivery(b *testing.B) {
	s := newSigned(b, benchScheme(hmacverify.Acknowledge))
	e := newVerified(b, "mine", s, benchRunner(b, newBenchStore(b)))
	for name, h := range map[string]http.Handler{
		"Handle": e.Handle(func(context.Context, lease.Claim, *hmacverify.Delivery) error { return nil }),
		"Wrap":   e.Wrap(noop),
	} {
		b.Run(name, func(b *testing.B) {
			requests := verified(b, s, benchRequests(b, s, 1<<16))
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
		})
	}
}

func BenchmarkEndpoint_Duplicate(b *testing.B) {
	for _, bb := range []struct {
		name   string
		sender hmacverify.Response
		want   int
	}{
		{"Conflict", hmacverify.Conflict, http.StatusConflict},
		{"Acknowledge", hmacverify.Acknowledge, http.StatusOK},
		{"Replay", hmacverify.Replay, http.StatusOK},
	} {
		b.Run(bb.name, func(b *testing.B) {
			s := newSigned(b, benchScheme(bb.sender))
			h := newVerified(b, "mine", s, benchRunner(b, new(memstore.Store))).Wrap(noop)
			requests := verified(b, s, benchRequests(b, s, 1<<12))
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
