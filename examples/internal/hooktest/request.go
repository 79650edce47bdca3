// Package hooktest has what tests of webhook endpoints need again and again: a
// signed request in one call, a store that fails on demand in one line, and the
// examples as processes of their own.
package hooktest

import (
	"bytes"
	"context"
	"net/http"
	"testing"

	"github.com/hookonce/hookonce/hmacverify"
)

// NewRequest returns a POST of body to url, signed by s. The headers, which may
// be nil, are set before it is signed.
func NewRequest(ctx context.Context, s *hmacverify.Signer, url, body string, header http.Header) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader([]byte(body)))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	for name, values := range header {
		r.Header[http.CanonicalHeaderKey(name)] = values
	}
	return r, s.Sign(r.Header, []byte(body))
}

// A Sender delivers to one URL.
type Sender struct {
	URL    string
	Header http.Header // added to each delivery; may be nil
	signer *hmacverify.Signer
}

// NewSender returns a sender of a scheme.
func NewSender(t *testing.T, s hmacverify.Scheme, url, secret string) *Sender {
	t.Helper()
	signer, err := hmacverify.NewSigner(s, &hmacverify.Options{URL: url}, secret)
	if err != nil {
		t.Fatal(err)
	}
	return &Sender{URL: url, signer: signer}
}

// Send signs body, delivers it, and returns the answer.
func (s *Sender) Send(t *testing.T, body string) Answer {
	t.Helper()
	r, err := NewRequest(t.Context(), s.signer, s.URL, body, s.Header)
	if err != nil {
		t.Error(err)
		return Answer{}
	}
	return do(t, r)
}

// Lost sends body to an endpoint that will be killed before it answers.
func (s *Sender) Lost(t *testing.T, body string) {
	t.Helper()
	r, err := NewRequest(t.Context(), s.signer, s.URL, body, s.Header)
	if err != nil {
		t.Error(err)
		return
	}
	resp, err := http.DefaultClient.Do(r)
	if err == nil {
		resp.Body.Close()
		t.Errorf("answered %s by an endpoint that was killed", resp.Status)
	}
}

// SendID is Send with an ID in that header.
func (s *Sender) SendID(t *testing.T, header, id, body string) Answer {
	t.Helper()
	with := *s
	with.Header = s.Header.Clone()
	if with.Header == nil {
		with.Header = http.Header{}
	}
	with.Header.Set(header, id)
	return with.Send(t, body)
}
