package hmacverify_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
)

// countingBody reports what was read of a request.
type countingBody struct {
	io.Reader
	read   int
	closed bool
}

func (b *countingBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	b.read += n
	return n, err
}

func (b *countingBody) Close() error { b.closed = true; return nil }

func request(h http.Header, body io.Reader, length int64) (*http.Request, *countingBody) {
	counting := &countingBody{Reader: body}
	r := httptest.NewRequest("POST", "/", counting)
	r.Header, r.ContentLength = h, length
	return r, counting
}

func TestVerifier_CheckRestoresBody(t *testing.T) {
	t.Parallel()
	s := preset.XSignature256()
	v := newVerifier(t, s, nil, testKey)
	for _, tt := range []struct {
		name   string
		body   string
		length int64
	}{
		{"of announced length", ruleBody, int64(len(ruleBody))},
		{"of unknown length", ruleBody, -1},
		{"whose length the caller did not set", ruleBody, 0},
		{"that is empty", "", 0},
		{"that is empty and of unknown length", "", -1},
		{"as large as the limit", strings.Repeat("x", 1<<20), 1 << 20},
		{"as large as the limit and of unknown length", strings.Repeat("x", 1<<20), -1},
	} {
		t.Run("a body "+tt.name, func(t *testing.T) {
			t.Parallel()
			r, original := request(signed(t, s, nil, tt.body, testKey), strings.NewReader(tt.body), tt.length)
			d, err := v.Check(r)
			if err != nil {
				t.Fatal(err)
			}
			if string(d.Body) != tt.body || r.ContentLength != int64(len(tt.body)) {
				t.Errorf("got %d bytes, ContentLength %d, want %d", len(d.Body), r.ContentLength, len(tt.body))
			}
			first, _ := io.ReadAll(r.Body)
			for range 2 {
				again, err := r.GetBody()
				if err != nil {
					t.Fatal(err)
				}
				second, _ := io.ReadAll(again)
				if string(first) != tt.body || string(second) != tt.body {
					t.Error("r.Body or r.GetBody do not read what was verified")
				}
			}
			if err := r.Body.Close(); err != nil || !original.closed {
				t.Error("closing the body did not close the original")
			}
		})
	}
	t.Run("no body at all", func(t *testing.T) {
		t.Parallel()
		r := httptest.NewRequest("POST", "/", nil)
		r.Header = signed(t, s, nil, "", testKey)
		r.Body = nil
		_, err := v.Check(r)
		if wantErr(t, err, nil); r.Body.Close() != nil {
			t.Error("cannot be closed")
		}
	})
}

func TestVerifier_CheckOrder(t *testing.T) {
	t.Parallel()
	s := anySender(preset.Stripe())
	v := newVerifier(t, s, testOptions(), testKey)
	good := signed(t, s, nil, ruleBody, testKey)
	old := good.Clone()
	old.Set("Stripe-Signature", "t=1,v1="+strings.Repeat("0", 64))
	for _, tt := range []struct {
		name   string
		method string
		header http.Header
		length int64
		want   error
	}{
		{"another method is refused without reading the body", "PUT", good, -1, hmacverify.ErrMethod},
		{"an unsigned request is refused without reading the body", "POST", http.Header{}, -1, hmacverify.ErrMissing},
		{"a malformed signature is refused without reading the body", "POST", http.Header{"Stripe-Signature": {"x"}}, -1, hmacverify.ErrMalformed},
		{"an old request is refused without reading the body", "POST", old, -1, hmacverify.ErrTimestamp},
		{"a length over the limit is refused without reading the body", "POST", good, 1<<20 + 1, hmacverify.ErrBodyTooLarge},
		{"the signature is looked for before the length", "POST", http.Header{}, 1 << 40, hmacverify.ErrMissing},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, body := request(tt.header, strings.NewReader(ruleBody), tt.length)
			r.Method = tt.method
			_, err := v.Check(r)
			if wantErr(t, err, tt.want); body.read != 0 {
				t.Errorf("read %d bytes", body.read)
			}
		})
	}
}

