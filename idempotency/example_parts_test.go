package idempotency_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/memstore"
)

// A framework with its own idea of a response: the key comes from the verified
// delivery, the work is done once, and Status and WriteError respond.
func ExampleKeyOf() {
	verifier, err := hmacverify.New(preset.Stripe(), nil, "whsec_test")
	if err != nil {
		fmt.Println(err)
		return
	}
	runner, err := lease.New(new(memstore.Store), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	process := func(r *http.Request) error {
		d, err := verifier.Check(r)
		if err != nil {
			return err
		}
		key, err := idempotency.KeyOf("payments", d)
		if err != nil {
			return err
		}
		return runner.Do(r.Context(), key, func(context.Context, lease.Claim) error {
			fmt.Println("processing", key)
			return nil
		})
	}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := process(r)
		if err == nil || errors.Is(err, idempotency.ErrDuplicate) {
			return // 200: this sender takes a 409 for a failure
		}
		fmt.Println("status", idempotency.Status(err))
		idempotency.WriteError(w, err)
	})
	send(h, `{"id":"evt_1"}`)
	send(h, `{"id":"evt_1"}`)
	send(h, `{"no":"id"}`)
	// Output:
	// processing "payments"/"evt_1"
	// 200
	// 200
	// status 400
	// 400 invalid_key
}

// The response to each error, for those who write it themselves.
func ExampleStatus() {
	for _, err := range []error{
		nil, idempotency.ErrDuplicate, idempotency.ErrInFlight, idempotency.ErrUnavailable, hmacverify.ErrMismatch, errors.New("no connection"),
	} {
		fmt.Println(idempotency.Status(err), err)
	}
	// Output:
	// 200 <nil>
	// 409 idempotency: event already processed
	// 503 idempotency: event in flight
	// 503 idempotency: store unavailable
	// 401 hmacverify: signature does not match
	// 500 no connection
}

func ExampleWriteError() {
	w := httptest.NewRecorder()
	idempotency.WriteError(w, idempotency.ErrInFlight)
	fmt.Println(w.Code, w.Header().Get("Retry-After"), w.Body)
	// Output:
	// 503 5 {"type":"about:blank","title":"Service Unavailable","status":503,"code":"in_flight"}
}

// The other system applies what arrives under one key once, so an attempt that died
// after the call can be repeated.
func ExampleKey_Downstream() {
	key := idempotency.Key{Scope: "payments", ID: "evt_1"}
	r, err := http.NewRequest(http.MethodPost, "https://bank.example/transfers", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	r.Header.Set("Idempotency-Key", key.Downstream())
	fmt.Println(r.Header.Get("Idempotency-Key"))
	// Output:
	// 336d9eb9f1b71c6cd05216085d9c24682dff7b1302daeba2d4106ef48b10dd90
}

func ExampleKey_Validate() {
	fmt.Println(idempotency.Key{Scope: "payments", ID: "evt_1"}.Validate())
	fmt.Println(idempotency.Key{Scope: "payments"}.Validate())
	// Output:
	// <nil>
	// idempotency: invalid key: empty ID
}

// logTo makes slog's default logger print to the example's output, without the time,
// and returns what undoes that.
func logTo(w io.Writer) (restore func()) {
	was := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	})))
	return func() { slog.SetDefault(was) }
}

// What is logged without any configuration: failures, once, and no duplicates.
func ExampleLogFailures() {
	defer logTo(os.Stdout)()
	runner, err := lease.New(new(memstore.Store), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	key := idempotency.Key{Scope: "payments", ID: "evt_1"}
	for _, result := range []error{errors.New("no connection"), nil, nil} {
		runner.Do(context.Background(), key, func(context.Context, lease.Claim) error { return result })
	}
	// Output:
	// level=ERROR msg="webhook failed" endpoint=payments id=evt_1 attempt=1 error="no connection"
}

// An Observer for metrics that logs failures as well.
func ExampleObserver() {
	defer logTo(os.Stdout)()
	counts := make(map[idempotency.Kind]int) // of a real metrics library: it is called concurrently
	runner, err := lease.New(new(memstore.Store), &lease.Options{
		Observe: func(ctx context.Context, e idempotency.Event) {
			counts[e.Kind]++
			idempotency.LogFailures(ctx, e)
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	key := idempotency.Key{Scope: "payments", ID: "evt_1"}
	for range 3 {
		runner.Do(context.Background(), key, func(context.Context, lease.Claim) error { return nil })
	}
	fmt.Println(counts)
	// Output:
	// map[claimed:1 completed:1 duplicate:2]
}
