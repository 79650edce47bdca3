package idv_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/sessionstep"
	"github.com/hookonce/hookonce/sessionstep/idv"
	"github.com/hookonce/hookonce/store/memstore"
)

// printer is a session service that prints what it is given.
type printer struct{}

func (printer) Submit(_ context.Context, s sessionstep.Submission) error {
	fmt.Println(s.Session, s.Step, s.Status, "under", s.Key)
	return nil
}

// With a sqlstore.Store in the place of the lease.Runner, record and submission are one
// commit.
func Example() {
	const secret = "wbhsec_example"
	events, err := lease.New(new(memstore.Store), nil)
	must(err)

	verifier, err := hmacverify.New(preset.Persona(), nil, secret)
	must(err)
	endpoint, err := idempotency.NewEndpoint("persona", verifier, events, nil)
	must(err)
	decoder, err := idv.New(idv.Persona())
	must(err)
	callback, err := sessionstep.NewHandler(printer{}, &sessionstep.Options{Decode: decoder.Decode})
	must(err)
	http.Handle("POST /webhooks/persona", endpoint.Handle(func(ctx context.Context, _ lease.Claim, d *hmacverify.Delivery) error {
		_, err := callback.Submit(ctx, d.Body)
		return err
	}))

	body, err := os.ReadFile("testdata/persona.json")
	must(err)
	signer, err := hmacverify.NewSigner(preset.Persona(), nil, secret)
	must(err)
	for range 2 { // the second is a retry
		r, err := signer.NewRequest(context.Background(), "/webhooks/persona", nil, body)
		must(err)
		w := httptest.NewRecorder()
		http.DefaultServeMux.ServeHTTP(w, r)
		fmt.Println("responded", w.Code)
	}
	// Output:
	// sess_1 identity_verification verified under persona:evt_persona0001
	// responded 200
	// responded 200
}

// The tables and paths of a vendor are data.
func ExampleNew() {
	persona := idv.Persona()
	persona.Outcomes["inquiry.completed"] = sessionstep.Verified // there is no decision after it
	persona.Details = nil                                        // keep nothing of the payload
	decoder, err := idv.New(persona)
	must(err)
	s, err := decoder.Decode(context.Background(), []byte(`{"data":{"id":"evt_1","attributes":{
		"name":"inquiry.completed","payload":{"data":{"attributes":{"reference-id":"sess_1"}}}}}}`))
	must(err)
	fmt.Println(s.Status, string(s.Details))

	_, err = decoder.Decode(context.Background(), []byte(`{"data":{"id":"evt_2","attributes":{"name":"inquiry.started"}}}`))
	fmt.Println(errors.Is(err, sessionstep.ErrNoResult), err)
	// Output:
	// verified {"vendor":"persona","result":"inquiry.completed"}
	// true sessionstep: no result in the payload
}

// A service that this package does not know is described in the same way.
func ExampleVendor() {
	decoder, err := idv.New(idv.Vendor{
		Name:     "acme",
		Type:     "event",
		Types:    []string{"check.finished"},
		Session:  "reference",
		Result:   []string{"check.result"},
		Outcomes: map[string]sessionstep.Outcome{"pass": sessionstep.Verified, "fail": sessionstep.Rejected},
		Key:      []string{"id"},
		Details:  []string{"check.score"},
	})
	must(err)
	s, err := decoder.Decode(context.Background(), []byte(
		`{"id":"e1","event":"check.finished","reference":"sess_1","check":{"result":"unsure","score":0.5,"name":"Jane"}}`))
	must(err)
	fmt.Println(s.Key, s.Status, string(s.Details))
	// Output: acme:e1 needs_review {"vendor":"acme","result":"unsure","payload":{"check":{"score":0.5}}}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
