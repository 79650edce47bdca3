package idempotency_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/memstore"
)

// newPayments returns an endpoint as a program has it: for a sender, over a store.
func newPayments() (*idempotency.Endpoint[lease.Claim], error) {
	verifier, err := hmacverify.New(preset.Stripe(), nil, "whsec_test")
	if err != nil {
		return nil, err
	}
	// Over a sqlstore.Store the functions get a *sql.Tx in place of the claim.
	runner, err := lease.New(new(memstore.Store), &lease.Options{Observe: func(context.Context, idempotency.Event) {}})
	if err != nil {
		return nil, err
	}
	return idempotency.NewEndpoint("payments", verifier, runner, nil)
}

// send delivers body to h as the sender does, and prints the response's status and
// what names it.
func send(h http.Handler, body string) {
	signer, err := hmacverify.NewSigner(preset.Stripe(), nil, "whsec_test")
	if err != nil {
		fmt.Println(err)
		return
	}
	r, err := signer.NewRequest(context.Background(), "/webhooks", nil, []byte(body))
	if err != nil {
		fmt.Println(err)
		return
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	fmt.Println(strings.TrimSpace(fmt.Sprint(w.Code, " ", w.Header().Get(idempotency.StatusHeader))))
}

// A signed delivery on its whole way: verified, processed once, acknowledged.
func Example() {
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
	endpoint, err := idempotency.NewEndpoint("payments", verifier, runner, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks", endpoint.Handle(func(ctx context.Context, _ lease.Claim, d *hmacverify.Delivery) error {
		fmt.Println("processing", d.ID)
		return nil
	}))
	send(mux, `{"id":"evt_1"}`)
	send(mux, `{"id":"evt_1"}`)
	// Output:
	// processing evt_1
	// 200
	// 200 duplicate
}

// An error rolls back, and the sender retries until there is none.
func ExampleEndpoint_Handle() {
	endpoint, err := newPayments()
	if err != nil {
		fmt.Println(err)
		return
	}
	down := true
	h := endpoint.Handle(func(ctx context.Context, claim lease.Claim, d *hmacverify.Delivery) error {
		if down {
			return fmt.Errorf("attempt %d: the bank does not answer", claim.Attempt)
		}
		return nil
	})
	send(h, `{"id":"evt_1"}`)
	down = false
	send(h, `{"id":"evt_1"}`)
	send(h, `{"id":"evt_1"}`)
	// Output:
	// 500 failed
	// 200
	// 200 duplicate
}

// An existing handler, whose 2xx completes the event. Its response is held back until
// the record is durable.
func ExampleEndpoint_Wrap() {
	endpoint, err := newPayments()
	if err != nil {
		fmt.Println(err)
		return
	}
	existing := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || !strings.Contains(string(body), "amount") {
			http.Error(w, "no amount", http.StatusUnprocessableEntity)
			return
		}
		w.WriteHeader(http.StatusAccepted)
	})
	h := endpoint.Wrap(existing)
	send(h, `{"id":"evt_1","amount":10}`)
	send(h, `{"id":"evt_1","amount":10}`)
	send(h, `{"id":"evt_2"}`)
	// Output:
	// 202
	// 200 duplicate
	// 422
}

// A handler that writes its own responses and returns why it failed: the observer
// gets the error, and the store keeps its text.
func ExampleEndpoint_WrapFunc() {
	endpoint, err := newPayments()
	if err != nil {
		fmt.Println(err)
		return
	}
	h := endpoint.WrapFunc(func(w http.ResponseWriter, r *http.Request, claim lease.Claim) error {
		if claim.Attempt == 1 {
			w.WriteHeader(http.StatusBadGateway)
			return errors.New("the warehouse does not answer")
		}
		w.WriteHeader(http.StatusCreated)
		return nil
	})
	send(h, `{"id":"evt_1"}`)
	send(h, `{"id":"evt_1"}`)
	// Output:
	// 502
	// 201
}

// Each mistake in the wiring is refused with the way out.
func ExampleNewEndpoint() {
	runner, err := lease.New(new(memstore.Store), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = idempotency.NewEndpoint("payments", nil, runner, &idempotency.Options{AllowUnverified: true})
	fmt.Println(err)
	_, err = idempotency.NewEndpoint("payments", new(hmacverify.Verifier), runner, nil)
	fmt.Println(err)
	// Output:
	// idempotency: endpoint "payments": Options.AllowUnverified needs Options.ID, which returns a request's event ID
	// idempotency: endpoint "payments": the verifier is the zero Verifier, which refuses everything: create it with hmacverify.New
}

// A sender that signs no ID of its events: the endpoint finds one in the signed body.
func ExampleOptions_identity() {
	anonymous := preset.XSignature256()
	anonymous.ID, anonymous.Identity = hmacverify.Field{}, hmacverify.NoIdentity
	verifier, err := hmacverify.New(anonymous, nil, "secret")
	if err != nil {
		fmt.Println(err)
		return
	}
	runner, err := lease.New(new(memstore.Store), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = idempotency.NewEndpoint("orders", verifier, runner, &idempotency.Options{
		ID: func(_ *http.Request, d *hmacverify.Delivery) (string, error) {
			id, _, ok := strings.Cut(string(d.Body), ",")
			if !ok {
				return "", fmt.Errorf("%w: no comma in the body", idempotency.ErrInvalidKey)
			}
			return id, nil
		},
	})
	fmt.Println(err)
	// Output:
	// <nil>
}

func ExampleByType() {
	endpoint, err := newPayments()
	if err != nil {
		fmt.Println(err)
		return
	}
	h := endpoint.Handle(idempotency.ByType(map[string]idempotency.Func[lease.Claim]{
		"invoice.paid": func(_ context.Context, _ lease.Claim, d *hmacverify.Delivery) error {
			fmt.Println("paid:", d.ID)
			return nil
		},
		"charge.refunded": func(_ context.Context, _ lease.Claim, d *hmacverify.Delivery) error {
			fmt.Println("refunded:", d.ID)
			return nil
		},
	}, nil)) // all other types are ignored
	send(h, `{"id":"evt_1","type":"invoice.paid"}`)
	send(h, `{"id":"evt_2","type":"charge.refunded"}`)
	send(h, `{"id":"evt_3","type":"customer.created"}`)
	// Output:
	// paid: evt_1
	// 200
	// refunded: evt_2
	// 200
	// 200
}

// No retry can correct this event, so the sender is asked to stop.
func ExamplePermanent() {
	endpoint, err := newPayments()
	if err != nil {
		fmt.Println(err)
		return
	}
	h := endpoint.Handle(func(context.Context, lease.Claim, *hmacverify.Delivery) error {
		return idempotency.Permanent(errors.New("no such currency"))
	})
	send(h, `{"id":"evt_1"}`)
	send(h, `{"id":"evt_1"}`)
	// Output:
	// 200 dead
	// 200 dead
}

func ExampleWithStatus() {
	endpoint, err := newPayments()
	if err != nil {
		fmt.Println(err)
		return
	}
	h := endpoint.Handle(func(context.Context, lease.Claim, *hmacverify.Delivery) error {
		return idempotency.WithStatus(http.StatusTooManyRequests, errors.New("the bank asks for a pause"))
	})
	send(h, `{"id":"evt_1"}`)
	// Output:
	// 429 failed
}
