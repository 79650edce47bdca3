package hmacverify_test

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
)

// signsWith returns a scheme with that template, and a header with its signature of
// the text.
func signsWith(template, text string) (hmacverify.Scheme, http.Header) {
	s := hmacverify.Scheme{Name: "acme", Signature: []string{"Sig"}, Signed: template}
	return s, http.Header{"Sig": {hex.EncodeToString(mac(sha256.New, testKey, text))}}
}

func post(h http.Header, target, body string) *http.Request {
	r := httptest.NewRequest("POST", "https://proxy.internal"+target, strings.NewReader(body))
	r.RequestURI, r.Header = target, h
	return r
}

func TestScheme_PartsOfTheURL(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, template, url, signed string }{
		{"the path", "{method}|{path}|{body}", "https://example.com/a/b?c=1", "POST|/a/b|{}"},
		{"the path of a URL without one", "{path}|{body}", "https://example.com?c=1", "/|{}"},
		{"the query", "{query}|{body}", "https://example.com/a?c=1&d=%2F", "c=1&d=%2F|{}"},
		{"no query", "{query}|{body}", "https://example.com/a", "|{}"},
		{"the URL is not normalized", "{url}{body}", "https://EXAMPLE.com:443/a%2fb?", "https://EXAMPLE.com:443/a%2fb?{}"},
		{"a header beside the path", "{header:N}{path}|{body}", "https://example.com/a", "1/a|{}"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, h := signsWith(tt.template, tt.signed)
			h.Set("N", "1")
			v := newVerifier(t, s, &hmacverify.Options{URL: tt.url}, testKey)
			_, err := v.Verify(h, []byte("{}"))
			wantErr(t, err, nil)
			// The request's own address is not what counts.
			_, err = v.Check(post(h, "/other?q", "{}"))
			wantErr(t, err, nil)
			_, err = v.Verify(h, []byte("{ }"))
			wantErr(t, err, hmacverify.ErrMismatch)
		})
	}
	t.Run("a header beside the path cannot take a part of it", func(t *testing.T) {
		t.Parallel()
		s, h := signsWith("{header:N}{path}|{body}", "1/a/a|{}")
		h.Set("N", "1/a")
		_, err := newVerifier(t, s, &hmacverify.Options{URL: "https://example.com/a"}, testKey).Verify(h, []byte("{}"))
		wantErr(t, err, hmacverify.ErrMalformed)
	})
}

// Twilio signs the URL now with its port and now without (twilio-node#411).
func TestScheme_URLAnyPort(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ configured, signed string }{
		{"https://a.example/b?c", "https://a.example/b?c"},
		{"https://a.example/b?c", "https://a.example:443/b?c"},
		{"http://a.example/b", "http://a.example:80/b"},
		{"https://a.example:443/b", "https://a.example/b"},
		{"https://a.example:8443/b", "https://a.example:8443/b"},
		{"https://a.example:8443/b", "https://a.example/b"},
		{"https://[2001:db8::1]/b", "https://[2001:db8::1]:443/b"},
		{"https://[2001:db8::1]:443/b", "https://[2001:db8::1]/b"},
	} {
		t.Run(tt.configured+" signed as "+tt.signed, func(t *testing.T) {
			t.Parallel()
			v := newVerifier(t, preset.Twilio(), &hmacverify.Options{URL: tt.configured}, "old", "k")
			h := http.Header{"X-Twilio-Signature": {base64.StdEncoding.EncodeToString(mac(sha1.New, "k", tt.signed+"a1b2"))}}
			d, err := v.Verify(h, []byte("b=2&a=1"))
			if wantErr(t, err, nil); d.Key != 1 {
				t.Errorf("got key %d, want 1", d.Key)
			}
			_, err = v.Verify(h, []byte("b=2&a=2"))
			wantErr(t, err, hmacverify.ErrMismatch)
		})
	}
	t.Run("with an ExtractFunc", func(t *testing.T) {
		t.Parallel()
		v := newVerifier(t, preset.TwilioJSON(), &hmacverify.Options{URL: "https://a.example/b"}, "k")
		text := "https://a.example:443/b?bodySHA256=44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
		h := http.Header{"X-Twilio-Signature": {base64.StdEncoding.EncodeToString(mac(sha1.New, "k", text))}}
		_, err := v.Verify(h, []byte("{}"))
		wantErr(t, err, nil)
	})
	t.Run("another scheme does not", func(t *testing.T) {
		t.Parallel()
		s, h := signsWith("{url}{body}", "https://a.example:443/b{}")
		_, err := newVerifier(t, s, &hmacverify.Options{URL: "https://a.example/b"}, testKey).Verify(h, []byte("{}"))
		wantErr(t, err, hmacverify.ErrMismatch)
	})
}

