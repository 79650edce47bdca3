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
	"strings"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/memstore"
)

// post delivers body to h and returns the status of the answer and what names it.
func post(h http.Handler, id, body string) string {
	r := httptest.NewRequest(http.MethodPost, "/webhooks", strings.NewReader(body))
	r.Header.Set("Event-Id", id)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return strings.TrimSpace(fmt.Sprint(w.Code, " ", w.Header().Get(idempotency.StatusHeader)))
}

// byHeader names an event by a header. Use idempotency.DeliveryKey where senders
// sign.
func byHeader(r *http.Request) (idempotency.Key, error) {
	return idempotency.Key{Scope: "example", ID: r.Header.Get("Event-Id")}, nil
}

// A signed delivery on its whole way: verified, run once, answered.
func Example() {
	verifier, err := hmacverify.New(preset.XSignature256(), nil, "secret")
	if err != nil {
		fmt.Println(err)
		return
	}
	once := &idempotency.Middleware{Runner: &idempotency.Leased{Store: new(memstore.Store)}}
	handler := verifier.Handler(once.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Printf("handling %s\n", body)
		fmt.Fprint(w, "thank you")
	})))

	signer, err := hmacverify.NewSigner(preset.XSignature256(), nil, "secret")
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 2 {
		body := `{"eventId":"evt_1"}`
		r := httptest.NewRequest(http.MethodPost, "/webhooks", strings.NewReader(body))
		if err := signer.Sign(r.Header, []byte(body)); err != nil {
			fmt.Println(err)
			return
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Body)
	}
	// Output:
	// handling {"eventId":"evt_1"}
	// 200 thank you
	// 409 {"type":"about:blank","title":"Conflict","status":409,"code":"duplicate"}
}

// Only a 2xx finishes an event. Most senders take a 409 for a failure, so this
// one acknowledges duplicates.
func ExampleMiddleware() {
	once := &idempotency.Middleware{
		Runner:    &idempotency.Leased{Store: new(memstore.Store)},
		Key:       byHeader,
		Duplicate: idempotency.Acknowledge,
	}
	failing := true
	h := once.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if failing {
			http.Error(w, "not now", http.StatusBadGateway)
		}
	}))
	fmt.Println(post(h, "evt_1", ""))
	failing = false
	fmt.Println(post(h, "evt_1", ""))
	fmt.Println(post(h, "evt_1", ""))
	// Output:
	// 502
	// 200
	// 200 duplicate
}

func ExampleMiddleware_replay() {
	once := &idempotency.Middleware{
		Runner:       &idempotency.Leased{Store: new(memstore.Store)},
		Key:          byHeader,
		Duplicate:    idempotency.Replay,
		CheckContent: true,
	}
	h := once.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusCreated)
	}))
	fmt.Println(post(h, "evt_1", "this"))
	fmt.Println(post(h, "evt_1", "this"))
	fmt.Println(post(h, "evt_1", "that"))
	// Output:
	// 201
	// 201 duplicate
	// 422 mismatch
}

// A consumer of a queue needs no HTTP.
func ExampleLeased() {
	payments := &idempotency.Leased{Store: new(memstore.Store), Lease: time.Minute, MaxAttempts: 5}
	key := idempotency.Key{Scope: "payments", ID: "evt_1"}
	for range 2 {
		_, err := payments.Run(context.Background(), key, idempotency.Fingerprint{}, func(ctx context.Context) (*idempotency.Result, error) {
			fmt.Println("paying")
			return nil, nil
		})
		fmt.Println(err)
	}
	// Output:
	// paying
	// <nil>
	// idempotency: event already done
}

// A fencing token lets a system that keeps the highest one refuse a late owner.
func ExampleAttemptFrom() {
	ledger := &idempotency.Leased{Store: new(memstore.Store)}
	key := idempotency.Key{Scope: "ledger", ID: "evt_1"}
	for range 2 {
		ledger.Run(context.Background(), key, idempotency.Fingerprint{}, func(ctx context.Context) (*idempotency.Result, error) {
			attempt, _ := idempotency.AttemptFrom(ctx)
			fmt.Println("attempt", attempt.Number, "token", attempt.Token)
			return nil, errors.New("no connection")
		})
	}
	// Output:
	// attempt 1 token 1
	// attempt 2 token 2
}

// The store keeps the reason, and the client is told 500 though the handler has
// answered 200.
func ExampleFail() {
	once := &idempotency.Middleware{
		Runner:  &idempotency.Leased{Store: new(memstore.Store)},
		Key:     byHeader,
		OnError: func(_ *http.Request, err error) { fmt.Println("failed:", err) },
	}
	h := once.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		idempotency.Fail(r, errors.New("the warehouse does not answer"))
	}))
	fmt.Println(post(h, "evt_1", ""))
	// Output:
	// failed: the warehouse does not answer
	// 500 failed
}

// No redelivery can mend this event, so the sender is told to stop.
func ExamplePermanent() {
	once := &idempotency.Middleware{
		Runner: &idempotency.Leased{Store: new(memstore.Store)},
		Key:    byHeader,
		Dead:   idempotency.Acknowledge,
	}
	h := once.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		idempotency.Fail(r, idempotency.Permanent(errors.New("no such currency")))
		w.WriteHeader(http.StatusAccepted)
	}))
	fmt.Println(post(h, "evt_1", ""))
	fmt.Println(post(h, "evt_1", ""))
	// Output:
	// 202
	// 200 dead
}

// The other system applies what comes under one key once, so an attempt that
// died after the call can be repeated.
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

// One endpoint for many tenants can narrow the scope further.
func ExampleDeliveryKey() {
	perRegion := func(r *http.Request) (idempotency.Key, error) {
		key, err := idempotency.DeliveryKey(r)
		key.Scope += "/eu"
		return key, err
	}
	r := httptest.NewRequest(http.MethodPost, "/webhooks", nil)
	r = r.WithContext(hmacverify.NewContext(r.Context(), &hmacverify.Delivery{
		Scheme: "stripe", Tenant: "acme", ID: "evt_1", IDSigned: true,
	}))
	fmt.Println(perRegion(r))
	// Output:
	// "stripe/acme/eu"/"evt_1" <nil>
}

// Metrics and logs are made from an Observer. This one writes to a slog.Logger.
func ExampleObserver() {
	logTo := func(logger *slog.Logger) idempotency.Observer {
		return func(ctx context.Context, e idempotency.Event) {
			level := slog.LevelInfo
			if e.Err != nil {
				level = slog.LevelWarn
			}
			logger.Log(ctx, level, "idempotency: "+string(e.Kind), "scope", e.Key.Scope, "id", e.Key.ID,
				"attempt", e.Attempt, "duration", e.Duration, "error", e.Err)
		}
	}
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "duration" { // they differ from run to run
				return slog.Attr{}
			}
			return a
		},
	}))
	runner := &idempotency.Leased{Store: new(memstore.Store), Observe: logTo(logger)}
	key := idempotency.Key{Scope: "payments", ID: "evt_1"}
	runner.Run(context.Background(), key, idempotency.Fingerprint{}, func(context.Context) (*idempotency.Result, error) {
		return nil, errors.New("no connection")
	})
	// Output:
	// level=INFO msg="idempotency: claimed" scope=payments id=evt_1 attempt=1 error=<nil>
	// level=WARN msg="idempotency: released" scope=payments id=evt_1 attempt=1 error="no connection"
}
