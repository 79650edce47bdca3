package hmacverify_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
)

func TestVerifier_KeyRotation(t *testing.T) {
	t.Parallel()
	s := preset.GitHub()
	v := newVerifier(t, s, nil, "newest", "older", "oldest")
	for i, key := range []string{"newest", "older", "oldest"} {
		t.Run("reports which key matched: "+key, func(t *testing.T) {
			t.Parallel()
			d, err := v.Verify(signed(t, s, nil, ruleBody, key), []byte(ruleBody))
			if wantErr(t, err, nil); d.Key != i {
				t.Errorf("got key %d, want %d", d.Key, i)
			}
		})
	}
	t.Run("a removed key is refused", func(t *testing.T) {
		t.Parallel()
		_, err := v.Verify(signed(t, s, nil, ruleBody, "ancient"), []byte(ruleBody))
		wantErr(t, err, hmacverify.ErrMismatch)
	})
}

func TestNew_KeyEncodings(t *testing.T) {
	t.Parallel()
	key := []byte{0xfb, 0xff, 0, 1, 2, 3, 4}
	for _, tt := range []struct {
		name    string
		enc     hmacverify.KeyEncoding
		written string
		wrong   string
	}{
		{"raw keys are used as they are", hmacverify.RawKey, string(key), ""},
		{"base64 keys may be padded", hmacverify.Base64Key, base64.StdEncoding.EncodeToString(key), "whsec_+/*"},
		{"base64 keys may be bare", hmacverify.Base64Key, base64.RawStdEncoding.EncodeToString(key), "a"},
		{"hex keys are decoded", hmacverify.HexKey, hex.EncodeToString(key), "abc"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			plain := hmacverify.Scheme{Name: "raw", Signature: []string{"Sig"}}
			s := plain
			s.KeyEncoding, s.KeyPrefix = tt.enc, "whsec_"
			h := signed(t, plain, nil, ruleBody, string(key))
			for _, prefix := range []string{"", "whsec_"} {
				_, err := newVerifier(t, s, nil, prefix+tt.written).Verify(h, []byte(ruleBody))
				wantErr(t, err, nil)
			}
			for _, bad := range []string{"", "whsec_", tt.wrong} {
				if _, err := hmacverify.New(s, nil, "fine", bad); !errors.Is(err, hmacverify.ErrConfig) {
					t.Errorf("key %q: got %v, want ErrConfig", bad, err)
				}
			}
		})
	}
}

func TestNew_StripeSecretIsRaw(t *testing.T) {
	t.Parallel()
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	s := preset.Stripe()
	plain := s
	plain.Name = "same"
	h := signed(t, s, nil, ruleBody, secret)
	_, err := newVerifier(t, plain, testOptions(), secret).Verify(h, []byte(ruleBody))
	wantErr(t, err, nil)
	_, err = newVerifier(t, plain, testOptions(), strings.TrimPrefix(secret, "whsec_")).Verify(h, []byte(ruleBody))
	wantErr(t, err, hmacverify.ErrMismatch)
}

