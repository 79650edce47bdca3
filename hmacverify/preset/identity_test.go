package preset_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
)

// An attacker who captures a delivery can change what is not signed, and nothing
// else.
func TestPreset_ReplayKeepsItsIdentity(t *testing.T) {
	t.Parallel()
	for _, s := range preset.All() {
		_, h, ok := presetDelivery(t, s)
		if !ok || s.Identity == hmacverify.NoIdentity || s.Algorithm >= hmacverify.Ed25519 {
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			want := identityOf(t, verify(t, s, h, presetBody))
			replay := h.Clone()
			for _, header := range []string{s.ID.Header, s.Type.Header, "Idempotency-Key", "X-Tenant"} {
				if header != "" && !strings.Contains(s.Signed, "{id}") {
					replay.Set(header, "chosen by the attacker")
				}
			}
			if got := identityOf(t, verify(t, s, replay, presetBody)); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// Where senders of Standard Webhooks have the type, and whether they have one.
func TestPreset_EventType(t *testing.T) {
	t.Parallel()
	const key = "c2VjcmV0"
	for name, tt := range map[string]struct {
		scheme     hmacverify.Scheme
		body, want string
	}{
		"Standard Webhooks": {preset.StandardWebhooks(), `{"type":"user.created"}`, "user.created"},
		"Anthropic":         {preset.Anthropic(), `{"type":"event","data":{"type":"session.idled"}}`, "session.idled"},
		"Increase":          {preset.Increase(), `{"type":"event","category":"account.created"}`, "account.created"},
		"Finch":             {preset.Finch(), `{"event_type":"company.updated","data":{"type":"no"}}`, "company.updated"},
		"Loops":             {preset.Loops(), `{"eventName":"contact.created"}`, "contact.created"},
		"Replicate":         {preset.Replicate(), `{"type":"no","status":"succeeded"}`, ""},
		"Stytch":            {preset.Stytch(), `{"action":"CREATE","object_type":"user","type":"no"}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{}
			id, _, _ := strings.Cut(tt.scheme.ID.Header, ",")
			h.Set(id, "msg_1")
			h = signed(t, tt.scheme, h, tt.body, key)
			d, err := newVerifier(t, tt.scheme, testOptions(), key).Verify(h, []byte(tt.body))
			if wantErr(t, err, nil); d.EventType() != tt.want {
				t.Errorf("got %q, want %q", d.EventType(), tt.want)
			}
		})
	}
}

// Senders whose retries differ from the first attempt, and keep the event's ID.
func TestPreset_RetryIsADuplicate(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name          string
		scheme        hmacverify.Scheme
		header        string
		first, second string
		want          string
	}{
		{
			name: "Box gives a retry another delivery ID", scheme: preset.Box(), header: "Box-Delivery-Id",
			first:  `{"type":"webhook_event","id":"0f73d6f6","trigger":"FILE.UPLOADED"}`,
			second: `{"type":"webhook_event","id":"0f73d6f6","trigger":"FILE.UPLOADED"}`,
			want:   "box 0f73d6f6",
		},
		{
			name: "Didit renders the body again when it is sent by hand", scheme: preset.Didit(), header: "X-Didit-Delivery",
			first:  `{"event_id":"e1","session_id":"s","status":"Approved","timestamp":1795435200}`,
			second: `{"event_id":"e1","session_id":"s","status":"Approved","timestamp":1795438800}`,
			want:   "didit e1",
		},
		{
			name: "Coinbase Commerce counts attempts at the body's root", scheme: preset.CoinbaseCommerce(), header: "X-Request-Id",
			first:  `{"attempt_number":1,"id":"1","event":{"id":"e1","type":"charge:created"}}`,
			second: `{"attempt_number":2,"id":"2","event":{"id":"e1","type":"charge:created"}}`,
			want:   "coinbase-commerce e1",
		},
		{
			name: "Coinify repeats its UUID", scheme: preset.Coinify(), header: "X-Request-Id",
			first: `{"id":"u1","event":"trade.updated"}`, second: `{"id":"u1","event":"trade.updated","sent":2}`,
			want: "coinify u1",
		},
		{
			name: "Worldpay repeats its eventId", scheme: preset.Worldpay(), header: "X-Request-Id",
			first: `{"eventId":"w1"}`, second: `{"eventId":"w1","sent":2}`, want: "worldpay w1",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for delivery, body := range map[string]string{"first": tt.first, "second": tt.second} {
				h := signed(t, tt.scheme, http.Header{tt.header: {delivery}}, body, testKey)
				if got := identityOf(t, verify(t, tt.scheme, h, body)); got != tt.want {
					t.Errorf("%s delivery: got %q, want %q", delivery, got, tt.want)
				}
			}
		})
	}
}

// ConfigCat's ID is signed, but another in each retry: as a key it would make
// each retry a new event.
func TestConfigCat_HasNoIdentity(t *testing.T) {
	t.Parallel()
	s := preset.ConfigCat()
	h := signed(t, s, http.Header{"X-Configcat-Webhook-Id": {"1"}}, `{}`, testKey)
	d := verify(t, s, h, `{}`)
	_, err := d.IdempotencyID()
	wantErr(t, err, hmacverify.ErrNoIdentity)
	h.Set("X-ConfigCat-Webhook-ID", "2")
	_, err = newVerifier(t, s, testOptions(), testKey).Verify(h, []byte(`{}`))
	wantErr(t, err, hmacverify.ErrMismatch)
}
