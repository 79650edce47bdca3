package main

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/sample"
)

// A delivery is one signed request. It can be sent any number of times.
type delivery struct {
	method string
	url    string
	id     string
	header http.Header
	body   []byte
}

// deliveries returns what to send: copies of one delivery, or distinct ones.
func (o *options) deliveries() ([]*delivery, error) {
	if len(o.replay) > 0 {
		return o.replayed()
	}
	signer, err := o.signer(http.MethodPost, o.url)
	if err != nil {
		return nil, err
	}
	all := make([]*delivery, o.copies)
	for i := range all {
		if i > 0 && !o.distinct {
			all[i] = all[0]
		} else if all[i], err = o.delivery(signer); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// signer returns a signer of deliveries to that URL.
func (o *options) signer(method, url string) (*hmacverify.Signer, error) {
	secrets := o.secrets
	if o.wrongSecret {
		secrets = []string{sample.Secret(o.scheme)}
	}
	signed := o.signedURL
	if signed == "" {
		signed = url
	}
	return hmacverify.NewSigner(o.scheme, &hmacverify.Options{URL: signed, Method: method, Now: o.now}, secrets...)
}

// now is the sender's clock. Twice the tolerance covers receivers that widen it.
func (o *options) now() time.Time {
	if o.stale {
		return time.Now().Add(-2*tolerance(o.scheme) - time.Hour)
	}
	return time.Now()
}

// tolerance returns the tolerance of a receiver's verifier; 0 if the scheme has no
// timestamp, negative if any time is accepted.
func tolerance(s hmacverify.Scheme) time.Duration {
	if s.Timestamp == (hmacverify.Timestamp{}) {
		return 0
	}
	verifier, err := hmacverify.New(s, &hmacverify.Options{
		URL:  "https://example.com",
		Keys: func(*http.Request) (hmacverify.Tenant, error) { return hmacverify.Tenant{}, hmacverify.ErrNoKey },
	})
	if err != nil {
		return 0 // the Signer reports it
	}
	return verifier.Tolerance()
}

// delivery creates and signs a delivery.
func (o *options) delivery(signer *hmacverify.Signer) (*delivery, error) {
	d := &delivery{method: http.MethodPost, url: o.url, id: o.id, header: o.header.Clone(), body: o.body}
	if d.id == "" {
		d.id = "evt_" + rand.Text()
	}
	switch {
	case d.body != nil && o.scheme.ID.JSON != "":
		d.id = "" // it is in the given body
		fallthrough
	case d.body != nil:
		sample.SetHeader(d.header, o.scheme, d.id, cmp.Or(o.eventType, "test"))
	default:
		var header http.Header
		header, d.body = sample.Event(o.scheme, d.id, o.eventType, o.now())
		maps.Copy(header, d.header)
		d.header = header
	}
	if d.header.Get("User-Agent") == "" {
		d.header.Set("User-Agent", "hookonce-send")
	}
	if err := signer.Sign(d.header, d.body); err != nil {
		return nil, err
	}
	if o.alter {
		d.body = alter(d.body, strings.Contains(o.scheme.Signed, "{params}"))
	}
	return d, nil
}

// alter changes a body without changing what it means, so that only the signature
// reveals it.
func alter(body []byte, form bool) []byte {
	if form {
		return append(body[:len(body):len(body)], "&Altered=1"...)
	}
	return append(body[:len(body):len(body)], ' ')
}

// describe summarizes what receivers of the scheme can rely on.
func describe(s hmacverify.Scheme) (string, error) {
	if len(s.Signature) == 0 {
		return "", errors.New("the signature is in the body: not supported")
	}
	identity := map[hmacverify.Identity]string{
		hmacverify.NoIdentity: "no key",
		hmacverify.SignedID:   "signed ID",
		hmacverify.BodyDigest: "body's digest",
	}[s.Identity]
	time := "no time"
	if t := tolerance(s); t > 0 {
		time = fmt.Sprintf("within %v", t)
	} else if t < 0 {
		time = "any time"
	}
	return identity + ", " + time, nil
}
