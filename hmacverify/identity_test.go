package hmacverify_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
)

func verify(tb testing.TB, s hmacverify.Scheme, h http.Header, body string) hmacverify.Delivery {
	tb.Helper()
	d, err := newVerifier(tb, s, testOptions(), testKey).Verify(h, []byte(body))
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

func identityOf(tb testing.TB, d hmacverify.Delivery) string {
	tb.Helper()
	id, err := d.IdempotencyID()
	if err != nil {
		tb.Fatal(err)
	}
	return d.Scheme + " " + id
}

func TestDelivery_IdempotencyID(t *testing.T) {
	t.Parallel()
	github, dropbox, own := preset.GitHub(), preset.Dropbox(), preset.XSignature256()

	t.Run("a GitHub delivery under another X-GitHub-Delivery is the same event", func(t *testing.T) {
		t.Parallel()
		first := signed(t, github, http.Header{"X-Github-Delivery": {"1"}}, ruleBody, testKey)
		replay := first.Clone()
		replay.Set("X-GitHub-Delivery", "2")
		a, b := verify(t, github, first, ruleBody), verify(t, github, replay, ruleBody)
		if a.IDSigned || a.ID == b.ID || identityOf(t, a) != identityOf(t, b) {
			t.Errorf("got %v and %v", a, b)
		}
		want := fmt.Sprintf("github sha256:%x", sha256.Sum256([]byte(ruleBody)))
		if got := identityOf(t, a); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
	t.Run("equal bodies of a sender that repeats them are not merged", func(t *testing.T) {
		t.Parallel()
		d := verify(t, dropbox, signed(t, dropbox, nil, ruleBody, testKey), ruleBody)
		id, err := d.IdempotencyID()
		if wantErr(t, err, hmacverify.ErrNoIdentity); id != "" {
			t.Errorf("got %q, want none", id)
		}
	})
	t.Run("the unsigned ID is used only by the name that says what it gives up", func(t *testing.T) {
		t.Parallel()
		s := preset.GitHub()
		s.Identity = hmacverify.InsecureUnsignedID
		h := signed(t, s, http.Header{"X-Github-Delivery": {"1"}}, ruleBody, testKey)
		if got := identityOf(t, verify(t, s, h, ruleBody)); got != "github 1" {
			t.Errorf("got %q", got)
		}
	})
	for _, tt := range []struct{ name, body string }{
		{"missing", `{"other":1}`},
		{"null", `{"eventId":null}`},
		{"an object", `{"eventId":{"eventId":"x"}}`},
		{"empty", `{"eventId":""}`},
		{"nested deeper", `{"a":{"eventId":"x"}}`},
		{"longer than 255 bytes", `{"eventId":"` + strings.Repeat("x", 256) + `"}`},
		{"in a body that is not JSON", `eventId=x`},
		{"in an empty body", ``},
	} {
		t.Run("an ID that is "+tt.name+" is authentic and has no identity", func(t *testing.T) {
			t.Parallel()
			d := verify(t, own, signed(t, own, nil, tt.body, testKey), tt.body)
			_, err := d.IdempotencyID()
			wantErr(t, err, hmacverify.ErrNoIdentity)
		})
	}
	for _, tt := range []struct{ name, body, want string }{
		{"a string", `{"a":[1,{"eventId":"no"}],"eventId":"x"}`, "x"},
		{"a number", `{"eventId": 12345678901234567890 }`, "12345678901234567890"},
		{"written with escapes", `{"event\u0049d":"\u0065vt\/1\""}`, `evt/1"`},
		{"the first of two", `{"eventId":"x","eventId":"y"}`, "x"},
		{"after a string that looks like it", `{"s":"\"eventId\":\"no\"","eventId":"x"}`, "x"},
		{"255 bytes long", `{"eventId":"` + strings.Repeat("x", 255) + `"}`, strings.Repeat("x", 255)},
	} {
		t.Run("an ID that is "+tt.name+" is found", func(t *testing.T) {
			t.Parallel()
			d := verify(t, own, signed(t, own, nil, tt.body, testKey), tt.body)
			if got := identityOf(t, d); got != "x-signature-256 "+tt.want || !d.IDSigned {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	// Half a character is written as an escape of its own. All halves would be one.
	for _, body := range []string{`{"eventId":"\ud800"}`, `{"eventId":"\ud801x"}`, "{\"eventId\":\"\\u0041\xff\"}"} {
		t.Run(fmt.Sprintf("an ID that is no text has no identity: %q", body), func(t *testing.T) {
			t.Parallel()
			d := verify(t, own, signed(t, own, nil, body, testKey), body)
			if id, err := d.IdempotencyID(); !errors.Is(err, hmacverify.ErrNoIdentity) {
				t.Errorf("got %q, %v", id, err)
			}
		})
	}
	t.Run("an ID stays what it is when the body's buffer is used again", func(t *testing.T) {
		t.Parallel()
		buffer := []byte(`{"eventId":"evt_1"}`)
		d, err := newVerifier(t, own, nil, testKey).Verify(signed(t, own, nil, string(buffer), testKey), buffer)
		wantErr(t, err, nil)
		copy(buffer, strings.Repeat("x", len(buffer)))
		if d.ID != "evt_1" {
			t.Errorf("got %q", d.ID)
		}
	})
}

func TestDelivery_EventType(t *testing.T) {
	t.Parallel()
	github, stripe := preset.GitHub(), preset.Stripe()
	h := signed(t, github, http.Header{"X-Github-Event": {"push"}}, ruleBody, testKey)
	if d := verify(t, github, h, ruleBody); d.EventType() != "push" {
		t.Errorf("header: got %q", d.EventType())
	}
	const body = `{"id":"evt_1","data":{"type":"no"},"type":"charge.succeeded"}`
	if d := verify(t, stripe, signed(t, stripe, nil, body, testKey), body); d.EventType() != "charge.succeeded" {
		t.Errorf("body: got %q", d.EventType())
	}
}

func TestDelivery_Context(t *testing.T) {
	t.Parallel()
	want := &hmacverify.Delivery{Scheme: "acme", Tenant: "eu/1", ID: "1", IDSigned: true}
	got, ok := hmacverify.FromContext(hmacverify.NewContext(t.Context(), want))
	if !ok || got != want {
		t.Errorf("got %v, %t", got, ok)
	}
	if id, err := got.IdempotencyID(); id != "1" || err != nil {
		t.Errorf("a signed ID is an identity: got %q, %v", id, err)
	}
	unsigned := &hmacverify.Delivery{Scheme: "acme", ID: "1", Identity: hmacverify.SignedID}
	if id, err := unsigned.IdempotencyID(); id != "" || err == nil {
		t.Errorf("an unsigned ID is none: got %q, %v", id, err)
	}
	if got.Tenant != "eu/1" {
		t.Errorf("got tenant %q", got.Tenant)
	}
	if _, ok := hmacverify.FromContext(context.Background()); ok {
		t.Error("found a delivery where there is none")
	}
}

// Senders rename their headers, and send the old name or the new one.
func TestScheme_AlternativeHeaders(t *testing.T) {
	t.Parallel()
	s := hmacverify.Scheme{
		Name: "acme", Signature: []string{"Svix-Signature", "Webhook-Signature"}, Signed: "{id}.{timestamp}.{header:A,B}.{body}",
		Timestamp: hmacverify.Timestamp{Header: "Svix-Timestamp, Webhook-Timestamp"},
		ID:        hmacverify.Field{Header: "svix-id,webhook-id"},
		Type:      hmacverify.Field{Header: "X-Topic, Topic"},
		Identity:  hmacverify.SignedID,
	}
	v := newVerifier(t, s, testOptions(), testKey)
	with := func(prefix, text string) http.Header {
		return http.Header{
			prefix + "-Signature": {hex.EncodeToString(mac(sha256.New, testKey, text))}, prefix + "-Timestamp": {strconv.FormatInt(testNow.Unix(), 10)},
			prefix + "-Id": {"evt_1"}, "B": {"b"},
		}
	}
	text := fmt.Sprintf("evt_1.%d.b.{}", testNow.Unix())
	for _, prefix := range []string{"Svix", "Webhook"} {
		h := with(prefix, text)
		h.Set("Topic", "made")
		d, err := v.Verify(h, []byte("{}"))
		if wantErr(t, err, nil); d.ID != "evt_1" || !d.IDSigned || d.EventType() != "made" {
			t.Errorf("%s: got %q (signed: %t) and %q", prefix, d.ID, d.IDSigned, d.EventType())
		}
	}
	// What is added to a delivery does not count beside what was signed.
	for _, added := range []string{"Svix-Id", "Svix-Timestamp", "A"} {
		h := with("Webhook", text)
		h.Set(added, strconv.FormatInt(testNow.Unix()-1, 10))
		_, err := v.Verify(h, []byte("{}"))
		wantErr(t, err, hmacverify.ErrMismatch)
	}
	h := with("Webhook", text)
	h.Set("Svix-Id", "") // a gateway's
	d, err := v.Verify(h, []byte("{}"))
	if wantErr(t, err, nil); d.ID != "evt_1" {
		t.Errorf("got the ID %q", d.ID)
	}
	h = with("Webhook", text)
	h["B"] = []string{"b", "b"}
	_, err = v.Verify(h, []byte("{}"))
	wantErr(t, err, hmacverify.ErrMalformed)
	for _, names := range []string{"A,", "A,A", "A B", "A,B,C,D,E,F,G,H,I"} {
		s.ID.Header = names
		_, err := hmacverify.New(s, nil, testKey)
		wantErr(t, err, hmacverify.ErrConfig)
	}
}
