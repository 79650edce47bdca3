package idempotency_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
)

// chunked returns a delivery that does not announce its length.
func chunked(body io.Reader) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/hooks", io.MultiReader(body))
	r.Header.Set("Event-Id", "evt")
	r.ContentLength = -1
	r.TransferEncoding = []string{"chunked"}
	return r
}

// A request that cannot be processed is refused before the store is asked, and
// observed.
func TestEndpoint_StoreNotTouched(t *testing.T) {
	t.Parallel()
	failing := func(err error) idempotency.Options {
		return idempotency.Options{ID: func(*http.Request, *hmacverify.Delivery) (string, error) { return "evt", err }}
	}
	announced := chunked(iotest.ErrReader(errors.New("the body was read")))
	announced.ContentLength = idempotency.DefaultMaxBody + 1
	noID := fmt.Errorf("no ID: %w", idempotency.ErrInvalidKey)
	for _, tt := range []struct {
		name    string
		options idempotency.Options
		r       *http.Request
		status  int
		kind    idempotency.Kind
	}{
		{"no ID", idempotency.Options{}, newDelivery("", ""), 400, "invalid_key"},
		{"ID too long", idempotency.Options{}, newDelivery(strings.Repeat("x", 256), ""), 400, "invalid_key"},
		{"Options.ID finds none", failing(noID), newDelivery("evt", ""), 400, "invalid_key"},
		{"Options.ID fails", failing(errors.New("connection refused")), newDelivery("evt", ""), 503, "unavailable"},
		{"Options.ID speaks of duplicates", failing(idempotency.ErrDuplicate), newDelivery("evt", ""), 503, "unavailable"},
		{"Options.ID fails with a status", failing(idempotency.WithStatus(404, errBoom)), newDelivery("evt", ""), 503, "unavailable"},
		{"body announced too long", idempotency.Options{}, announced, 413, "refused"},
		{"body too long", idempotency.Options{MaxBody: 4}, chunked(strings.NewReader("12345")), 413, "refused"},
		{"body breaks off", idempotency.Options{}, chunked(iotest.ErrReader(io.ErrUnexpectedEOF)), 400, "refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := newRig(t)
			w := serve(newEndpoint(t, g.runner, tt.options).Wrap(writing(200, "called")), tt.r)
			if tt.kind != "refused" {
				checkProblem(t, w, tt.status, tt.kind)
			} else if w.Code != tt.status {
				t.Errorf("got %d, want %d", w.Code, tt.status)
			}
			checkCalls(t, g)
			checkKinds(t, g, tt.kind)
			if e := g.observed()[0]; e.Err == nil || e.Key != (idempotency.Key{}) || e.Status != tt.status {
				t.Errorf("observed %+v, want an error, no key, and the status %d", e, tt.status)
			}
		})
	}
}

func TestEndpoint_MaxBodyExactly(t *testing.T) {
	t.Parallel()
	h := newEndpoint(t, newRig(t).runner, idempotency.Options{MaxBody: 4}).Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(w, r.Body)
		fmt.Fprint(w, r.ContentLength, r.TransferEncoding)
	}))
	if got, want := serve(h, chunked(strings.NewReader("1234"))).Body.String(), "12344 []"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestEndpoint_NoBody(t *testing.T) {
	t.Parallel()
	r := newDelivery("evt", "")
	r.Body = nil
	h := newEndpoint(t, newRig(t).runner, idempotency.Options{}).Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if body, err := io.ReadAll(r.Body); len(body) > 0 || err != nil {
			t.Errorf("read %q, %v", body, err)
		}
	}))
	checkEmpty(t, serve(h, r), 200, "")
}

func TestEndpoint_IDReadsBody(t *testing.T) {
	t.Parallel()
	h := newEndpoint(t, newRig(t).runner, idempotency.Options{ID: func(r *http.Request, _ *hmacverify.Delivery) (string, error) {
		id, err := io.ReadAll(r.Body)
		return string(id), err
	}}).Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }))
	if got, want := deliver(h, "", "evt_1").Body.String(), "evt_1"; got != want {
		t.Errorf("the handler read %q, want %q", got, want)
	}
	checkEmpty(t, deliver(h, "", "evt_1"), 200, "duplicate")
}

func TestEndpoint_CallersRequestUnchanged(t *testing.T) {
	t.Parallel()
	r := newDelivery("evt", "body")
	was := *r
	serve(newEndpoint(t, newRig(t).runner, idempotency.Options{}).Wrap(noop), r)
	if r.Body != was.Body || r.ContentLength != was.ContentLength || r.Context() != was.Context() {
		t.Error("the caller's request was changed")
	}
}

