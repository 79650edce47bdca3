package hmacverify_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
)

// A test of an endpoint sends it a signed request.
func ExampleSigner_NewRequest() {
	verifier, err := hmacverify.New(preset.StandardWebhooks(), nil, "whsec_c2VjcmV0")
	if err != nil {
		panic(err)
	}
	endpoint := verifier.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d, _ := hmacverify.FromContext(r.Context())
		fmt.Fprintln(w, "thanks for", d.ID)
	}))

	signer, err := hmacverify.NewSigner(preset.StandardWebhooks(), nil, "whsec_c2VjcmV0")
	if err != nil {
		panic(err)
	}
	header := http.Header{"Webhook-Id": {"msg_1"}}
	r, err := signer.NewRequest(context.Background(), "http://localhost/", header, []byte(`{"type":"ping"}`))
	if err != nil {
		panic(err)
	}

	w := httptest.NewRecorder()
	endpoint.ServeHTTP(w, r)
	fmt.Print(w.Code, " ", w.Body)
	// Output: 200 thanks for msg_1
}

func TestSigner_NewRequestCopiesHeaders(t *testing.T) {
	t.Parallel()
	signer, err := hmacverify.NewSigner(preset.Stripe(), nil, "key")
	if err != nil {
		t.Fatal(err)
	}
	given := http.Header{"Content-Type": {"application/json"}}
	r, err := signer.NewRequest(t.Context(), "http://localhost/", given, []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	if len(given) != 1 {
		t.Errorf("the given headers are now %v", given)
	}
	if r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Stripe-Signature") == "" {
		t.Errorf("the request has only %d headers", len(r.Header))
	}
	if _, err := signer.NewRequest(t.Context(), "http://a b/", nil, nil); err == nil {
		t.Error("a malformed URL is taken")
	}
}

func TestSigner_NewRequestWithoutSignedHeader(t *testing.T) {
	t.Parallel()
	signer, err := hmacverify.NewSigner(preset.StandardWebhooks(), nil, "whsec_c2VjcmV0")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := signer.NewRequest(t.Context(), "http://localhost/", nil, nil); err == nil {
		t.Error("a delivery without the ID that is signed is signed")
	}
}
