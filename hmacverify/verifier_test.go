package hmacverify_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/hookonce/hookonce/hmacverify"
)

// Verify allocates the strings that it returns and nothing else, or an attacker
// decides how much garbage there is.
func TestVerifier_Allocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes sync.Pool forget")
	}
	inHeader := stamped(hmacverify.Sender{})
	inHeader.ID, inHeader.Signed = hmacverify.Field{Header: "Id"}, "{id}.{timestamp}.{body}"
	plain := hmacverify.Scheme{Name: "acme", Signature: []string{"Sig"}}
	for _, tt := range []struct {
		name   string
		scheme hmacverify.Scheme
		body   string
		want   float64
	}{
		{"nothing for a scheme without ID", plain, ruleBody, 0},
		{"nothing for an ID in a header", inHeader, ruleBody, 0},
		{"one string for an ID in the body", stamped(hmacverify.Sender{}), ruleBody, 1},
		{"nothing for an ID that is absent", stamped(hmacverify.Sender{}), `{}`, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := newVerifier(t, tt.scheme, testOptions(), testKey)
			h, body := signed(t, tt.scheme, http.Header{"Id": {"1"}}, tt.body, testKey), []byte(tt.body)
			got := testing.AllocsPerRun(200, func() {
				if _, err := v.Verify(h, body); err != nil {
					t.Fatal(err)
				}
			})
			if got != tt.want {
				t.Errorf("got %v allocations, want %v", got, tt.want)
			}
		})
	}
}

// Gateways and queues hand out names in lower case, which http.Header does not
// find. The error says so.
func TestVerifier_HeaderInAnotherCase(t *testing.T) {
	t.Parallel()
	s := stamped(hmacverify.Sender{})
	v := newVerifier(t, s, testOptions(), testKey)
	for _, name := range []string{"Sig", "Time"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := signed(t, s, nil, ruleBody, testKey)
			h[strings.ToLower(name)] = h[name]
			delete(h, name)
			_, err := v.Verify(h, []byte(ruleBody))
			if wantErr(t, err, hmacverify.ErrMissing); err != nil && !strings.Contains(err.Error(), `as "`+strings.ToLower(name)+`"`) {
				t.Errorf("got %q, want it to name the header that is there", err)
			}
		})
	}
}

// A text that is missing is not reported as wrong, and a fault of the body not as
// one of a header.
func TestVerifier_ErrorsNameTheFault(t *testing.T) {
	t.Parallel()
	inBody := hmacverify.Scheme{Name: "acme", Signature: []string{"Sig"}, Timestamp: hmacverify.Timestamp{JSON: "at"}}
	object := hmacverify.Scheme{Name: "acme", Signature: []string{"Sig"}, JSONObject: true}
	plain := hmacverify.Scheme{Name: "acme", Signature: []string{"Sig"}}
	form := hmacverify.Scheme{Name: "acme", Signature: []string{"Sig"}, Signed: "{params}"}
	stamp := http.Header{"Time": {"+1"}}
	for _, tt := range []struct {
		name         string
		signs        hmacverify.Scheme
		verifies     hmacverify.Scheme
		header       http.Header
		body         string
		want         error
		says, saysNo string
	}{
		{"a timestamp that the body lacks", inBody, inBody, nil, `{}`, hmacverify.ErrMissing, "no timestamp in the body", "canonical"},
		{"a timestamp that is written in another way", stamped(hmacverify.Sender{}), stamped(hmacverify.Sender{}), stamp, `{}`,
			hmacverify.ErrTimestamp, "not written as decimal seconds since 1970", "missing"},
		{"a body that is not an object", plain, object, nil, `[]`, hmacverify.ErrMalformed, "the body is not a JSON object", "header"},
		{"a body that is not a form", plain, form, nil, `a=%zz`, hmacverify.ErrMalformed, "the body is not a form", "header"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := signed(t, tt.signs, tt.header, tt.body, testKey)
			_, err := newVerifier(t, tt.verifies, testOptions(), testKey).Verify(h, []byte(tt.body))
			if wantErr(t, err, tt.want); err == nil {
				return
			}
			if got := err.Error(); !strings.Contains(got, tt.says) || strings.Contains(got, tt.saysNo) {
				t.Errorf("got %q, want it to say %q and not %q", got, tt.says, tt.saysNo)
			}
		})
	}
}

