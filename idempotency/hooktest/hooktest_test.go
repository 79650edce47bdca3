package hooktest_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/hmacverify/sample"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/hooktest"
)

// echo verifies with what the sender hands out, and responds with ID and type.
func echo(t *testing.T, s hmacverify.Scheme, sender *hooktest.Sender) http.Handler {
	t.Helper()
	verifier, err := hmacverify.New(s, &hmacverify.Options{URL: sender.URL}, sender.Secret)
	if err != nil {
		t.Fatal(err)
	}
	return verifier.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d, _ := hmacverify.FromContext(r.Context())
		fmt.Fprint(w, d.ID, " ", d.EventType())
	}))
}

func TestSender_EveryPresetIsAccepted(t *testing.T) {
	t.Parallel()
	for _, s := range preset.All() {
		if len(s.Signature) == 0 { // it is in the body, which a Signer does not write
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			own := &hooktest.Options{Secret: sample.Secret(s), URL: "https://example.org/hooks?tenant=1"}
			for _, o := range []*hooktest.Options{nil, own} {
				sender := hooktest.NewSender(t, s, o)
				event := sender.Sample("evt_1")
				sender.Deliver(t, echo(t, s, sender), event).Want(t, 200, "")
				if d := sender.Delivery(t, event); string(d.Body) != event.Body {
					t.Errorf("the delivery's body is %s, want %s", d.Body, event.Body)
				}
			}
			other := hooktest.NewSender(t, s, nil)
			if got := other.Deliver(t, echo(t, s, hooktest.NewSender(t, s, nil)), other.Sample("evt_1")); got.Status/100 != 4 {
				t.Errorf("responded %d to another secret, want a refusal", got.Status)
			}
		})
	}
}

func TestEvent_Defaults(t *testing.T) {
	t.Parallel()
	s := preset.StandardWebhooks()
	sender := hooktest.NewSender(t, s, nil)
	h := echo(t, s, sender)
	first := sender.Deliver(t, h, hooktest.Event{Body: `{"type":"a"}`})
	if again := sender.Deliver(t, h, hooktest.Event{Body: `{"type":"a"}`}); again.Body != first.Body {
		t.Errorf("equal bodies are %q and %q, want one event", first.Body, again.Body)
	}
	if other := sender.Deliver(t, h, hooktest.Event{Body: `{"type":"a" }`}); other.Body == first.Body {
		t.Errorf("other bytes are %q, too, want another event", other.Body)
	}
	own := http.Header{"Webhook-Id": {"evt_7"}}
	if got := sender.Deliver(t, h, hooktest.Event{Body: `{"type":"a"}`, Header: own}).Body; got != "evt_7 a" {
		t.Errorf("with an ID of its own the event is %q, want evt_7 a", got)
	}
	if len(own) != 1 {
		t.Errorf("the event's header has become %v", own)
	}
}

func TestEvent_Time(t *testing.T) {
	t.Parallel()
	for _, s := range []hmacverify.Scheme{preset.Stripe(), preset.Slack(), preset.Svix()} {
		sender := hooktest.NewSender(t, s, nil)
		event := sender.Sample("evt_1")
		event.Time = time.Now().Add(-30 * 24 * time.Hour)
		if got := sender.Deliver(t, echo(t, s, sender), event); got.Status != 401 {
			t.Errorf("%s: responded %d to a stale event, want 401", s.Name, got.Status)
		}
		event.Time = time.Now().Add(-time.Minute)
		sender.Deliver(t, echo(t, s, sender), event).Want(t, 200, "")
	}
}

func TestRequest_IsAsAServerReceivesIt(t *testing.T) {
	t.Parallel()
	sender := hooktest.NewSender(t, preset.Stripe(), &hooktest.Options{URL: "https://example.org/hooks/stripe?tenant=1"})
	mux := http.NewServeMux()
	mux.HandleFunc("POST example.org/hooks/{name}", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		fmt.Fprint(w, r.RequestURI, r.PathValue("name"), r.FormValue("tenant"), r.ContentLength, string(body), err)
	})
	got := sender.Deliver(t, mux, hooktest.Event{Body: "\x00\xff"})
	if want := "/hooks/stripe?tenant=1stripe12\x00\xff<nil>"; got.Body != want {
		t.Errorf("the handler sees %q, want %q", got.Body, want)
	}
}

