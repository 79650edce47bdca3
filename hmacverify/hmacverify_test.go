package hmacverify_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
)

// testKey is a key in every encoding: raw, hex and base64.
const testKey = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

const testURL = "https://example.com/hooks?tenant=1"

var testNow = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func testOptions() *hmacverify.Options {
	return &hmacverify.Options{URL: testURL, Now: func() time.Time { return testNow }}
}

func newVerifier(tb testing.TB, s hmacverify.Scheme, o *hmacverify.Options, keys ...string) *hmacverify.Verifier {
	tb.Helper()
	v, err := hmacverify.New(s, o, keys...)
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

// signed returns the headers of a delivery of body, signed at testNow. The scheme
// may sign the headers in h, which is not changed.
func signed(tb testing.TB, s hmacverify.Scheme, h http.Header, body string, keys ...string) http.Header {
	tb.Helper()
	signer, err := hmacverify.NewSigner(s, testOptions(), keys...)
	if err != nil {
		tb.Fatal(err)
	}
	if h = h.Clone(); h == nil {
		h = http.Header{}
	}
	if err := signer.Sign(h, []byte(body)); err != nil {
		tb.Fatal(err)
	}
	return h
}

// anySender returns s as if nothing were known of its sender, for tests of bounds
// that otherwise follow from what is known.
func anySender(s hmacverify.Scheme) hmacverify.Scheme {
	s.Sender = hmacverify.Sender{}
	return s
}

// quietOptions refuses as by default, but logs nothing.
func quietOptions() *hmacverify.Options {
	return &hmacverify.Options{ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
		hmacverify.WriteError(w, err)
	}}
}

// wantErr fails unless err is want, which is nil for no error.
func wantErr(tb testing.TB, err, want error) {
	tb.Helper()
	if want == nil && err != nil || want != nil && !errors.Is(err, want) {
		tb.Errorf("got error %v, want %v", err, want)
	}
}