// Finding a tenant's keys may cost a query; headers that cannot be good must not
// cause one.
func TestOptions_KeysAfterHeaders(t *testing.T) {
	t.Parallel()
	s := stamped(hmacverify.Sender{})
	asked := 0
	o := testOptions()
	o.Keys = func(*http.Request) (hmacverify.Tenant, error) {
		asked++
		return hmacverify.Tenant{Name: "eu", Keys: []string{testKey}}, nil
	}
	v := newVerifier(t, s, o)
	good := signed(t, s, nil, ruleBody, testKey)
	for _, tt := range []struct {
		name, header, value string
		want                error
		asks                int
	}{
		{"a malformed signature", "Sig", "zz", hmacverify.ErrMalformed, 0},
		{"no timestamp", "Time", "", hmacverify.ErrMissing, 0},
		{"an old timestamp", "Time", "1", hmacverify.ErrTimestamp, 0},
		{"good headers", "Other", "x", nil, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			asked = 0
			r := httptest.NewRequest("POST", "/", strings.NewReader(ruleBody))
			r.Header = good.Clone()
			r.Header.Set(tt.header, tt.value)
			_, err := v.Check(r)
			if wantErr(t, err, tt.want); asked != tt.asks {
				t.Errorf("keys were looked up %d times, want %d", asked, tt.asks)
			}
		})
	}
}

// Two tenants must never be verified with each other's keys, whatever the pool of
// scratch space still holds.
func TestOptions_KeysOfTenantsInTurn(t *testing.T) {
	t.Parallel()
	s := hmacverify.Scheme{Name: "acme", Signature: []string{"Sig"}}
	v := newVerifier(t, s, &hmacverify.Options{Keys: func(r *http.Request) (hmacverify.Tenant, error) {
		name := r.URL.Path[1:]
		return hmacverify.Tenant{Name: name, Keys: []string{"key of " + name}}, nil
	}})
	for range 10 {
		for _, tt := range []struct {
			path, key string
			want      error
		}{
			{"/a", "key of a", nil}, {"/b", "key of a", hmacverify.ErrMismatch}, {"/b", "key of b", nil}, {"/a", "key of b", hmacverify.ErrMismatch},
		} {
			r := httptest.NewRequest("POST", tt.path, strings.NewReader(ruleBody))
			r.Header = signed(t, s, nil, ruleBody, tt.key)
			_, err := v.Check(r)
			wantErr(t, err, tt.want)
		}
	}
}

// A tenant's keys cost their MAC states and little else: no pool, and nothing that is
// kept after the request.
func TestOptions_KeysCost(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes sync.Pool forget")
	}
	s := hmacverify.Scheme{Name: "acme", Signature: []string{"Sig"}}
	tenant := hmacverify.Tenant{Name: "eu", Keys: []string{testKey}}
	h := signed(t, s, nil, ruleBody, testKey)
	cost := func(v *hmacverify.Verifier) int64 {
		return testing.Benchmark(func(b *testing.B) {
			r := httptest.NewRequest("POST", "/", nil)
			r.Header, r.ContentLength = h, int64(len(ruleBody))
			b.ReportAllocs()
			for b.Loop() {
				r.Body = io.NopCloser(strings.NewReader(ruleBody))
				if _, err := v.Check(r); err != nil {
					b.Fatal(err)
				}
			}
		}).AllocedBytesPerOp()
	}
	fixed := cost(newVerifier(t, s, nil, testKey))
	byTenant := cost(newVerifier(t, s, &hmacverify.Options{Keys: func(*http.Request) (hmacverify.Tenant, error) { return tenant, nil }}))
	if extra := byTenant - fixed; extra > 1200 {
		t.Errorf("a tenant's request allocates %d bytes more than one with New's keys", extra)
	} else {
		t.Logf("%d bytes more", extra)
	}
}

