package preset_test

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
)

// vector is a published delivery, or one mutation of it: see testdata/README.md.
type vector struct {
	ID, Kind, Scheme, Secret, URL, Body, Reason, Note string
	Secrets                                           []string
	Method                                            string
	Headers                                           map[string]string
	Now                                               int64
	Valid                                             bool
}

// vectorSchemes gives the scheme for each name in the file that is not the name of
// a preset.
var vectorSchemes = map[string]func(vector) hmacverify.Scheme{
	"standardwebhooks": fixed(preset.StandardWebhooks),
	"adyen-item":       fixed(preset.AdyenStandard),
	"twilio": func(v vector) hmacverify.Scheme {
		if v.Headers["Content-Type"] == "application/json" {
			return preset.TwilioJSON()
		}
		return preset.Twilio()
	},
	"github-sha1": func(vector) hmacverify.Scheme {
		return hmacverify.Scheme{
			Name: "github-sha1", Algorithm: hmacverify.SHA1, Signature: []string{"X-Hub-Signature"}, Prefix: "sha1=",
		}
	},
	"convoy-hex": func(vector) hmacverify.Scheme {
		return hmacverify.Scheme{
			Name: "convoy", Algorithm: hmacverify.SHA512, Signature: []string{"X-Convoy-Signature"},
		}
	},
	"adnanh-sha256": func(vector) hmacverify.Scheme {
		return hmacverify.Scheme{
			Name: "adnanh", Signature: []string{"X-Signature"},
			List: hmacverify.List{Sep: ",", KV: "=", Keys: []string{"sha256"}},
		}
	},
	// The older HubSpot schemes are a hash of secret and text: not a MAC, since
	// an attacker who sees one can append to the text. What must hold for them is that
	// HubSpot's present scheme does not accept them.
	"hubspot-v1": fixed(preset.HubSpot),
	"hubspot-v2": fixed(preset.HubSpot),
}

// fixed is a preset without its sender: the vectors are of signatures, and those
// that are too old were made for a tolerance of 5 minutes. What follows from the
// sender's retries is in sender_test.go.
func fixed(f func() hmacverify.Scheme) func(vector) hmacverify.Scheme {
	return func(vector) hmacverify.Scheme {
		s := f()
		s.Sender = hmacverify.Sender{}
		return s
	}
}

var vectorReasons = map[string]error{
	"missing":   hmacverify.ErrMissing,
	"malformed": hmacverify.ErrMalformed,
	"mismatch":  hmacverify.ErrMismatch,
	"timestamp": hmacverify.ErrTimestamp,
	"config":    hmacverify.ErrConfig,
}

func TestVectors(t *testing.T) {
	t.Parallel()
	for _, v := range readVectors(t) {
		t.Run(v.ID, func(t *testing.T) {
			t.Parallel()
			wantErr(t, v.verify(v.scheme(t)), v.want())
		})
	}
}

// scheme is the one that the vector names: of this file, or a preset.
func (v vector) scheme(tb testing.TB) hmacverify.Scheme {
	tb.Helper()
	if scheme, ok := vectorSchemes[v.Scheme]; ok {
		return scheme(v)
	}
	if _, ok := preset.ByName(v.Scheme); !ok {
		tb.Fatalf("no scheme %q", v.Scheme)
	}
	return fixed(func() hmacverify.Scheme { s, _ := preset.ByName(v.Scheme); return s })(v)
}

func (v vector) want() error {
	switch {
	case v.Scheme == "hubspot-v1" || v.Scheme == "hubspot-v2":
		return hmacverify.ErrMissing
	case v.Valid:
		return nil
	}
	return vectorReasons[v.Reason]
}

func (v vector) verify(s hmacverify.Scheme) error {
	keys := v.Secrets
	if keys == nil {
		keys = []string{v.Secret}
	}
	o := &hmacverify.Options{URL: v.URL, Method: v.Method, Now: func() time.Time { return time.Unix(v.Now, 0) }}
	if s.Name == "hubspot" && v.URL == "" {
		o.URL = testURL
	}
	verifier, err := hmacverify.New(s, o, keys...)
	if err != nil {
		return err
	}
	_, err = verifier.Verify(v.header(), []byte(v.Body))
	return err
}

func (v vector) header() http.Header {
	h := http.Header{}
	for name, value := range v.Headers {
		h.Set(name, value)
	}
	return h
}

// vectorTimes is when the deliveries were signed whose time is in the signature's
// own header and is not that of verifying.
var vectorTimes = map[string]time.Time{
	"stripe-sdk": time.Unix(1533204620, 0),
	"sanity-1":   time.UnixMilli(1633519811129),
}

func TestVectors_Sign(t *testing.T) {
	t.Parallel()
	for _, v := range readVectors(t) {
		scheme := v.scheme(t)
		switch {
		case v.want() != nil || len(scheme.Signature) == 0 || v.header().Get(scheme.Signature[0]) == "":
			continue // a Signer writes the first name only
		case scheme.Name == "hygraph" || scheme.Algorithm >= hmacverify.Ed25519:
			continue // a Signer knows no environment of Hygraph's, and the vector no private key
		}
		t.Run(v.ID, func(t *testing.T) {
			t.Parallel()
			v.checkSign(t, scheme)
		})
	}
}

func (v vector) checkSign(t *testing.T, scheme hmacverify.Scheme) {
	keys := v.Secrets
	if keys == nil {
		keys = []string{v.Secret}
	}
	at, ok := vectorTimes[v.ID]
	if !ok {
		at = time.Unix(v.Now, 0)
	}
	signer, err := hmacverify.NewSigner(scheme, &hmacverify.Options{URL: v.URL, Now: func() time.Time { return at }}, keys...)
	if err != nil {
		t.Fatal(err)
	}
	h := v.header()
	for _, name := range scheme.Signature {
		h.Del(name)
	}
	if err := signer.Sign(h, []byte(v.Body)); err != nil {
		t.Fatal(err)
	}
	for i, name := range scheme.Signature[:min(len(keys), len(scheme.Signature))] {
		got, want := h.Get(name), v.header().Get(name)
		if scheme.Encoding == hmacverify.Hex {
			want = strings.ToLower(want) // Authorize.Net writes capitals
		}
		want = strings.ReplaceAll(want, ", ", ",") // WorkOS writes a space
		// Stripe's header goes on with v0, a scheme of their tests.
		if got == "" || !strings.HasPrefix(want, got) {
			t.Errorf("signature %d: got %q, want %q", i, got, want)
		}
	}
}

func readVectors(tb testing.TB) []vector {
	tb.Helper()
	data, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		tb.Fatal(err)
	}
	var vectors []vector
	if err := json.Unmarshal(data, &vectors); err != nil {
		tb.Fatal(err)
	}
	return vectors
}