func TestOptions_Keys(t *testing.T) {
	t.Parallel()
	s := preset.GitHub()
	asked := 0
	tenants := map[string]hmacverify.Tenant{
		"/a":        {Name: "a", Keys: []string{"key-a-new", "key-a"}},
		"/A":        {Name: "a", Keys: []string{"key-a-new", "key-a"}},
		"/b":        {Name: "b", Keys: []string{"key-b"}},
		"/nameless": {Keys: []string{"key"}},
		"/keyless":  {Name: "k"},
		"/empty":    {Name: "e", Keys: []string{""}},
	}
	v := newVerifier(t, s, &hmacverify.Options{Keys: func(r *http.Request) (hmacverify.Tenant, error) {
		asked++
		if r.URL.Path == "/broken" {
			return hmacverify.Tenant{}, errors.New("the key store is down")
		}
		tenant, ok := tenants[r.URL.Path]
		if !ok {
			return tenant, fmt.Errorf("tenant %s: %w", r.URL.Path, hmacverify.ErrNoKey)
		}
		return tenant, nil
	}})
	check := func(path, key string) (*hmacverify.Delivery, error) {
		r := httptest.NewRequest("POST", path, strings.NewReader(ruleBody))
		r.Header = signed(t, s, nil, ruleBody, key)
		return v.Check(r)
	}
	for _, tt := range []struct {
		name, path, key string
		want            error
		status          int
	}{
		{"a tenant's delivery is accepted under its key", "/b", "key-b", nil, 200},
		{"another tenant's key is refused", "/a", "key-b", hmacverify.ErrMismatch, 401},
		{"an unknown tenant is refused", "/unknown", "key-a", hmacverify.ErrNoKey, 401},
		{"a tenant without keys is refused", "/keyless", "key-a", hmacverify.ErrNoKey, 401},
		{"an empty key is refused", "/empty", "x", hmacverify.ErrConfig, 503},
		{"keys without a tenant's name are refused", "/nameless", "key", hmacverify.ErrConfig, 503},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := check(tt.path, tt.key)
			if wantErr(t, err, tt.want); err != nil && hmacverify.Status(err) != tt.status {
				t.Errorf("got status %d, want %d", hmacverify.Status(err), tt.status)
			}
		})
	}
	t.Run("an unavailable key store is a failure of ours and not the sender's", func(t *testing.T) {
		if _, err := check("/broken", "key-a"); err == nil || hmacverify.Status(err) != 503 {
			t.Errorf("got %v, status %d", err, hmacverify.Status(err))
		}
	})
	t.Run("the tenant and the key that matched are reported", func(t *testing.T) {
		d, err := check("/a", "key-a")
		if wantErr(t, err, nil); err == nil && (d.Tenant != "a" || d.Key != 1 || d.Scheme != "github") {
			t.Errorf("got %v", d)
		}
	})
	t.Run("another spelling of the path does not make another scope", func(t *testing.T) {
		a, err := check("/a", "key-a")
		wantErr(t, err, nil)
		b, err := check("/A", "key-a")
		wantErr(t, err, nil)
		if a.Tenant != b.Tenant {
			t.Errorf("got %q and %q", a.Tenant, b.Tenant)
		}
	})
	t.Run("an unsigned request costs no look-up", func(t *testing.T) {
		before := asked
		_, err := v.Check(httptest.NewRequest("POST", "/a", strings.NewReader(ruleBody)))
		if wantErr(t, err, hmacverify.ErrMissing); asked != before {
			t.Error("keys were looked up")
		}
	})
	t.Run("without a request there is no key", func(t *testing.T) {
		_, err := v.Verify(signed(t, s, nil, ruleBody, "key-a"), []byte(ruleBody))
		wantErr(t, err, hmacverify.ErrNoKey)
	})
	t.Run("a tenant has its own URL", func(t *testing.T) {
		square := preset.Square()
		o := testOptions()
		o.URL = ""
		tenant := hmacverify.Tenant{Name: "t", Keys: []string{testKey}, URL: testURL}
		o.Keys = func(*http.Request) (hmacverify.Tenant, error) { return tenant, nil }
		v := newVerifier(t, square, o)
		r := httptest.NewRequest("POST", "/", strings.NewReader(ruleBody))
		r.Header = signed(t, square, nil, ruleBody, testKey)
		_, err := v.Check(r)
		wantErr(t, err, nil)
		tenant.URL = ""
		r.Body, _ = r.GetBody()
		_, err = v.Check(r)
		wantErr(t, err, hmacverify.ErrConfig)
	})
}

func TestVerifier_Zero(t *testing.T) {
	t.Parallel()
	h := signed(t, preset.GitHub(), nil, ruleBody, "k")
	for _, v := range []*hmacverify.Verifier{nil, {}} {
		_, err := v.Verify(h, []byte(ruleBody))
		wantErr(t, err, hmacverify.ErrNoKey)
		r := httptest.NewRequest("POST", "/", strings.NewReader(ruleBody))
		r.Header = h
		_, err = v.Check(r)
		wantErr(t, err, hmacverify.ErrNoKey)
		w := httptest.NewRecorder()
		v.Handler(unreachable(t)).ServeHTTP(w, r)
		if w.Code != http.StatusUnauthorized {
			t.Errorf("got %d, want 401", w.Code)
		}
	}
}

func unreachable(tb testing.TB) http.Handler {
	return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { tb.Error("the handler was reached") })
}

// No way to print a value of this package may show a key, a MAC or a body.
func TestVerifier_PrintsNoSecret(t *testing.T) {
	t.Parallel()
	const canary = "canary-key-00112233"
	const body = `{"eventId":"1","secret":"canary-body"}`
	s := preset.XSignature256()
	v := newVerifier(t, s, nil, canary)
	signer, err := hmacverify.NewSigner(s, nil, canary)
	if err != nil {
		t.Fatal(err)
	}
	h := signed(t, s, nil, body, canary)
	mac := strings.TrimPrefix(h.Get("X-Signature-256"), "sha256=")
	d, err := v.Verify(h, []byte(body))
	wantErr(t, err, nil)
	_, mismatch := v.Verify(h, []byte(body+" "))
	_, malformed := v.Verify(http.Header{"X-Signature-256": {mac + "ff"}}, []byte(body))
	_, config := hmacverify.New(preset.AdyenStandard(), nil, canary)
	tenant := hmacverify.Tenant{Name: "t", Keys: []string{canary}}

	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("", "tenant", tenant, "pointer", &tenant, "in", []any{tenant},
		"delivery", d, "delivered", &d, "verifier", v, "signer", signer)
	if !strings.Contains(log.String(), "delivery of") || strings.Contains(log.String(), "canary") ||
		strings.Contains(log.String(), base64.StdEncoding.EncodeToString([]byte(body))) {
		t.Errorf("slog: %s", &log)
	}
	for _, x := range []any{v, *signer, signer, s, d, &d, tenant, &tenant, mismatch, malformed, config} {
		for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			got := fmt.Sprintf(format, x)
			for _, secret := range []string{canary, mac, "canary-body"} {
				for _, written := range []string{secret, fmt.Sprintf("%x", secret), fmt.Sprint([]byte(secret)), fmt.Sprintf("%v", []byte(secret))[1:20]} {
					if strings.Contains(got, written) {
						t.Errorf("%s of %T shows %q: %s", format, x, secret, got)
					}
				}
			}
		}
	}
}