// The runner gets the delivery, for stores that keep payloads.
func TestEndpoint_ItemDelivery(t *testing.T) {
	t.Parallel()
	var items []idempotency.Item
	keep := runnerFunc(func(_ context.Context, item idempotency.Item, _ idempotency.Work[int]) idempotency.Outcome {
		items = append(items, item)
		return idempotency.Outcome{Kind: idempotency.KindCompleted}
	})
	r := newDelivery("evt", "body")
	r.Header.Set("Content-Type", "text/x")
	serve(newEndpoint(t, keep, idempotency.Options{}).Wrap(noop), r)
	serve(newEndpoint(t, keep, idempotency.Options{CheckContent: true}).Wrap(noop), newDelivery("evt", "other"))
	got := items[0]
	if got.Key != evt || string(got.Delivery.Body) != "body" || got.Delivery.Header.Get("Content-Type") != "text/x" || got.Delivery.Scheme != "unverified" {
		t.Errorf("got %+v of %v", got.Delivery, got.Key)
	}
	if got.Fingerprint != (idempotency.Fingerprint{}) || items[1].Fingerprint != idempotency.FingerprintOf([]byte("other")) {
		t.Errorf("got fingerprints %x and %x", got.Fingerprint, items[1].Fingerprint)
	}
}

// A signed is a verifier and the sender of what it verifies.
type signed struct {
	verifier *hmacverify.Verifier
	signer   *hmacverify.Signer
}

func newSigned(t testing.TB, s hmacverify.Scheme) signed {
	t.Helper()
	verifier, err := hmacverify.New(s, nil, "secret")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := hmacverify.NewSigner(s, nil, "secret")
	if err != nil {
		t.Fatal(err)
	}
	return signed{verifier, signer}
}

