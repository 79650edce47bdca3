// Package hooktest tests endpoints: it is the sender. A [Sender] signs what it delivers
// as the scheme says, and hands the request to a handler, without a network:
//
//	func TestPayments(t *testing.T) {
//		stripe := hooktest.NewSender(t, preset.Stripe(), nil)
//		handler := newHandler(stripe.Secret) // as main does
//		event := stripe.Sample("evt_1")
//		stripe.Deliver(t, handler, event).Want(t, 200, "")
//		stripe.Deliver(t, handler, event).Want(t, 200, "duplicate")
//	}
//
// # What breaks endpoints
//
// The same [Event] can be delivered again, as a retry is; many times at once, by
// [Sender.DeliverCopies]; with the answer lost, by [Sender.CutOff] and
// [Sender.GoAway]; and with others in any order, by [Orders]. After each of them, look
// at what the endpoint did: the database must hold one effect.
//
// # Functions that take a transaction
//
// [Sender.Delivery] returns what the function of an endpoint gets. For the transaction,
// an SQLite database in memory needs no server:
//
//	db, err := sql.Open("sqlite", ":memory:") // modernc.org/sqlite
//	db.SetMaxOpenConns(1)                     // each connection has a database of its own
//
// storetest.Failing makes a store fail when a test says so.
package hooktest

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/sample"
)

// Options configures a Sender; nil and the zero value use the defaults.
type Options struct {
	// URL is the address that requests have, and that the sender signs if its scheme
	// does. Default "https://example.com/webhooks".
	URL string

	// Secret is what the sender signs with: for an algorithm with public keys, the
	// private key. Default: a new one.
	Secret string
}

// Sender delivers events to handlers. Create one with [NewSender]; it is safe for
// concurrent use.
type Sender struct {
	// Secret is for the endpoint's [hmacverify.New]. For an algorithm with public keys
	// it is the public one.
	Secret string

	// URL is Options.URL, for [hmacverify.Options] if the scheme signs it.
	URL string

	scheme hmacverify.Scheme
	secret string
}

// NewSender returns a sender of a scheme, such as a preset. o may be nil.
func NewSender(tb testing.TB, s hmacverify.Scheme, o *Options) *Sender {
	tb.Helper()
	if o == nil {
		o = &Options{}
	}
	sender := &Sender{URL: o.URL, scheme: s, secret: o.Secret}
	if sender.URL == "" {
		sender.URL = "https://example.com/webhooks"
	}
	if sender.secret == "" {
		sender.secret = sample.Secret(s)
	}
	sender.Secret = sample.Public(sender.secret)
	sender.signer(tb, time.Time{})
	return sender
}

// An Event is what a sender delivers, once or repeatedly.
type Event struct {
	// Body is delivered byte for byte.
	Body string

	// Header has what the request needs besides the signature: the ID and the type, in
	// schemes that have them there. Defaults are set for what is absent; that of the
	// ID follows from Body, so that equal bodies are one event.
	Header http.Header

	// Time is when it is signed, if the scheme signs a time in a header. Default now.
	Time time.Time
}

// Sample returns an event with that ID, as the sender would send it. For the senders
// that are used most it has the fields that they document, see package sample; for
// others, what the scheme reads.
//
// Events whose IDs differ are different events. To deliver one again, deliver the same
// Event: if the scheme has a time in the body, another call returns another.
func (s *Sender) Sample(id string) Event {
	header, body := sample.Event(s.scheme, id, "", time.Now())
	return Event{Body: string(body), Header: header}
}

// Request returns a signed request that delivers e, as a server receives it. Each call
// is another attempt, signed anew.
func (s *Sender) Request(tb testing.TB, e Event) *http.Request {
	tb.Helper()
	header := e.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	sample.SetHeader(header, s.scheme, bodyID(e.Body), "test")
	signed, err := s.signer(tb, e.Time).NewRequest(tb.Context(), s.URL, header, []byte(e.Body))
	if err != nil {
		tb.Fatal(err)
	}
	target, err := url.Parse(s.URL)
	if err != nil {
		tb.Fatal(err)
	}
	r := httptest.NewRequestWithContext(tb.Context(), signed.Method, target.RequestURI(), strings.NewReader(e.Body))
	r.Host, r.Header = target.Host, signed.Header
	return r
}

// Delivery returns the verified delivery that the function of an endpoint gets for e.
func (s *Sender) Delivery(tb testing.TB, e Event) *hmacverify.Delivery {
	tb.Helper()
	verifier, err := hmacverify.New(s.scheme, &hmacverify.Options{URL: s.URL}, s.Secret)
	if err != nil {
		tb.Fatal(err)
	}
	d, err := verifier.Check(s.Request(tb, e))
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

// signer returns a signer whose clock stands at that time; zero is now.
func (s *Sender) signer(tb testing.TB, at time.Time) *hmacverify.Signer {
	tb.Helper()
	o := &hmacverify.Options{URL: s.URL}
	if !at.IsZero() {
		o.Now = func() time.Time { return at }
	}
	signer, err := hmacverify.NewSigner(s.scheme, o, s.secret)
	if err != nil {
		tb.Fatal(err)
	}
	return signer
}