// What h sees of a client that is gone.
func TestCutOff_WritesFailAndTheContextEnds(t *testing.T) {
	t.Parallel()
	sender := hooktest.NewSender(t, preset.Stripe(), nil)
	called := false
	sender.CutOff(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		called = true
		if _, err := io.ReadAll(r.Body); err != nil || r.Context().Err() != nil {
			t.Errorf("the request is broken before the response: %v, %v", err, r.Context().Err())
		}
		w.Header().Set("X", "1")
		w.WriteHeader(200)
		if r.Context().Err() == nil {
			t.Error("the context goes on after the connection broke")
		}
		if _, err := w.Write([]byte("ok")); err == nil {
			t.Error("Write does not fail")
		}
		if err := http.NewResponseController(w).Flush(); err == nil {
			t.Error("Flush does not fail")
		}
	}), sender.Sample("evt_1"))
	if !called {
		t.Error("the handler is not called")
	}
}

func TestGoAway_ContextEndsWhenTheRequestIsRead(t *testing.T) {
	t.Parallel()
	sender := hooktest.NewSender(t, preset.Stripe(), nil)
	called := false
	sender.GoAway(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		called = true
		if r.Context().Err() != nil {
			t.Error("the context ends before the request is read")
		}
		body := make([]byte, r.ContentLength) // and no further
		if _, err := io.ReadFull(r.Body, body); err != nil {
			t.Error(err)
		}
		if r.Context().Err() == nil {
			t.Error("the context goes on after the request is read")
		}
		if _, err := w.Write(nil); err == nil {
			t.Error("Write does not fail")
		}
	}), sender.Sample("evt_1"))
	if !called {
		t.Error("the handler is not called")
	}
}

func TestOrders_AllOfThem(t *testing.T) {
	t.Parallel()
	var got []string
	for events := range hooktest.Orders(hooktest.Event{Body: "a"}, hooktest.Event{Body: "b"}, hooktest.Event{Body: "c"}) {
		got = append(got, events[0].Body+events[1].Body+events[2].Body)
	}
	if want := []string{"abc", "acb", "bac", "bca", "cab", "cba"}; !slices.Equal(got, want) {
		t.Errorf("orders %v, want %v", got, want)
	}
	for range hooktest.Orders(make([]hooktest.Event, 20)...) {
		break // and no more are made
	}
}

// verdict is a testing.TB that records failures.
type verdict struct {
	testing.TB
	failures int
}

func (v *verdict) Helper()               {}
func (v *verdict) Errorf(string, ...any) { v.failures++ }

func response(status int, kind string) hooktest.Response {
	h := http.Header{}
	if kind != "" {
		h.Set(idempotency.StatusHeader, kind)
	}
	return hooktest.Response{Status: status, Header: h}
}

func TestWantOnce(t *testing.T) {
	t.Parallel()
	processed, duplicate, conflict := response(200, ""), response(200, "duplicate"), response(409, "duplicate")
	retry, failed, refused := response(503, "in_flight"), response(500, "failed"), response(401, "")
	tests := []struct {
		name      string
		responses []hooktest.Response
		want      bool
	}{
		{"one processed, duplicates, a retry", []hooktest.Response{duplicate, processed, conflict, retry}, true},
		{"two processed", []hooktest.Response{processed, processed}, false},
		{"none processed", []hooktest.Response{duplicate, retry}, false},
		{"a failure", []hooktest.Response{processed, failed}, false},
		{"a refusal", []hooktest.Response{processed, refused}, false},
		{"no responses", nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v := &verdict{TB: t}
			hooktest.WantOnce(v, tt.responses)
			if got := v.failures == 0; got != tt.want {
				t.Errorf("passes: %v, want %v", got, tt.want)
			}
		})
	}
}

func TestResponse_Want(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		status int
		kind   string
		want   int
	}{{200, "duplicate", 0}, {201, "duplicate", 1}, {200, "", 1}} {
		v := &verdict{TB: t}
		response(200, "duplicate").Want(v, tt.status, tt.kind)
		if v.failures != tt.want {
			t.Errorf("Want(%d, %q) fails %d times, want %d", tt.status, tt.kind, v.failures, tt.want)
		}
	}
}

// An endpoint that has no defence fails the checks.
func TestDeliverCopies_FindsAnEndpointWithoutDefence(t *testing.T) {
	t.Parallel()
	s := preset.Stripe()
	sender := hooktest.NewSender(t, s, nil)
	v := &verdict{TB: t}
	hooktest.WantOnce(v, sender.DeliverCopies(t, echo(t, s, sender), 5, sender.Sample("evt_1")))
	if v.failures == 0 {
		t.Error("WantOnce passes though each copy was processed")
	}
}