// HubSpot decodes some escapes of the URL before it signs.
func TestScheme_URLDecoded(t *testing.T) {
	t.Parallel()
	s, h := signsWith("{method}{url}{body}", "POSThttps://a.example/b:c?d=e/f&g=%26%20@!{}")
	s.URLForm = hmacverify.URLDecoded
	v := newVerifier(t, s, &hmacverify.Options{URL: "https://a.example/b%3Ac?d=e%2ff&g=%26%20%40%21"}, testKey)
	_, err := v.Verify(h, []byte("{}"))
	wantErr(t, err, nil)
}

func TestOptions_URLWithStars(t *testing.T) {
	t.Parallel()
	const configured = "https://a.example/hooks/*/sms?order=*&end"
	twilio := preset.Twilio()
	v := newVerifier(t, twilio, &hmacverify.Options{URL: configured}, "k")
	header := func(target string) http.Header {
		return http.Header{"X-Twilio-Signature": {base64.StdEncoding.EncodeToString(mac(sha1.New, "k", "https://a.example"+target+"AccountSidAC1"))}}
	}
	signed := header("/hooks/eu/sms?order=123&end")
	for _, tt := range []struct {
		name, target, body string
		want               error
	}{
		{"what was signed", "/hooks/eu/sms?order=123&end", "AccountSid=AC1", nil},
		{"another path", "/hooks/us/sms?order=123&end", "AccountSid=AC1", hmacverify.ErrMismatch},
		{"another order", "/hooks/eu/sms?order=124&end", "AccountSid=AC1", hmacverify.ErrMismatch},
		{"what belongs to the fields", "/hooks/eu/sms?order=123&endAccount", "Sid=AC1", hmacverify.ErrMalformed},
		{"no order", "/hooks/eu/sms?order=&end", "AccountSid=AC1", hmacverify.ErrMalformed},
		{"two orders", "/hooks/eu/sms?order=1&order=123&end", "AccountSid=AC1", hmacverify.ErrMalformed},
		{"a longer path", "/hooks/eu/x/sms?order=123&end", "AccountSid=AC1", hmacverify.ErrMalformed},
		{"a query beside", "/hooks/eu/sms?order=123&end&x", "AccountSid=AC1", hmacverify.ErrMalformed},
		{"a quote", `/hooks/eu/sms?order="&end`, "AccountSid=AC1", hmacverify.ErrMalformed},
		{"8 KiB", "/hooks/eu/sms?order=" + strings.Repeat("1", 8<<10) + "&end", "AccountSid=AC1", hmacverify.ErrMalformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := v.Check(post(signed, tt.target, tt.body))
			wantErr(t, err, tt.want)
		})
	}
	// Twilio signs no separator between URL and fields: without the fixed end, the
	// query could give bytes to the first field, and take some from it.
	t.Run("bytes do not move between query and fields", func(t *testing.T) {
		t.Parallel()
		_, err := v.Check(post(signed, "/hooks/eu/sms?order=1&end", "23&endAccountSid=AC1"))
		wantErr(t, err, hmacverify.ErrMismatch)
		_, err = hmacverify.New(twilio, &hmacverify.Options{URL: "https://a.example/sms?order=*"}, "k")
		if wantErr(t, err, hmacverify.ErrConfig); err != nil && !strings.Contains(err.Error(), "?order=*&end") {
			t.Errorf("got %q, want it to say the way out", err)
		}
	})
	t.Run("it is the client's address, not what a middleware made of it", func(t *testing.T) {
		t.Parallel()
		r := post(signed, "/hooks/eu/sms?order=123&end", "AccountSid=AC1")
		r.URL.Path = "/sms"
		_, err := v.Check(r)
		wantErr(t, err, nil)
	})
	t.Run("a request that no server has read", func(t *testing.T) {
		t.Parallel()
		r, err := http.NewRequestWithContext(t.Context(), "POST", "https://b.example/hooks/eu/sms?order=123&end", strings.NewReader("AccountSid=AC1"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = signed
		_, err = v.Check(r)
		wantErr(t, err, nil)
	})
	t.Run("Verify has no request", func(t *testing.T) {
		t.Parallel()
		_, err := v.Verify(signed, []byte("AccountSid=AC1"))
		wantErr(t, err, hmacverify.ErrConfig)
	})
	t.Run("a tenant's URL", func(t *testing.T) {
		t.Parallel()
		for tenantURL, want := range map[string]error{configured: nil, "https://a.example/*": hmacverify.ErrConfig, "": hmacverify.ErrConfig} {
			v := newVerifier(t, twilio, &hmacverify.Options{Keys: func(*http.Request) (hmacverify.Tenant, error) {
				return hmacverify.Tenant{Name: "eu", Keys: []string{"k"}, URL: tenantURL}, nil
			}})
			_, err := v.Check(post(signed, "/hooks/eu/sms?order=123&end", "AccountSid=AC1"))
			wantErr(t, err, want)
		}
	})
	t.Run("a Signer signs the address of its request", func(t *testing.T) {
		t.Parallel()
		signer, err := hmacverify.NewSigner(twilio, &hmacverify.Options{URL: configured}, "k")
		if err != nil {
			t.Fatal(err)
		}
		r, err := signer.NewRequest(t.Context(), "http://127.0.0.1:8080/hooks/us/sms?order=7&end", nil, []byte("a=1"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = v.Check(r)
		wantErr(t, err, nil)
		wantErr(t, signer.Sign(http.Header{}, nil), hmacverify.ErrConfig)
		_, err = signer.NewRequest(t.Context(), "http://127.0.0.1:8080/", nil, nil)
		wantErr(t, err, hmacverify.ErrMalformed)
	})
}

// FuzzURLWithStars: of all ways to split the signed bytes into an address and a body,
// one is accepted.
func FuzzURLWithStars(f *testing.F) {
	f.Add("/a/1/b?c=2&end", "A1", 3)
	f.Add("/a/x/b?c=2&end", "&end", -2)
	f.Add("/a/%2F/b?c==&end", "c=2&end", 4)
	const pattern = "/a/*/b?c=*&end"
	s := hmacverify.Scheme{Name: "acme", Signature: []string{"Sig"}, Signed: "{url}{body}"}
	o := &hmacverify.Options{URL: "https://a.example" + pattern}
	v := newVerifier(f, s, o, testKey)
	f.Fuzz(func(t *testing.T, target, body string, shift int) {
		all := target + body
		h := http.Header{"Sig": {hex.EncodeToString(mac(sha256.New, testKey, "https://a.example"+all))}}
		cut := len(target) + shift
		if cut < 0 || cut > len(all) || shift == 0 {
			return
		}
		accepts := func(cut int) bool {
			r := &http.Request{Method: "POST", RequestURI: all[:cut], Header: h, ContentLength: -1, Body: nopBody{bytes.NewReader([]byte(all[cut:]))}}
			r.URL = httptest.NewRequest("POST", "/", nil).URL
			_, err := v.Check(r)
			return err == nil
		}
		if accepts(len(target)) && accepts(cut) {
			t.Errorf("%q is accepted split at %d and at %d", all, len(target), cut)
		}
	})
}

type nopBody struct{ *bytes.Reader }

func (nopBody) Close() error { return nil }
