package hmacverify_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/hookonce/hookonce/hmacverify"
)

// storedScheme has its type in a header or in the body.
func storedScheme(typeIn hmacverify.Field) hmacverify.Scheme {
	s := stamped(hmacverify.Sender{})
	s.Type = typeIn
	return s
}

func TestStored_RoundTrip(t *testing.T) {
	t.Parallel()
	const body = `{"id":"evt_1","kind":"in the body"}`
	for _, tt := range []struct {
		name   string
		typeIn hmacverify.Field
		want   string
	}{
		{"a type in a header", hmacverify.Field{Header: "Kind"}, "in a header"},
		{"a type in the body", hmacverify.Field{JSON: "kind"}, "in the body"},
		{"no type", hmacverify.Field{}, ""},
	} {
		t.Run("a delivery with "+tt.name+" survives JSON", func(t *testing.T) {
			t.Parallel()
			s := storedScheme(tt.typeIn)
			h := signed(t, s, http.Header{"Kind": {"in a header"}}, body, testKey)
			verified, err := newVerifier(t, s, testOptions(), testKey).Verify(h, []byte(body))
			wantErr(t, err, nil)
			verified.Tenant = "eu"

			text, err := json.Marshal(verified.Stored())
			wantErr(t, err, nil)
			var stored hmacverify.Stored
			wantErr(t, json.Unmarshal(text, &stored), nil)
			stored.Body = []byte(body)
			restored, err := stored.RestoreUnverified()
			if err != nil {
				t.Fatal(err)
			}

			want := verified
			want.Header = h.Clone()
			want.Header.Del("Sig")
			if diff := cmp.Diff(&want, restored, cmpopts.IgnoreUnexported(hmacverify.Delivery{})); diff != "" {
				t.Errorf("restored delivery (-want +got):\n%s", diff)
			}
			if got := restored.EventType(); got != tt.want {
				t.Errorf("got type %q, want %q", got, tt.want)
			}
			if got, err := restored.IdempotencyID(); got != "evt_1" || err != nil {
				t.Errorf("got ID %q, %v", got, err)
			}
		})
	}
}

// A copy of a store must not let anybody authenticate a request.
func TestStored_OmitsSecretHeaders(t *testing.T) {
	t.Parallel()
	s := stamped(hmacverify.Sender{})
	s.Signature = []string{"Sig", "Sig-Old"}
	given := http.Header{
		"Authorization": {"canary"}, "Proxy-Authorization": {"canary"}, "Cookie": {"canary"}, "Content-Type": {"application/json"},
	}
	h := signed(t, s, given, ruleBody, testKey, "older")
	d, err := newVerifier(t, s, testOptions(), testKey).Verify(h, []byte(ruleBody))
	wantErr(t, err, nil)
	stored := d.Stored()
	want := http.Header{"Content-Type": {"application/json"}, "Time": h["Time"]}
	if diff := cmp.Diff(want, stored.Header); diff != "" {
		t.Errorf("stored headers (-want +got):\n%s", diff)
	}
	if h.Get("Authorization") == "" || h.Get("Sig") == "" {
		t.Error("the delivery's own headers were changed")
	}
}

func TestStored_JSONOmitsBody(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(hmacverify.Stored{Scheme: "acme", Body: []byte("canary")})
	wantErr(t, err, nil)
	if got, want := string(text), `{"scheme":"acme","identity":0}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestStored_Incomplete(t *testing.T) {
	t.Parallel()
	for name, stored := range map[string]hmacverify.Stored{
		"a zero Stored":          {},
		"one without its scheme": {ID: "1", IDSigned: true, Body: []byte("{}")},
	} {
		t.Run(name+" is not restored", func(t *testing.T) {
			t.Parallel()
			if d, err := stored.RestoreUnverified(); err == nil {
				t.Errorf("got %v, want an error", d)
			}
		})
	}
}

func TestVerifier_Verified(t *testing.T) {
	t.Parallel()
	s := stamped(hmacverify.Sender{})
	v := newVerifier(t, s, testOptions(), testKey)
	d, err := v.Verify(signed(t, s, nil, ruleBody, testKey), []byte(ruleBody))
	wantErr(t, err, nil)
	restored, err := d.Stored().RestoreUnverified()
	wantErr(t, err, nil)
	refused, err := v.Verify(signed(t, s, nil, ruleBody, "another"), []byte(ruleBody))
	wantErr(t, err, hmacverify.ErrMismatch)
	for _, tt := range []struct {
		name     string
		verifier *hmacverify.Verifier
		delivery *hmacverify.Delivery
		want     bool
	}{
		{"its own delivery", v, &d, true},
		{"another Verifier's delivery", newVerifier(t, s, testOptions(), testKey), &d, false},
		{"a refused delivery", v, &refused, false},
		{"a restored delivery", v, restored, false},
		{"a delivery made by hand", v, &hmacverify.Delivery{Scheme: "acme", ID: "1", IDSigned: true}, false},
		{"no delivery", v, nil, false},
		{"a delivery made by hand, to the zero Verifier", nil, &hmacverify.Delivery{}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tt.verifier.Verified(tt.delivery); got != tt.want {
				t.Errorf("got %t, want %t", got, tt.want)
			}
		})
	}
}

func TestVerifier_Scheme(t *testing.T) {
	t.Parallel()
	s := stamped(hmacverify.Sender{Title: "Acme"})
	if diff := cmp.Diff(s, newVerifier(t, s, nil, testKey).Scheme()); diff != "" {
		t.Errorf("scheme (-want +got):\n%s", diff)
	}
	for _, v := range []*hmacverify.Verifier{nil, {}} {
		if diff := cmp.Diff(hmacverify.Scheme{}, v.Scheme()); diff != "" {
			t.Errorf("scheme of the zero Verifier (-want +got):\n%s", diff)
		}
	}
}
