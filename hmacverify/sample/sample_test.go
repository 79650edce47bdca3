package sample_test

import (
	"net/http"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/hmacverify/sample"
)

// read signs a sample event and returns what the receiver reads in it: its type and
// its identity, or those of the only event in a batch.
func read(t *testing.T, s hmacverify.Scheme, id, eventType string) (gotType, gotID string) {
	t.Helper()
	secret := sample.Secret(s)
	o := &hmacverify.Options{URL: "https://example.com/webhooks"}
	signer, err := hmacverify.NewSigner(s, o, secret)
	if err != nil {
		t.Fatal(err)
	}
	h, body := sample.Event(s, id, eventType, time.Now())
	r, err := signer.NewRequest(t.Context(), o.URL, h, body)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := hmacverify.New(s, o, sample.Public(secret))
	if err != nil {
		t.Fatal(err)
	}
	d, err := verifier.Check(r)
	if err != nil {
		t.Fatal(err)
	}
	if d.Ping {
		t.Error("the event is a ping")
	}
	if len(s.Sender.Items) > 0 && eventType == "" {
		items, err := d.Items()
		if err != nil || len(items) != 1 {
			t.Fatalf("%d events in the request, %v; want 1", len(items), err)
		}
		d = items[0]
	}
	gotID, err = d.IdempotencyID()
	if err != nil && d.Identity != hmacverify.NoIdentity {
		t.Error(err)
	}
	return d.EventType(), gotID
}

// wantTypes are the types of the payloads, as the preset reads them.
var wantTypes = map[string]string{
	"clerk":             "user.created",
	"github":            "push",
	"gitlab":            "push",
	"hubspot":           "contact.creation",
	"intercom":          "conversation.user.created",
	"linear":            "Issue",
	"meta":              "messages",
	"openai":            "response.completed",
	"paddle":            "transaction.completed",
	"razorpay":          "payment.captured",
	"resend":            "email.delivered",
	"sendgrid":          "delivered",
	"shopify":           "orders/create",
	"slack":             "app_mention",
	"square":            "payment.updated",
	"standard-webhooks": "contact.created",
	"stripe":            "payment_intent.succeeded",
	"svix":              "contact.created",
	"twilio":            "", // the preset reads none
	"zoom":              "meeting.started",
}

func TestEvent_PayloadIsVerifiedWithTypeAndIdentity(t *testing.T) {
	t.Parallel()
	files, err := os.ReadDir("payloads")
	if err != nil || len(files) != len(wantTypes) {
		t.Fatalf("%d payloads, %v; want %d", len(files), err, len(wantTypes))
	}
	for _, file := range files {
		name := strings.TrimSuffix(file.Name(), path.Ext(file.Name()))
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, ok := preset.ByName(name)
			want, known := wantTypes[name]
			if !ok || !known {
				t.Fatal("no preset, or no type, of this name")
			}
			gotType, first := read(t, s, "evt_1", "")
			if gotType != want {
				t.Errorf("type %q, want %q", gotType, want)
			}
			_, second := read(t, s, "evt_2", "")
			checkIdentity(t, s, first, second)
		})
	}
}

// checkIdentity checks the identities of events whose IDs are evt_1 and evt_2.
func checkIdentity(t *testing.T, s hmacverify.Scheme, first, second string) {
	t.Helper()
	switch {
	case len(s.Sender.Items) > 0 || s.Identity == hmacverify.BodyDigest:
		if first == "" || first == second {
			t.Errorf("identities %q and %q, want two", first, second)
		}
	case s.Identity == hmacverify.SignedID:
		if first != "evt_1" || second != "evt_2" {
			t.Errorf("identities %q and %q, want evt_1 and evt_2", first, second)
		}
	case first != "":
		t.Errorf("identity %q of a sender that has none", first)
	}
}

func TestEvent_EveryPresetWithATypeOfOnesOwn(t *testing.T) {
	t.Parallel()
	for _, s := range preset.All() {
		if len(s.Signature) == 0 { // it is in the body
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			gotType, first := read(t, s, "evt_1", "thing.made")
			if s.Type != (hmacverify.Field{}) && gotType != "thing.made" {
				t.Errorf("type %q, want thing.made", gotType)
			}
			if _, second := read(t, s, "evt_2", "thing.made"); s.Identity != hmacverify.NoIdentity && first == second {
				t.Errorf("both events have the identity %q", first)
			}
		})
	}
}

func TestEvent_EqualArgumentsMakeEqualBodies(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, s := range preset.All() {
		_, first := sample.Event(s, "evt_1", "", now)
		_, second := sample.Event(s, "evt_1", "", now)
		if !slices.Equal(first, second) {
			t.Errorf("%s: %s and %s", s.Name, first, second)
		}
	}
}

func TestSetHeader_KeepsWhatIsSet(t *testing.T) {
	t.Parallel()
	got := http.Header{"Content-Type": {"text/json"}, "X-Github-Delivery": {"1"}}
	sample.SetHeader(got, preset.GitHub(), "2", "push")
	want := http.Header{"Content-Type": {"text/json"}, "X-Github-Delivery": {"1"}, "X-Github-Event": {"push"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("header (-want +got)\n%s", diff)
	}
}

func TestEvent_IDIsEscaped(t *testing.T) {
	t.Parallel()
	const id = `"a\c&d=e"`
	if _, got := read(t, preset.Stripe(), id, ""); got != id {
		t.Errorf("identity %q, want %q", got, id)
	}
	_, body := sample.Event(preset.Twilio(), id, "", time.Now())
	if !strings.Contains(string(body), "&MessageSid=%22a%5Cc%26d%3De%22&") {
		t.Errorf("the form %s has not the ID, escaped", body)
	}
}
