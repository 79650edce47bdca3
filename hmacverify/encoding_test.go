package hmacverify_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hookonce/hookonce/hmacverify"
)

func gzipped(tb testing.TB, body string) []byte {
	tb.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, body); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func gzipScheme() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name: "acme", Signature: []string{"Sig"}, ID: hmacverify.Field{JSON: "id"}, Type: hmacverify.Field{JSON: "type"},
		Identity: hmacverify.SignedID,
	}
}

func TestScheme_ContentEncoding(t *testing.T) {
	t.Parallel()
	const body = `{"type":"x","id":"evt_1"}`
	sent := gzipped(t, body)
	for _, tt := range []struct {
		name     string
		before   bool
		signed   string
		encoding string
	}{
		{"signed as sent", false, string(sent), "gzip"},
		{"signed as sent, in another case", false, string(sent), "GZIP"},
		{"signed before compression", true, body, "gzip"},
		{"signed before compression, by the older name", true, body, "x-gzip"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := gzipScheme()
			s.BeforeCompression = tt.before
			v := newVerifier(t, s, nil, testKey)
			h := signed(t, gzipScheme(), http.Header{"Content-Encoding": {tt.encoding}}, tt.signed, testKey)

			served := false
			handler := v.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				served = true
				d, _ := hmacverify.FromContext(r.Context())
				if d.ID != "evt_1" || d.EventType() != "x" || string(d.Body) != body {
					t.Errorf("got %v of type %q with body %q", d, d.EventType(), d.Body)
				}
				read, err := io.ReadAll(r.Body)
				wantErr(t, err, nil)
				if string(read) != body || r.ContentLength != int64(len(body)) || r.Header.Get("Content-Encoding") != "" {
					t.Errorf("the handler reads %q, length %d, encoding %q", read, r.ContentLength, r.Header.Get("Content-Encoding"))
				}
			}))
			r := httptest.NewRequest("POST", "/", bytes.NewReader(sent))
			r.Header = h
			handler.ServeHTTP(httptest.NewRecorder(), r)
			if !served {
				t.Error("refused")
			}
			if h.Get("Content-Encoding") != tt.encoding {
				t.Error("the header of the request was changed")
			}
			d, err := v.Verify(h, sent)
			if wantErr(t, err, nil); d.ID != "evt_1" {
				t.Errorf("Verify: got %v", d)
			}

			altered := bytes.Clone(sent)
			altered[9] ^= 1 // the operating system in gzip's header, which inflates to the same
			_, err = v.Verify(h, altered)
			if want := hmacverify.ErrMismatch; tt.before {
				wantErr(t, err, nil)
			} else {
				wantErr(t, err, want)
			}
			_, err = v.Verify(h, gzipped(t, `{"type":"x","id":"evt_2"}`))
			wantErr(t, err, hmacverify.ErrMismatch)
		})
	}
	t.Run("what is not gzip stays as it is", func(t *testing.T) {
		t.Parallel()
		v := newVerifier(t, gzipScheme(), nil, testKey)
		for name, tt := range map[string]struct{ encoding, body string }{
			"another encoding": {"br", string(sent)},
			"no encoding":      {"", string(sent)},
			"a lie":            {"gzip", body},
			"only the magic":   {"gzip", string(sent[:2])},
			"two of them":      {"gzip", string(sent) + string(sent)},
		} {
			h := signed(t, gzipScheme(), http.Header{"Content-Encoding": {tt.encoding}}, tt.body, testKey)
			d, err := v.Verify(h, []byte(tt.body))
			if wantErr(t, err, nil); string(d.Body) != tt.body || d.Header.Get("Content-Encoding") != tt.encoding {
				t.Errorf("%s: got body %q", name, d.Body)
			}
		}
	})
	t.Run("the digest does not depend on how it was compressed", func(t *testing.T) {
		t.Parallel()
		s := gzipScheme()
		s.ID, s.Identity = hmacverify.Field{}, hmacverify.BodyDigest
		h := signed(t, s, http.Header{"Content-Encoding": {"gzip"}}, string(sent), testKey)
		if got, want := identityOf(t, verify(t, s, h, string(sent))), fmt.Sprintf("acme sha256:%x", sha256.Sum256([]byte(body))); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// A small body can decompress to a thousand times its size.
func TestScheme_ContentEncodingBounded(t *testing.T) {
	t.Parallel()
	const limit = 1 << 20
	fits, bomb := strings.Repeat(" ", limit-2)+"{}", strings.Repeat(" ", limit-1)+"{}"
	for _, before := range []bool{false, true} {
		s := gzipScheme()
		s.BeforeCompression, s.ID, s.Identity = before, hmacverify.Field{}, hmacverify.BodyDigest
		o := &hmacverify.Options{MaxBody: limit, MaxUnverified: 2 * limit}
		v := newVerifier(t, s, o, testKey)
		for body, want := range map[string]error{fits: nil, bomb: hmacverify.ErrBodyTooLarge} {
			sent := gzipped(t, body)
			sign := string(sent)
			if before {
				sign = body
			}
			r := httptest.NewRequest("POST", "/", bytes.NewReader(sent))
			r.Header = signed(t, s, http.Header{"Content-Encoding": {"gzip"}}, sign, testKey)
			_, err := v.Verify(r.Header, sent)
			wantErr(t, err, want)
			for range 3 { // what was held is given back
				r := r.Clone(t.Context())
				r.Body = io.NopCloser(bytes.NewReader(sent))
				_, err = v.Check(r)
				wantErr(t, err, want)
			}
		}
	}
	t.Run("counts as memory of bodies that are not verified", func(t *testing.T) {
		t.Parallel()
		s := gzipScheme()
		s.BeforeCompression = true
		v := newVerifier(t, s, &hmacverify.Options{MaxBody: limit, MaxUnverified: 2 * limit}, testKey)
		forged := http.Header{"Content-Encoding": {"gzip"}, "Sig": {strings.Repeat("0", 64)}}
		check := func() error {
			r := httptest.NewRequest("POST", "/", bytes.NewReader(gzipped(t, fits)))
			r.Header = forged
			_, err := v.Check(r)
			return err
		}
		wantErr(t, check(), hmacverify.ErrMismatch)
		// Another request holds 1 MiB.
		beside := &stalled{Reader: strings.NewReader(fits[:limit/2]), waits: make(chan struct{}), ends: make(chan struct{})}
		r := httptest.NewRequest("POST", "/", beside)
		r.Header, r.ContentLength = forged, limit
		ended := make(chan error)
		go func() {
			_, err := v.Check(r)
			ended <- err
		}()
		<-beside.waits
		wantErr(t, check(), hmacverify.ErrOverloaded)
		close(beside.ends)
		wantErr(t, <-ended, hmacverify.ErrBodyUnreadable)
		wantErr(t, check(), hmacverify.ErrMismatch)
	})
	t.Run("a size that is a lie is no gzip", func(t *testing.T) {
		t.Parallel()
		v := newVerifier(t, gzipScheme(), nil, testKey)
		for _, size := range []byte{1, 255} {
			sent := gzipped(t, `{"id":"evt_1"}`)
			sent[len(sent)-4] = size
			h := signed(t, gzipScheme(), http.Header{"Content-Encoding": {"gzip"}}, string(sent), testKey)
			d, err := v.Verify(h, sent)
			if wantErr(t, err, nil); !bytes.Equal(d.Body, sent) {
				t.Errorf("got %q", d.Body)
			}
		}
	})
}

// stalled is a body that waits at its end.
type stalled struct {
	io.Reader
	waits, ends chan struct{}
}

func (s *stalled) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err == io.EOF {
		close(s.waits)
		<-s.ends
	}
	return n, err
}