func (s signed) request(t testing.TB, body string) *http.Request {
	t.Helper()
	r, err := s.signer.NewRequest(t.Context(), "/hooks", nil, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func newVerified[T any](t testing.TB, name string, s signed, r idempotency.Runner[T]) *idempotency.Endpoint[T] {
	t.Helper()
	e, err := idempotency.NewEndpoint(name, s.verifier, r, nil)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// The whole way: sign, verify, process once, under the signed ID and no other.
func TestEndpoint_SignedID(t *testing.T) {
	t.Parallel()
	s := newSigned(t, preset.XSignature256())
	var got []string
	h := newVerified(t, "mine", s, newRig(t).runner).Handle(func(_ context.Context, c lease.Claim, d *hmacverify.Delivery) error {
		got = append(got, c.Key.String()+" "+string(d.Body))
		return nil
	})
	for i, want := range []idempotency.Kind{"", "duplicate", "duplicate"} {
		r := s.request(t, `{"eventId":"evt_1"}`)
		r.Header.Set("X-Event-Id", fmt.Sprint(i)) // unsigned
		status := 200
		if want == "duplicate" {
			status = 409 // as the scheme's Sender says
		}
		if w := serve(h, r); w.Code != status || w.Header().Get(idempotency.StatusHeader) != string(want) {
			t.Errorf("delivery %d: got %d %v", i, w.Code, w.Header())
		}
	}
	checkProblem(t, serve(h, s.request(t, `{"no":"id"}`)), 400, "invalid_key")
	if diff := cmp.Diff([]string{`"mine"/"evt_1" {"eventId":"evt_1"}`}, got); diff != "" {
		t.Errorf("processed (-want +got):\n%s", diff)
	}
}

// What the verifier refuses it answers itself, and the endpoint observes it.
func TestEndpoint_Refused(t *testing.T) {
	t.Parallel()
	s := newSigned(t, preset.XSignature256())
	unsigned := s.request(t, `{}`)
	unsigned.Header.Del("X-Signature-256")
	get := s.request(t, `{}`)
	get.Method = http.MethodGet
	for _, tt := range []struct {
		r      *http.Request
		status int
		want   error
	}{
		{unsigned, 401, hmacverify.ErrMissing},
		{get, 405, hmacverify.ErrMethod},
	} {
		g := newRig(t)
		w := serve(newVerified(t, "mine", s, g.runner).Wrap(writing(200, "called")), tt.r)
		plain := serve(s.verifier.Handler(noop), tt.r)
		if w.Code != tt.status || w.Body.String() != plain.Body.String() {
			t.Errorf("got %d %q, want the verifier's %d %q", w.Code, w.Body, plain.Code, plain.Body)
		}
		if diff := cmp.Diff(plain.Header(), w.Header()); diff != "" {
			t.Errorf("headers (-verifier +endpoint):\n%s", diff)
		}
		checkCalls(t, g)
		checkKinds(t, g, "refused")
		checkError(t, g.lastError(t), tt.want)
	}
}

// Two endpoints with one sender's events, on one store, do not take each other's for
// duplicates.
func TestEndpoint_TwoNamesOneStore(t *testing.T) {
	t.Parallel()
	s, g := newSigned(t, preset.XSignature256()), newRig(t)
	for _, name := range []string{"billing", "shipping"} {
		ran := 0
		h := newVerified(t, name, s, g.runner).Handle(func(_ context.Context, c lease.Claim, _ *hmacverify.Delivery) error {
			if ran++; c.Key.Scope != name {
				t.Errorf("got scope %q, want %q", c.Key.Scope, name)
			}
			return nil
		})
		checkEmpty(t, serve(h, s.request(t, `{"eventId":"1"}`)), 200, "")
		checkProblem(t, serve(h, s.request(t, `{"eventId":"1"}`)), 409, "duplicate")
		if ran != 1 {
			t.Errorf("%s: processed %d times, want once", name, ran)
		}
	}
}

// Tenants of one endpoint have keys of their own.
func TestEndpoint_Tenants(t *testing.T) {
	t.Parallel()
	verifier, err := hmacverify.New(preset.XSignature256(), &hmacverify.Options{Keys: func(r *http.Request) (hmacverify.Tenant, error) {
		return hmacverify.Tenant{Name: r.Header.Get("Tenant"), Keys: []string{"secret of " + r.Header.Get("Tenant")}}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	var scopes []string
	h := newVerified(t, "mine", signed{verifier: verifier}, newRig(t).runner).Handle(func(_ context.Context, c lease.Claim, _ *hmacverify.Delivery) error {
		scopes = append(scopes, c.Key.Scope)
		return nil
	})
	for _, tenant := range []string{"acme", "umbrella"} {
		signer, err := hmacverify.NewSigner(preset.XSignature256(), nil, "secret of "+tenant)
		if err != nil {
			t.Fatal(err)
		}
		r, err := signer.NewRequest(t.Context(), "/hooks", http.Header{"Tenant": {tenant}}, []byte(`{"eventId":"1"}`))
		if err != nil {
			t.Fatal(err)
		}
		checkEmpty(t, serve(h, r), 200, "")
	}
	if diff := cmp.Diff([]string{"mine/acme", "mine/umbrella"}, scopes); diff != "" {
		t.Errorf("scopes (-want +got):\n%s", diff)
	}
}

// A verifier may stand in front, with a middleware in between: the request is not
// verified again, and a body that was changed on the way is what the handler reads.
func TestEndpoint_VerifierInFront(t *testing.T) {
	t.Parallel()
	var checked int
	verifier, err := hmacverify.New(preset.XSignature256(), &hmacverify.Options{Keys: func(*http.Request) (hmacverify.Tenant, error) {
		checked++
		return hmacverify.Tenant{Name: "acme", Keys: []string{"secret"}}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	const body = `{"eventId":"1","text":"a"}`
	decompress := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			got, err := io.ReadAll(r.Body)
			if string(got) != body || err != nil {
				t.Errorf("in between: read %q, %v", got, err)
			}
			r.Body = io.NopCloser(bytes.NewReader(append(got, " and more than before"...)))
			r.ContentLength = -1
			next.ServeHTTP(w, r)
		})
	}
	e := newVerified(t, "mine", signed{verifier: verifier}, newRig(t).runner)
	wrapped := e.WrapFunc(func(w http.ResponseWriter, r *http.Request, c lease.Claim) error {
		d, ok := hmacverify.FromContext(r.Context())
		got, err := io.ReadAll(r.Body)
		if !ok || string(d.Body) != body || string(got) != body+" and more than before" || err != nil {
			t.Errorf("the handler read %q, %v; the delivery is %v", got, err, d)
		}
		if c.Key.ID != "1" {
			t.Errorf("got key %v", c.Key)
		}
		return nil
	})
	signer := newSigned(t, preset.XSignature256())
	w := serve(verifier.Handler(decompress(wrapped)), signer.request(t, body))
	if w.Code != 200 || checked != 1 {
		t.Errorf("got %d, verified %d times; want 200, once", w.Code, checked)
	}
}

// A delivery that another verifier has put into the context does not count.
func TestEndpoint_OtherVerifierInFront(t *testing.T) {
	t.Parallel()
	mine, g := newSigned(t, preset.XSignature256()), newRig(t)
	other, err := hmacverify.New(preset.XSignature256(), nil, "other secret")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := hmacverify.NewSigner(preset.XSignature256(), nil, "other secret")
	if err != nil {
		t.Fatal(err)
	}
	r, err := signer.NewRequest(t.Context(), "/hooks", nil, []byte(`{"eventId":"1"}`))
	if err != nil {
		t.Fatal(err)
	}
	h := newVerified(t, "mine", mine, g.runner).Wrap(writing(200, "called"))
	if w := serve(other.Handler(h), r); w.Code != 401 {
		t.Errorf("got %d, want 401", w.Code)
	}
	forged := newDelivery("", `{"eventId":"1"}`)
	forged = forged.WithContext(hmacverify.NewContext(t.Context(), &hmacverify.Delivery{Scheme: "x-signature-256", ID: "1", IDSigned: true}))
	if w := serve(h, forged); w.Code != 401 {
		t.Errorf("hand-made delivery: got %d, want 401", w.Code)
	}
	checkCalls(t, g)
}

func TestEndpoint_RunnerNotCalledForInvalidKey(t *testing.T) {
	t.Parallel()
	runner := runnerFunc(func(context.Context, idempotency.Item, idempotency.Work[int]) idempotency.Outcome {
		t.Error("the runner was called")
		return idempotency.OutcomeOf(idempotency.KindFailed, errBoom)
	})
	checkProblem(t, deliver(newEndpoint(t, runner, idempotency.Options{}).Wrap(noop), "", ""), 400, "invalid_key")
}
