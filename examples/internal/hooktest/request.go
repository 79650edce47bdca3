// Package hooktest has what the tests of the examples share: senders, databases, and the
// examples as processes.
package hooktest

import (
	"maps"
	"net/http"
	"testing"

	"github.com/hookonce/hookonce/hmacverify"
)

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

// request returns a signed request. Its Content-Type is JSON unless Header has another.
func (s *Sender) request(t *testing.T, body string) (*http.Request, error) {
	t.Helper()
	header := http.Header{"Content-Type": {"application/json"}}
	maps.Copy(header, s.Header)
	return s.signer.NewRequest(t.Context(), s.URL, header, []byte(body))
}

// Send signs body, delivers it, and returns the response.
func (s *Sender) Send(t *testing.T, body string) Answer {
	t.Helper()
	r, err := s.request(t, body)
	if err != nil {
		t.Error(err)
		return Answer{}
	}
	return do(t, r)
}

// Lost sends body to an endpoint that is killed before it responds.
func (s *Sender) Lost(t *testing.T, body string) {
	t.Helper()
	r, err := s.request(t, body)
	if err != nil {
		t.Error(err)
		return
	}
	resp, err := http.DefaultClient.Do(r)
	if err == nil {
		resp.Body.Close()
		t.Errorf("%s from an endpoint that was killed", resp.Status)
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
