package lease_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/memstore"
)

func BenchmarkRunner_Do(b *testing.B) {
	// Records expire at once, so that the store's size stays what it is.
	store, err := memstore.New(&memstore.Options{Retention: time.Nanosecond, AllowShortRetention: true})
	if err != nil {
		b.Fatal(err)
	}
	r, err := lease.New(store, nil)
	if err != nil {
		b.Fatal(err)
	}
	keys := make([]idempotency.Key, 1<<12)
	for i := range keys {
		keys[i] = idempotency.Key{Scope: "mine", ID: fmt.Sprint("evt_", i)}
	}
	ctx := b.Context()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if err := r.Do(ctx, keys[i%len(keys)], func(context.Context, lease.Claim) error { return nil }); err != nil {
			b.Fatal(err)
		}
		i++
	}
}
