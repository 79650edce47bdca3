package idempotency_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/memstore"
)

// A forgetful runner keeps records for that long.
type forgetful time.Duration

func (forgetful) Run(context.Context, idempotency.Item, idempotency.Work[int]) idempotency.Outcome {
	return idempotency.Outcome{Kind: idempotency.KindCompleted}
}
func (forgetful) Observe(context.Context, idempotency.Event) {}
func (f forgetful) Retention() time.Duration                 { return time.Duration(f) }

func newVerifier(t *testing.T, s hmacverify.Scheme, o *hmacverify.Options) *hmacverify.Verifier {
	t.Helper()
	v, err := hmacverify.New(s, o, "secret")
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Each mistake is refused with an error that names the endpoint, what is wrong, and
// the way out.
func TestNewEndpoint_Refuses(t *testing.T) {
	t.Parallel()
	retrying := preset.XSignature256()
	retrying.Sender.RetryWindow = 5 * 24 * time.Hour
	anonymous := preset.XSignature256()
	anonymous.ID, anonymous.Identity = hmacverify.Field{}, hmacverify.NoIdentity
	v := newVerifier(t, preset.XSignature256(), nil)
	tolerant := newVerifier(t, preset.XSignature256Timestamp(), &hmacverify.Options{Tolerance: 48 * time.Hour})
	unverified := func(change func(o *idempotency.Options)) *idempotency.Options {
		o := &idempotency.Options{AllowUnverified: true, ID: byHeader}
		if change != nil {
			change(o)
		}
		return o
	}
	fine := forgetful(0)
	for _, tt := range []struct {
		name     string
		endpoint string
		verifier *hmacverify.Verifier
		runner   idempotency.Runner[int]
		options  *idempotency.Options
		want     []string // in the error
	}{
		{"no name", "", v, fine, nil, []string{`endpoint ""`, "name", `"stripe"`}},
		{"name with a slash", "a/b", v, fine, nil, []string{`endpoint "a/b"`, "name", "slashes"}},
		{"name with a space", "a b", v, fine, nil, []string{`endpoint "a b"`, "name", "spaces"}},
		{"name that is not ASCII", "straße", v, fine, nil, []string{"name", "printable"}},
		{"name too long", strings.Repeat("x", 65), v, fine, nil, []string{"name", "1 to 64"}},
		{"nil runner", "mine", v, nil, nil, []string{`endpoint "mine"`, "no runner", "sqlstore.Store", "lease.Runner"}},
		{"nil verifier", "mine", nil, fine, nil, []string{`endpoint "mine"`, "no verifier", "hmacverify.New", "Options.AllowUnverified"}},
		{"AllowUnverified without ID", "mine", nil, fine, unverified(func(o *idempotency.Options) { o.ID = nil }),
			[]string{`endpoint "mine"`, "Options.AllowUnverified", "Options.ID"}},
		{"AllowUnverified with a verifier", "mine", v, fine, unverified(nil), []string{`endpoint "mine"`, "Options.AllowUnverified with a verifier", "use one"}},
		{"Sender with a verifier", "mine", v, fine, &idempotency.Options{Sender: answering(hmacverify.Replay)},
			[]string{`endpoint "mine"`, "Options.Sender", "scheme"}},
		{"zero verifier", "mine", new(hmacverify.Verifier), fine, nil, []string{`endpoint "mine"`, "zero Verifier", "hmacverify.New"}},
		{"scheme without identity", "mine", newVerifier(t, anonymous, nil), fine, nil, []string{`endpoint "mine"`, "x-signature-256", "Options.ID"}},
		{"negative Timeout", "mine", v, fine, &idempotency.Options{Timeout: -1}, []string{`endpoint "mine"`, "negative", "0 for the default"}},
		{"negative Wait", "mine", v, fine, &idempotency.Options{Wait: -1}, []string{"negative"}},
		{"Wait in nanoseconds", "mine", v, fine, &idempotency.Options{Wait: 2}, []string{"Options.Wait", "2 * time.Second"}},
		{"RetryAfter in nanoseconds", "mine", v, fine, &idempotency.Options{RetryAfter: 5}, []string{"Options.RetryAfter", "5 * time.Second"}},
		{"negative RetryAfter", "mine", v, fine, &idempotency.Options{RetryAfter: -1}, []string{"negative"}},
		{"negative MaxBody", "mine", v, fine, &idempotency.Options{MaxBody: -1}, []string{"negative"}},
		{"negative MaxResponse", "mine", v, fine, &idempotency.Options{MaxResponse: -1}, []string{"negative"}},
		{"negative MaxInFlight", "mine", v, fine, &idempotency.Options{MaxInFlight: -1}, []string{"negative"}},
		{"Timeout in nanoseconds", "mine", v, fine, &idempotency.Options{Timeout: 30}, []string{`endpoint "mine"`, "Options.Timeout of 30ns", "30 * time.Second"}},
		{"retention shorter than the retries", "mine", newVerifier(t, retrying, nil), forgetful(72 * time.Hour), nil,
			[]string{`endpoint "mine"`, "Retention is 72h0m0s", "retries for 120h0m0s"}},
		{"retention shorter than the retries of an unverified sender", "mine", nil, forgetful(72 * time.Hour),
			unverified(func(o *idempotency.Options) { o.Sender.RetryWindow = 73 * time.Hour }), []string{"Retention is 72h0m0s", "retries for 73h0m0s"}},
		{"retention shorter than the tolerance", "mine", tolerant, forgetful(24 * time.Hour), nil,
			[]string{`endpoint "mine"`, "Retention is 24h0m0s", "tolerance", "48h0m0s"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e, err := idempotency.NewEndpoint(tt.endpoint, tt.verifier, tt.runner, tt.options)
			if e != nil || err == nil {
				t.Fatalf("got %v, %v, want an error", e, err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in the error %q", want, err)
				}
			}
		})
	}
}

// The nil pointer of a constructor whose error was ignored.
func TestNewEndpoint_TypedNilRunner(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, preset.XSignature256(), nil)
	_, err := idempotency.NewEndpoint("mine", v, (*lease.Runner)(nil), nil)
	if err == nil || !strings.Contains(err.Error(), `endpoint "mine": no runner`) {
		t.Errorf("got %v", err)
	}
}