// Secrets that are read from files end in a newline.
func TestNew_KeyWithWhiteSpace(t *testing.T) {
	t.Parallel()
	for _, encoding := range []hmacverify.KeyEncoding{hmacverify.RawKey, hmacverify.Base64Key, hmacverify.HexKey} {
		s := hmacverify.Scheme{Name: "acme", Signature: []string{"Sig"}, KeyEncoding: encoding, KeyPrefix: "whsec_"}
		for _, key := range []string{testKey + "\n", "\r\n" + testKey, " " + testKey, testKey + "\t", "whsec_ " + testKey} {
			for name, construct := range map[string]func() error{
				"New":       func() error { _, err := hmacverify.New(s, nil, testKey, key); return err },
				"NewSigner": func() error { _, err := hmacverify.NewSigner(s, nil, testKey, key); return err },
			} {
				err := construct()
				if wantErr(t, err, hmacverify.ErrConfig); err == nil {
					t.Fatalf("%s accepts %q", name, key)
				}
				if got := err.Error(); !strings.Contains(got, `scheme "acme": key 1: has white space`) || strings.Contains(got, testKey) {
					t.Errorf("%s: got %q, want it to name the key without showing it", name, got)
				}
			}
		}
	}
}

// In this mode package hmac panics on short keys and on SHA-1. GODEBUG is read when
// a process starts, so the test runs itself again.
func TestNew_FIPSMode(t *testing.T) {
	if os.Getenv("HMACVERIFY_TEST_FIPS") == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestNew_FIPSMode$")
		cmd.Env = append(os.Environ(), "GODEBUG=fips140=only", "HMACVERIFY_TEST_FIPS=1")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "PASS") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	s := hmacverify.Scheme{Name: "acme", Signature: []string{"Sig"}}
	weak := s
	weak.Algorithm = hmacverify.SHA1
	for _, tt := range []struct {
		name   string
		scheme hmacverify.Scheme
		key    string
		want   error
	}{
		{"a key that is too short", s, "short", hmacverify.ErrConfig},
		{"a hash that is not approved", weak, testKey, hmacverify.ErrConfig},
		{"a key that can be used", s, testKey, nil},
	} {
		_, err := hmacverify.New(tt.scheme, nil, tt.key)
		wantErr(t, err, tt.want)
		_, err = hmacverify.NewSigner(tt.scheme, nil, tt.key)
		wantErr(t, err, tt.want)
		tenant := hmacverify.Tenant{Name: "eu", Keys: []string{tt.key}}
		v := newVerifier(t, tt.scheme, &hmacverify.Options{Keys: func(*http.Request) (hmacverify.Tenant, error) { return tenant, nil }})
		r := httptest.NewRequest("POST", "/", nil)
		r.Header = http.Header{"Sig": {strings.Repeat("0", 40)}}
		if tt.scheme.Algorithm == hmacverify.SHA256 {
			r.Header = http.Header{"Sig": {strings.Repeat("0", 64)}}
		}
		_, err = v.Check(r)
		if tt.want == nil {
			wantErr(t, err, hmacverify.ErrMismatch)
		} else {
			wantErr(t, err, tt.want)
		}
	}
}

func TestSigner_Zero(t *testing.T) {
	t.Parallel()
	for _, s := range []*hmacverify.Signer{nil, {}} {
		wantErr(t, s.Sign(http.Header{}, nil), hmacverify.ErrNoKey)
		_, err := s.NewRequest(t.Context(), "http://localhost/", nil, nil)
		wantErr(t, err, hmacverify.ErrNoKey)
	}
}