func TestVerifier_BodyLimits(t *testing.T) {
	t.Parallel()
	s := preset.XSignature256()
	v := newVerifier(t, s, &hmacverify.Options{MaxBody: 10}, testKey)
	h := signed(t, s, nil, "0123456789", testKey)

	t.Run("a body of unknown length is read one byte over the limit and no more", func(t *testing.T) {
		t.Parallel()
		r, body := request(h, iotest.OneByteReader(strings.NewReader(strings.Repeat("x", 1000))), -1)
		_, err := v.Check(r)
		if wantErr(t, err, hmacverify.ErrBodyTooLarge); body.read != 11 {
			t.Errorf("read %d bytes, want 11", body.read)
		}
	})
	t.Run("a body that ends early is not a wrong signature", func(t *testing.T) {
		t.Parallel()
		r, _ := request(h, strings.NewReader("01234"), 10)
		_, err := v.Check(r)
		if wantErr(t, err, hmacverify.ErrBodyUnreadable); hmacverify.Status(err) != 400 {
			t.Errorf("got status %d, want 400", hmacverify.Status(err))
		}
	})
	t.Run("a read error is the reason", func(t *testing.T) {
		t.Parallel()
		broken := errors.New("broken")
		r, _ := request(h, iotest.ErrReader(broken), -1)
		_, err := v.Check(r)
		wantErr(t, err, hmacverify.ErrBodyUnreadable)
		wantErr(t, err, broken)
	})
	t.Run("the limit of an http.MaxBytesReader is a limit", func(t *testing.T) {
		t.Parallel()
		r, _ := request(h, http.MaxBytesReader(nil, io.NopCloser(strings.NewReader("0123456789")), 5), -1)
		_, err := v.Check(r)
		if wantErr(t, err, hmacverify.ErrBodyTooLarge); hmacverify.Status(err) != 413 {
			t.Errorf("got status %d, want 413", hmacverify.Status(err))
		}
	})
}

func TestVerifier_HandlerRefusals(t *testing.T) {
	t.Parallel()
	s := preset.XSignature256()
	var reasons []error
	v := newVerifier(t, s, &hmacverify.Options{ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
		reasons = append(reasons, err)
		hmacverify.WriteError(w, err)
	}}, testKey)
	good := signed(t, s, nil, ruleBody, testKey)
	const unauthorized = `{"type":"about:blank","title":"Unauthorized","status":401,"code":"invalid_signature"}`
	const tooLarge = `{"type":"about:blank","title":"Request Entity Too Large","status":413,"code":"body_too_large"}`
	const unreadable = `{"type":"about:blank","title":"Bad Request","status":400,"code":"unreadable_body"}`
	const method = `{"type":"about:blank","title":"Method Not Allowed","status":405,"code":"method_not_allowed"}`
	for _, tt := range []struct {
		name   string
		method string
		header http.Header
		length int64
		reason error
		status int
		body   string
	}{
		{"no signature", "POST", http.Header{}, -1, hmacverify.ErrMissing, 401, unauthorized},
		{"a malformed signature", "POST", http.Header{"X-Signature-256": {"x"}}, -1, hmacverify.ErrMalformed, 401, unauthorized},
		{"a wrong signature", "POST", http.Header{"X-Signature-256": {strings.Repeat("0", 64)}}, -1, hmacverify.ErrMismatch, 401, unauthorized},
		{"too long a body", "POST", good, 1 << 30, hmacverify.ErrBodyTooLarge, 413, tooLarge},
		{"an aborted body", "POST", good, 100, hmacverify.ErrBodyUnreadable, 400, unreadable},
		{"another method", "GET", good, -1, hmacverify.ErrMethod, 405, method},
	} {
		t.Run("answers "+tt.name+" with a constant, and gives the ErrorHandler the reason", func(t *testing.T) {
			r, _ := request(tt.header, strings.NewReader(ruleBody), tt.length)
			r.Method = tt.method
			w := httptest.NewRecorder()
			reasons = nil
			v.Handler(unreachable(t)).ServeHTTP(w, r)
			if w.Code != tt.status || w.Body.String() != tt.body {
				t.Errorf("got %d %s, want %d %s", w.Code, w.Body, tt.status, tt.body)
			}
			if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
				t.Errorf("got %q", got)
			}
			if len(reasons) != 1 || !errors.Is(reasons[0], tt.reason) {
				t.Errorf("got reasons %v, want %v", reasons, tt.reason)
			}
		})
	}
	t.Run("names the allowed method", func(t *testing.T) {
		w := httptest.NewRecorder()
		v.Handler(unreachable(t)).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if got := w.Header().Get("Allow"); got != "POST" {
			t.Errorf("got %q", got)
		}
	})
	t.Run("passes a verified request on without changing the caller's", func(t *testing.T) {
		r, original := request(good, strings.NewReader(ruleBody), int64(len(ruleBody)))
		next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			d, ok := hmacverify.FromContext(r.Context())
			body, _ := io.ReadAll(r.Body)
			if !ok || !bytes.Equal(body, d.Body) || string(body) != ruleBody {
				t.Errorf("got %v, body %q", d, body)
			}
			if r.Context().Value(http.ServerContextKey) != nil || r.Context().Done() != nil {
				t.Error("the context is not the caller's")
			}
			w.WriteHeader(http.StatusNoContent)
		})
		w := httptest.NewRecorder()
		v.Handler(next).ServeHTTP(w, r)
		if w.Code != http.StatusNoContent || r.Body != io.ReadCloser(original) {
			t.Errorf("got %d", w.Code)
		}
	})
}
