package lease_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/memstore"
)

// An endpoint whose effect is in another system. Key.Downstream is the same for every
// attempt at an event, so that system applies it once.
func Example() {
	verifier, err := hmacverify.New(preset.XSignature256(), nil, "secret")
	if err != nil {
		fmt.Println(err)
		return
	}
	leases, err := lease.New(new(memstore.Store), nil) // sqlstore.New in production
	if err != nil {
		fmt.Println(err)
		return
	}
	endpoint, err := idempotency.NewEndpoint("payments", verifier, leases, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks", endpoint.Handle(func(ctx context.Context, claim lease.Claim, d *hmacverify.Delivery) error {
		fmt.Printf("paying for %s under %s…\n", d.Body, claim.Key.Downstream()[:8])
		return nil
	}))

	sender, err := hmacverify.NewSigner(preset.XSignature256(), nil, "secret")
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 2 {
		r, err := sender.NewRequest(context.Background(), "/webhooks", nil, []byte(`{"eventId":"evt_1"}`))
		if err != nil {
			fmt.Println(err)
			return
		}
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		fmt.Printf("%d %q\n", w.Code, w.Header().Get(idempotency.StatusHeader))
	}
	// Output:
	// paying for {"eventId":"evt_1"} under 336d9eb9…
	// 200 ""
	// 409 "duplicate"
}

func ExampleNew() {
	_, err := lease.New(new(memstore.Store), &lease.Options{Lease: time.Minute, MaxAttempts: 10})
	fmt.Println(err)
	_, err = lease.New(new(memstore.Store), &lease.Options{Lease: 30})
	fmt.Println(err)
	// Output:
	// <nil>
	// lease: Options.Lease of 30ns is too short: write 30 * time.Second for seconds
}

// A consumer of a queue needs no HTTP.
func ExampleRunner_Do() {
	payments, err := lease.New(new(memstore.Store), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	key := idempotency.Key{Scope: "payments", ID: "evt_1"}
	for range 2 {
		err := payments.Do(context.Background(), key, func(ctx context.Context, c lease.Claim) error {
			fmt.Println("paying")
			return nil
		})
		switch {
		case errors.Is(err, idempotency.ErrDuplicate):
			fmt.Println("acknowledge the message: it was processed before")
		case err != nil:
			fmt.Println("leave the message in the queue:", err)
		default:
			fmt.Println("acknowledge the message")
		}
	}
	// Output:
	// paying
	// acknowledge the message
	// acknowledge the message: it was processed before
}

// Run is for callers that need more than an error: the result of the first run, or
// when an event that is in flight will be free.
func ExampleRunner_Run() {
	runner, err := lease.New(new(memstore.Store), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	item := idempotency.Item{Key: idempotency.Key{Scope: "payments", ID: "evt_1"}}
	for range 2 {
		o := runner.Run(context.Background(), item, func(context.Context, lease.Claim) (*idempotency.Result, error) {
			return &idempotency.Result{Body: []byte("receipt 17")}, nil
		})
		fmt.Printf("%s: %s, error: %v\n", o.Kind, o.Result.Body, o.Err)
	}
	// Output:
	// completed: receipt 17, error: <nil>
	// duplicate: receipt 17, error: idempotency: event already processed
}

// A fencing token lets a system that keeps the highest one refuse a late owner.
func ExampleClaim() {
	ledger, err := lease.New(new(memstore.Store), &lease.Options{
		Observe: func(context.Context, idempotency.Event) {}, // logs nothing
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	key := idempotency.Key{Scope: "ledger", ID: "evt_1"}
	for range 2 {
		ledger.Do(context.Background(), key, func(ctx context.Context, c lease.Claim) error {
			fmt.Println("attempt", c.Attempt, "token", c.Token)
			return errors.New("no connection")
		})
	}
	// Output:
	// attempt 1 token 1
	// attempt 2 token 2
}

// A handler that exists already finds its claim in the context.
func ExampleFromContext() {
	leases, err := lease.New(new(memstore.Store), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	endpoint, err := idempotency.NewEndpoint("orders", nil, leases, &idempotency.Options{
		AllowUnverified: true, // something in front authenticates the requests
		ID: func(r *http.Request, _ *hmacverify.Delivery) (string, error) {
			return r.Header.Get("Event-Id"), nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	h := endpoint.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claim, ok := lease.FromContext(r.Context())
		fmt.Println(claim.Key, claim.Attempt, ok)
	}))
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	r.Header.Set("Event-Id", "evt_1")
	h.ServeHTTP(httptest.NewRecorder(), r)
	// Output:
	// "orders"/"evt_1" 1 true
}
