package hmacverify_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
)

// send signs body as the sender does and delivers it to h.
func send(h http.Handler, s hmacverify.Scheme, key, body string) *httptest.ResponseRecorder {
	signer, err := hmacverify.NewSigner(s, nil, key)
	if err != nil {
		panic(err)
	}
	r := httptest.NewRequest("POST", "/webhooks", strings.NewReader(body))
	if err := signer.Sign(r.Header, []byte(body)); err != nil {
		panic(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func Example() {
	verifier, err := hmacverify.New(preset.XSignature256(), nil, "secret")
	if err != nil {
		panic(err)
	}
	events := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d, _ := hmacverify.FromContext(r.Context())
		id, err := d.IdempotencyID()
		fmt.Println(d.Scheme, id, err)
	})
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks", verifier.Handler(events))

	w := send(mux, preset.XSignature256(), "secret", `{"eventId":"evt_1","status":"verified"}`)
	fmt.Println(w.Code)
	w = send(mux, preset.XSignature256(), "guessed", `{"eventId":"evt_2","status":"verified"}`)
	fmt.Println(w.Code, w.Body)
	// Output:
	// x-signature-256 evt_1 <nil>
	// 200
	// 401 {"type":"about:blank","title":"Unauthorized","status":401,"code":"invalid_signature"}
}

// The delivery is from GitHub's documentation.
func ExampleVerifier_Verify() {
	verifier, err := hmacverify.New(preset.GitHub(), nil, "It's a Secret to Everybody")
	if err != nil {
		panic(err)
	}
	header := http.Header{}
	header.Set("X-Hub-Signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17")

	_, err = verifier.Verify(header, []byte("Hello, World!"))
	fmt.Println(err)
	_, err = verifier.Verify(header, []byte("Hello, World?"))
	fmt.Println(err, errors.Is(err, hmacverify.ErrMismatch))
	// Output:
	// <nil>
	// hmacverify: signature does not match true
}

// A delivery that waited in a queue is compared with the time at which it was
// received.
func ExampleVerifier_VerifyAt() {
	verifier, err := hmacverify.New(preset.Mux(), nil, "SuperSecret123")
	if err != nil {
		panic(err)
	}
	header := http.Header{}
	header.Set("Mux-Signature", "t=1565125718,v1=854ece4c22acef7c66b57d4e504153bc512595e8e9c772ece2a68150548c19a7")
	body := []byte(`{"test":"body"}`)

	_, err = verifier.VerifyAt(time.Unix(1565125720, 0), header, body)
	fmt.Println(err)
	_, err = verifier.Verify(header, body)
	fmt.Println(errors.Is(err, hmacverify.ErrTimestamp))
	// Output:
	// <nil>
	// true
}

// With Check the response to a refused request is yours.
func ExampleVerifier_Check() {
	verifier, err := hmacverify.New(preset.GitHub(), nil, "secret")
	if err != nil {
		panic(err)
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d, err := verifier.Check(r)
		if err != nil {
			hmacverify.WriteError(w, err)
			return
		}
		body, _ := io.ReadAll(r.Body) // still there
		fmt.Println(len(d.Body), len(body))
	})
	fmt.Println(send(handler, preset.GitHub(), "secret", `{"action":"opened"}`).Code)
	// Output:
	// 19 19
	// 200
}

// An ErrorHandler sees the reason for a refusal; the client does not.
func ExampleVerifier_Handler() {
	verifier, err := hmacverify.New(preset.GitHub(), &hmacverify.Options{
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			fmt.Println(r.URL.Path, err)
			hmacverify.WriteError(w, err)
		},
	}, "secret")
	if err != nil {
		panic(err)
	}
	handler := verifier.Handler(http.NotFoundHandler())
	fmt.Println(send(handler, preset.GitHub(), "another", `{}`).Code)
	// Output:
	// /webhooks hmacverify: signature does not match
	// 401
}

// A sender that has no preset.
func ExampleScheme() {
	acme := hmacverify.Scheme{
		Name:      "acme",
		Signature: []string{"Acme-Signature"},
		List:      hmacverify.List{Sep: ",", KV: "=", Keys: []string{"v1"}},
		Signed:    "{timestamp}.{body}",
		Timestamp: hmacverify.Timestamp{ListKey: "t", Tolerance: time.Minute},
		ID:        hmacverify.Field{JSON: "event.id"},
		Identity:  hmacverify.SignedID,
	}
	clock := func() time.Time { return time.Unix(1700000000, 0) }
	signer, err := hmacverify.NewSigner(acme, &hmacverify.Options{Now: clock}, "secret")
	if err != nil {
		panic(err)
	}
	header, body := http.Header{}, []byte(`{"event":{"id":"e1"}}`)
	if err := signer.Sign(header, body); err != nil {
		panic(err)
	}
	fmt.Println(header.Get("Acme-Signature")[:20])

	verifier, err := hmacverify.New(acme, &hmacverify.Options{Now: clock}, "secret")
	if err != nil {
		panic(err)
	}
	d, err := verifier.Verify(header, body)
	fmt.Println(d.ID, d.IDSigned, d.Time.Unix(), err)

	acme.Signed = "{timestamp}." // forgot the body
	_, err = hmacverify.New(acme, nil, "secret")
	fmt.Println(err)
	// Output:
	// t=1700000000,v1=78b0
	// e1 true 1700000000 <nil>
	// hmacverify: configuration: scheme "acme": Signed: must name {body} or {params}, once
}

