package peers_test

import (
	"bytes"
	"io"
	"net/http"
	"testing"

	"github.com/google/go-github/v88/github"
	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
)

// BenchmarkRequest compares whole requests, the reading of the body included.
// Of the peers only go-github reads one.
func BenchmarkRequest(b *testing.B) {
	for _, size := range sizes {
		b.Run("go-github/"+sizeName(size), func(b *testing.B) { benchRequest(b, event(size)) })
	}
}

func benchRequest(b *testing.B, body []byte) {
	ours, theirs := requestVerifiers(b)
	r := newRequest(b, body)
	verifying := func(verify func(*http.Request) error) func() {
		r.body = altered(body)
		if verify(r.next()) == nil {
			b.Fatal("accepted an altered body")
		}
		r.body = body
		return func() {
			if err := verify(r.next()); err != nil {
				b.Fatal(err)
			}
		}
	}
	compare(b, verifying(ours), verifying(theirs))
}

// requestVerifiers returns what reads and verifies a whole request from GitHub.
func requestVerifiers(tb testing.TB) (ours, theirs func(*http.Request) error) {
	tb.Helper()
	verifier, err := hmacverify.New(preset.GitHub(), nil, key)
	if err != nil {
		tb.Fatal(err)
	}
	ours = func(r *http.Request) error {
		_, err := verifier.Check(r)
		return err
	}
	theirs = func(r *http.Request) error {
		_, err := github.ValidatePayload(r, []byte(key))
		return err
	}
	return ours, theirs
}

// A request arrives again and again, each time with its body unread.
type request struct {
	request *http.Request
	body    []byte
}

// newRequest returns GitHub's delivery of body.
func newRequest(tb testing.TB, body []byte) *request {
	tb.Helper()
	r, err := http.NewRequestWithContext(tb.Context(), http.MethodPost, "/", nil)
	if err != nil {
		tb.Fatal(err)
	}
	r.Header = sign(tb, preset.GitHub(), nil, key, body)
	return &request{r, body}
}

func (r *request) next() *http.Request {
	r.request.Body = io.NopCloser(bytes.NewReader(r.body))
	r.request.ContentLength = int64(len(r.body))
	return r.request
}
