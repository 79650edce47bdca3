package memstore_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/memstore"
)

func Example() {
	runner, err := lease.New(new(memstore.Store), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	key := idempotency.Key{Scope: "payments", ID: "evt_1"}
	for range 2 {
		err := runner.Do(context.Background(), key, func(context.Context, lease.Claim) error {
			fmt.Println("the work is done")
			return nil
		})
		fmt.Println("duplicate:", errors.Is(err, idempotency.ErrDuplicate))
	}
	// Output:
	// the work is done
	// duplicate: false
	// duplicate: true
}

func ExampleNew() {
	store, err := memstore.New(&memstore.Options{
		MaxRecords: 100_000,            // about 20 MB
		Retention:  7 * 24 * time.Hour, // senders retry for three days
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(store.Len())

	_, err = memstore.New(&memstore.Options{Retention: time.Hour})
	fmt.Println(err)
	// Output:
	// 0
	// memstore: Options.Retention of 1h0m0s is less than 72h0m0s, for which senders retry; AllowShortRetention accepts it
}
