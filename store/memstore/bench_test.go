package memstore_test

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/memstore"
)

// newBenchStore returns a store whose records expire after the retention, so that
// from then on a benchmark measures a store at work, in which as much comes as
// goes, and not the growth of an empty one. At 2.5 million records in a second, a
// retention of 4 ms keeps some 10,000 of them.
func newBenchStore(b *testing.B, retention time.Duration) *memstore.Store {
	b.Helper()
	s, err := memstore.New(&memstore.Options{Retention: retention, AllowShortRetention: true})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// benchKeys returns n keys that look like those of a sender of UUIDs.
func benchKeys(n int) []idempotency.Key {
	keys := make([]idempotency.Key, n)
	for i := range keys {
		keys[i] = idempotency.Key{
			Scope: "ai-verification",
			ID:    fmt.Sprintf("%08x-0000-4000-8000-%012x", i*2654435761%(1<<32), i),
		}
	}
	return keys
}

func claimAndComplete(b *testing.B, s lease.Store, key idempotency.Key, owner lease.Owner, result *idempotency.Result) {
	ctx := context.Background()
	rec, won, err := s.Claim(ctx, key, lease.Terms{Owner: owner, Lease: time.Minute})
	if err != nil || !won {
		b.Fatalf("Claim: %+v, %t, %v", rec, won, err)
	}
	if err := s.Complete(ctx, lease.Claim{Key: key, Owner: owner, Token: rec.Token}, result); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkClaimComplete(b *testing.B) {
	owner := lease.NewOwner()
	small := &idempotency.Result{Status: 200, ContentType: "application/json", Body: make([]byte, 64)}
	for _, bb := range []struct {
		name      string
		retention time.Duration
		result    *idempotency.Result
	}{
		{"10k live", 4 * time.Millisecond, nil},
		{"10k live with result", 4 * time.Millisecond, small},
		{"100k live", 40 * time.Millisecond, nil}, // more than the caches hold
	} {
		b.Run(bb.name, func(b *testing.B) {
			s := newBenchStore(b, bb.retention)
			keys := benchKeys(1 << 16 * int(bb.retention/(4*time.Millisecond)))
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				claimAndComplete(b, s, keys[i%len(keys)], owner, bb.result)
				i++
			}
		})
	}
}

// Run with -cpu 1,2 to see how the store uses a second core.
func BenchmarkClaimCompleteParallel(b *testing.B) {
	owner := lease.NewOwner()
	s := newBenchStore(b, 4*time.Millisecond)
	keys := benchKeys(1 << 17)
	var next atomic.Int64
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		// Each goroutine takes keys in blocks, as the counter would be what is
		// measured otherwise.
		const block = 1024
		for i := 0; pb.Next(); i++ {
			if i%block == 0 {
				i = int(next.Add(block))
			}
			claimAndComplete(b, s, keys[i%len(keys)], owner, nil)
		}
	})
}

func BenchmarkDuplicate(b *testing.B) {
	ctx := context.Background()
	s := new(memstore.Store)
	keys := benchKeys(1 << 16)
	owner := lease.NewOwner()
	for _, k := range keys {
		claimAndComplete(b, s, k, owner, nil)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		_, won, err := s.Claim(ctx, keys[i%len(keys)], lease.Terms{Owner: owner, Lease: time.Minute})
		if won || err != nil {
			b.Fatal(won, err)
		}
		i++
	}
}

// BenchmarkRecordMemory reports what a million done records with IDs of 36 bytes
// take of the heap, their names included.
func BenchmarkRecordMemory(b *testing.B) {
	const n = 1_000_000
	owner := lease.NewOwner()
	keys := benchKeys(n)
	for b.Loop() {
		before := heap()
		s := new(memstore.Store)
		for _, k := range keys {
			claimAndComplete(b, s, k, owner, nil)
		}
		b.ReportMetric(float64(heap()-before)/n, "B/record")
		runtime.KeepAlive(s)
	}
	runtime.KeepAlive(keys)
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