func TestNewEndpoint_Accepts(t *testing.T) {
	t.Parallel()
	anonymous := preset.XSignature256()
	anonymous.ID, anonymous.Identity = hmacverify.Field{}, hmacverify.NoIdentity
	retrying := preset.XSignature256()
	retrying.Sender.RetryWindow = 72 * time.Hour
	v := newVerifier(t, preset.XSignature256(), nil)
	anyTime := newVerifier(t, preset.XSignature256Timestamp(), &hmacverify.Options{Tolerance: hmacverify.InsecureAnyTime})
	for _, tt := range []struct {
		name     string
		endpoint string
		verifier *hmacverify.Verifier
		runner   idempotency.Runner[int]
		options  *idempotency.Options
	}{
		{"nil options", "mine", v, forgetful(0), nil},
		{"zero options", "mine", v, forgetful(0), &idempotency.Options{}},
		{"longest name", strings.Repeat("x", 64), v, forgetful(0), nil},
		{"all printable", "!~", v, forgetful(0), nil},
		{"no identity, but Options.ID", "mine", newVerifier(t, anonymous, nil), forgetful(0), &idempotency.Options{ID: byHeader}},
		{"unverified", "mine", nil, forgetful(0), &idempotency.Options{AllowUnverified: true, ID: byHeader, Sender: answering(hmacverify.Replay)}},
		{"retention of exactly the retries", "mine", newVerifier(t, retrying, nil), forgetful(72 * time.Hour), nil},
		{"retention that is not to be checked", "mine", newVerifier(t, retrying, nil), forgetful(0), nil},
		{"any time", "mine", anyTime, forgetful(time.Hour), nil},
		{"shortest Timeout", "mine", v, forgetful(0), &idempotency.Options{Timeout: time.Millisecond}},
	} {
		if _, err := idempotency.NewEndpoint(tt.endpoint, tt.verifier, tt.runner, tt.options); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// A store's short retention is found through the lease.Runner.
func TestNewEndpoint_RetentionOfLeaseRunner(t *testing.T) {
	t.Parallel()
	store, err := memstore.New(&memstore.Options{Retention: 72 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	runner, err := lease.New(store, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := preset.XSignature256()
	s.Sender.RetryWindow = 73 * time.Hour
	if _, err := idempotency.NewEndpoint("mine", newVerifier(t, s, nil), runner, nil); err == nil {
		t.Error("accepted a store that forgets an event before the sender stops retrying it")
	}
}

// The caller may go on using its Options.
func TestNewEndpoint_CopiesOptions(t *testing.T) {
	t.Parallel()
	o := idempotency.Options{AllowUnverified: true, ID: byHeader}
	e, err := idempotency.NewEndpoint("test", nil, forgetful(0), &o)
	if err != nil {
		t.Fatal(err)
	}
	if o.Timeout != 0 || o.MaxInFlight != 0 {
		t.Errorf("the caller's options were changed: %+v", o)
	}
	o.ID = nil
	checkEmpty(t, deliver(e.Wrap(noop), "evt", ""), 200, "")
}

func TestEndpoint_NilHandlersPanic(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t, forgetful(0), idempotency.Options{})
	for name, f := range map[string]func() http.Handler{
		"Handle":   func() http.Handler { return e.Handle(nil) },
		"Wrap":     func() http.Handler { return e.Wrap(nil) },
		"WrapFunc": func() http.Handler { return e.WrapFunc(nil) },
	} {
		if got, want := panics(func() { f() }), `idempotency: endpoint "test": `+name+"(nil)"; got != want {
			t.Errorf("got panic %v, want %q", got, want)
		}
	}
}