// While keys rotate both are accepted, and the delivery says which one matched.
func ExampleNew_rotation() {
	verifier, err := hmacverify.New(preset.GitHub(), nil, "new secret", "old secret")
	if err != nil {
		panic(err)
	}
	handler := verifier.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d, _ := hmacverify.FromContext(r.Context())
		fmt.Println("key", d.Key)
	}))
	send(handler, preset.GitHub(), "old secret", `{}`)
	send(handler, preset.GitHub(), "new secret", `{}`)
	// Output:
	// key 1
	// key 0
}

// One endpoint serves many senders, each with its own key.
func ExampleOptions_keys() {
	keys := map[string]hmacverify.Tenant{
		"acme": {Name: "acme", Keys: []string{"acme's secret"}},
	}
	verifier, err := hmacverify.New(preset.GitHub(), &hmacverify.Options{
		Keys: func(r *http.Request) (hmacverify.Tenant, error) {
			tenant, ok := keys[r.PathValue("tenant")]
			if !ok {
				return tenant, hmacverify.ErrNoKey
			}
			return tenant, nil
		},
	})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.Handle("POST /{tenant}", verifier.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d, _ := hmacverify.FromContext(r.Context())
		fmt.Println(d.Scheme, d.Tenant)
	})))
	signer, err := hmacverify.NewSigner(preset.GitHub(), nil, "acme's secret")
	if err != nil {
		panic(err)
	}
	for _, path := range []string{"/acme", "/unknown"} {
		r := httptest.NewRequest("POST", path, strings.NewReader(`{}`))
		if err := signer.Sign(r.Header, []byte(`{}`)); err != nil {
			panic(err)
		}
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		fmt.Println(w.Code)
	}
	// Output:
	// github acme
	// 200
	// 401
}

func ExampleDelivery_IdempotencyID() {
	for _, d := range []hmacverify.Delivery{
		{Scheme: "stripe", ID: "evt_1", IDSigned: true, Identity: hmacverify.SignedID},
		{Scheme: "github", ID: "anything", Body: []byte("{}"), Identity: hmacverify.BodyDigest},
		{Scheme: "dropbox", Body: []byte("{}"), Identity: hmacverify.NoIdentity},
	} {
		id, err := d.IdempotencyID()
		fmt.Printf("%.20s %v\n", id, err)
	}
	// Output:
	// evt_1 <nil>
	// sha256:44136fa355b36 <nil>
	//  hmacverify: delivery has no replay-proof identity: dropbox signs nothing that identifies its events
}

// The delivery is from the specification of Standard Webhooks.
func ExampleSigner_Sign() {
	signer, err := hmacverify.NewSigner(preset.StandardWebhooks(), nil, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		panic(err)
	}
	header := http.Header{}
	header.Set("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek")
	header.Set("webhook-timestamp", "1614265330") // left out, it is now
	if err := signer.Sign(header, []byte(`{"test": 2432232314}`)); err != nil {
		panic(err)
	}
	fmt.Println(header.Get("webhook-signature"))
	// Output:
	// v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=
}

// Code without net/http passes a delivery on in a context, too.
func ExampleNewContext() {
	d := &hmacverify.Delivery{Scheme: "queue", ID: "1", IDSigned: true, Identity: hmacverify.SignedID}
	ctx := hmacverify.NewContext(context.Background(), d)
	got, ok := hmacverify.FromContext(ctx)
	fmt.Println(got.Scheme, got.ID, ok)
	// Output: queue 1 true
}

// Zoom has an endpoint sign a token before it sends events.
func ExampleZoomChallenge() {
	verifier, err := hmacverify.New(preset.Zoom(), nil, "secret")
	if err != nil {
		panic(err)
	}
	events := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	handler := verifier.Handler(preset.ZoomChallenge("secret", events))
	for _, token := range []string{"abc", `v0:1700000000:{}`} {
		body := `{"event":"endpoint.url_validation","payload":{"plainToken":"` + token + `"}}`
		fmt.Println(send(handler, preset.Zoom(), "secret", body).Code)
	}
	// Output:
	// 200
	// 401
}

// Meta sets an endpoint up with a GET; its events are POSTs.
func ExampleMetaChallenge() {
	mux := http.NewServeMux()
	mux.Handle("GET /webhooks", preset.MetaChallenge("a token of mine"))
	query := url.Values{
		"hub.mode": {"subscribe"}, "hub.verify_token": {"a token of mine"}, "hub.challenge": {"1158201444"},
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", "/webhooks?"+query.Encode(), nil))
	fmt.Println(w.Code, w.Body)
	// Output: 200 1158201444
}
