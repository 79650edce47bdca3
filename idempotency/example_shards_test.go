package idempotency_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"net/http/httptest"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/memstore"
)

// shards runs the work of an event on the shard that its key belongs to. Every copy of it
// meets the same store, so it is done once; how many there are must not change while
// events are remembered.
type shards[T any] []idempotency.Runner[T]

func (s shards[T]) Run(ctx context.Context, item idempotency.Item, work idempotency.Work[T]) idempotency.Outcome {
	return s[s.of(item.Key)].Run(ctx, item, work)
}

func (s shards[T]) of(key idempotency.Key) int {
	h := fnv.New32a()
	io.WriteString(h, key.ID)
	return int(h.Sum32() % uint32(len(s)))
}

func (s shards[T]) Observe(ctx context.Context, e idempotency.Event) {
	s[s.of(e.Key)].Observe(ctx, e)
}

func (s shards[T]) Retention() time.Duration { return s[0].Retention() }

// When one database is not enough, events go to several by a hash of their key.
func ExampleRunner_shards() {
	var all shards[lease.Claim]
	stores := make([]memstore.Store, 4) // or databases
	for i := range stores {
		runner, err := lease.New(&stores[i], nil)
		if err != nil {
			panic(err)
		}
		all = append(all, runner)
	}
	verifier, err := hmacverify.New(preset.XSignature256(), nil, "secret")
	if err != nil {
		panic(err)
	}
	endpoint, err := idempotency.NewEndpoint[lease.Claim]("billing", verifier, all, nil)
	if err != nil {
		panic(err)
	}
	n := 0
	handler := endpoint.Handle(func(context.Context, lease.Claim, *hmacverify.Delivery) error {
		n++
		return nil
	})

	signer, err := hmacverify.NewSigner(preset.XSignature256(), nil, "secret")
	if err != nil {
		panic(err)
	}
	for i := range 100 {
		for range 2 {
			r, err := signer.NewRequest(context.Background(), "/", nil, fmt.Appendf(nil, `{"eventId":"evt_%d"}`, i))
			if err != nil {
				panic(err)
			}
			handler.ServeHTTP(httptest.NewRecorder(), r)
		}
	}
	used := 0
	for i := range stores {
		if stores[i].Len() > 0 {
			used++
		}
	}
	fmt.Println("work was done", n, "times, on", used, "shards")
	// Output: work was done 100 times, on 4 shards
}
