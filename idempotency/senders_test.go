package idempotency_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
)

// harmful are responses that end all deliveries, or count toward that, or that the
// sender never retries although it would retry another failure.
var harmful = map[string][]int{
	"clickup":   {401, 410},
	"typeform":  {404, 410},
	"pagerduty": {401},
	"zendesk":   {500, 409},
	"anthropic": {301, 302, 303, 307, 308},
}

// wantBodies are senders that take a response with a body for a failure.
var wantNoBody = []string{"xero", "airtable"}

// The responses to all senders. -v prints the table.
func TestEndpoint_Senders(t *testing.T) {
	t.Parallel()
	var table strings.Builder
	fmt.Fprintf(&table, "%-28s first duplicate in flight failed refused over the limit\n", "sender")
	seen := 0
	for _, s := range preset.All() {
		c, ok := newCorrespondent(t, s, nil)
		if !ok {
			continue
		}
		seen++
		got := c.situations(t)
		fmt.Fprintf(&table, "%-28s %5d %9d %9d %6d %7d %14d\n", s.Name, got["first"].Code, got["duplicate"].Code,
			got["in flight"].Code, got["failed"].Code, got["refused"].Code, got["over the limit"].Code)
		for situation, w := range got {
			checkForSender(t, s, situation, w)
		}
	}
	t.Log("\n" + table.String())
	if without := len(preset.All()) - seen; without > 4 {
		t.Errorf("%d senders were not tried", without)
	}
}

// checkForSender checks that the sender takes the response for what it means.
func checkForSender(t *testing.T, s hmacverify.Scheme, situation string, w *httptest.ResponseRecorder) {
	t.Helper()
	good := w.Code/100 == 2
	if len(s.Sender.Success) > 0 {
		good = slices.Contains(s.Sender.Success, w.Code)
	}
	stops := situation == "first" || situation == "duplicate" && s.Sender.Duplicate != hmacverify.Conflict
	if good != stops {
		t.Errorf("%s, %s: %d", s.Name, situation, w.Code)
	}
	if slices.Contains(harmful[s.Name], w.Code) {
		t.Errorf("%s, %s: %d does harm", s.Name, situation, w.Code)
	}
	if slices.Contains(wantNoBody, s.Name) && w.Body.Len() > 0 {
		t.Errorf("%s, %s: a body: %q", s.Name, situation, w.Body)
	}
	after, err := strconv.Atoi(w.Header().Get("Retry-After"))
	if w.Code == http.StatusServiceUnavailable && (err != nil || after < 1 || after > 30) {
		t.Errorf("%s, %s: Retry-After %d, %v", s.Name, situation, after, err)
	}
}

// A correspondent is a sender with an endpoint for it.
type correspondent struct {
	scheme   hmacverify.Scheme
	signer   *hmacverify.Signer
	verifier *hmacverify.Verifier
	endpoint *idempotency.Endpoint[lease.Claim]
	rig      *rig
	now      time.Time // of both
}

const correspondentURL = "https://example.com/hooks"

// newCorrespondent reports false for a scheme whose signature is in the body, for
// which there is no Signer.
func newCorrespondent(t *testing.T, s hmacverify.Scheme, change func(*lease.Options)) (*correspondent, bool) {
	t.Helper()
	if len(s.Signature) == 0 {
		return nil, false
	}
	c := &correspondent{scheme: s, now: time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)}
	public, private := keysFor(t, s)
	options := func() *hmacverify.Options {
		return &hmacverify.Options{URL: correspondentURL, Now: func() time.Time { return c.now }}
	}
	var err error
	if c.signer, err = hmacverify.NewSigner(s, options(), private); err != nil {
		t.Fatal(err)
	}
	if c.verifier, err = hmacverify.New(s, options(), public); err != nil {
		t.Fatal(err)
	}
	o := lease.Options{Lease: time.Minute}
	if change != nil {
		change(&o)
	}
	c.rig = newRigWith(t, o)
	eo := idempotency.Options{Whole: true} // what a request gets
	if s.Identity == hmacverify.NoIdentity {
		eo.ID = func(_ *http.Request, d *hmacverify.Delivery) (string, error) { return fmt.Sprintf("%x", d.Body), nil }
	}
	eo.Wait = time.Millisecond
	if c.endpoint, err = idempotency.NewEndpoint("test", c.verifier, c.rig.runner, &eo); err != nil {
		t.Fatal(err)
	}
	return c, true
}

// keysFor returns a pair of keys in a form that the scheme takes.
func keysFor(t *testing.T, s hmacverify.Scheme) (public, private string) {
	t.Helper()
	var key crypto.Signer
	switch s.Algorithm {
	case hmacverify.Ed25519:
		key = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	case hmacverify.ECDSAP256:
		key, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case hmacverify.RSASHA256, hmacverify.RSASHA512:
		key, _ = rsa.GenerateKey(rand.Reader, 2048)
	default:
		const anyEncoding = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
		return anyEncoding, anyEncoding
	}
	pub, _ := x509.MarshalPKIXPublicKey(key.Public())
	priv, err := x509.MarshalPKCS8PrivateKey(key)
	checkError(t, err, nil)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pub})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: priv}))
}

// delivery returns a delivery of event n that was signed at that time.
func (c *correspondent) delivery(t *testing.T, n int, signedAt time.Time) *http.Request {
	t.Helper()
	id := fmt.Sprintf("evt%04d", n)
	h := http.Header{"Content-Type": {"application/json"}}
	if name, _, _ := strings.Cut(c.scheme.ID.Header, ","); name != "" {
		h.Set(name, id)
	}
	return c.request(t, id, h, c.body(id, signedAt), signedAt)
}

// request returns a delivery of that body.
func (c *correspondent) request(t *testing.T, id string, h http.Header, body []byte, signedAt time.Time) *http.Request {
	t.Helper()
	for rest := c.scheme.Signed; ; { // other headers that are signed
		_, after, found := strings.Cut(rest, "{header:")
		if !found {
			break
		}
		var name string
		name, rest, _ = strings.Cut(after, "}")
		if name, _, _ = strings.Cut(name, ","); h.Get(name) == "" {
			h.Set(name, id)
		}
	}
	now := c.now
	c.now = signedAt
	r, err := c.signer.NewRequest(t.Context(), correspondentURL, h, body)
	c.now = now
	if err != nil {
		t.Fatalf("%s: %v", c.scheme.Name, err)
	}
	w := httptest.NewRequest(r.Method, correspondentURL, bytes.NewReader(body))
	w.Header = r.Header
	return w
}

// body returns the body of an event, with ID and time where the scheme has them.
func (c *correspondent) body(id string, at time.Time) []byte {
	if strings.Contains(c.scheme.Signed, "{params}") {
		return []byte(id + "=1")
	}
	var root any
	if path := c.scheme.ID.JSON; path != "" {
		root = put(root, strings.Split(path, "."), id)
	}
	if path := c.scheme.Timestamp.JSON; path != "" {
		var value any = at.Unix()
		switch {
		case c.scheme.Timestamp.Layout != "":
			value = at.Format(c.scheme.Timestamp.Layout)
		case c.scheme.Timestamp.Unit == hmacverify.RFC3339:
			value = at.Format(time.RFC3339)
		case c.scheme.Timestamp.Unit == hmacverify.Milliseconds:
			value = at.UnixMilli()
		}
		root = put(root, strings.Split(path, "."), value)
	}
	if _, list := root.([]any); !list {
		root = put(root, []string{"n"}, id)
	}
	body, _ := json.Marshal(root)
	return body
}

// put puts a value at a path.
func put(root any, path []string, value any) any {
	if len(path) == 0 {
		return value
	}
	if path[0] == "0" {
		return []any{put(nil, path[1:], value)}
	}
	object, _ := root.(map[string]any)
	if object == nil {
		object = map[string]any{}
	}
	object[path[0]] = put(object[path[0]], path[1:], value)
	return object
}

// situations returns the response to each.
func (c *correspondent) situations(t *testing.T) map[string]*httptest.ResponseRecorder {
	t.Helper()
	got := map[string]*httptest.ResponseRecorder{}
	noContent := c.endpoint.Wrap(writing(http.StatusCreated, "made"))
	got["first"] = serve(noContent, c.delivery(t, 1, c.now))
	got["duplicate"] = serve(noContent, c.delivery(t, 1, c.now))

	failing := c.endpoint.Handle(func(context.Context, lease.Claim, *hmacverify.Delivery) error { return errBoom })
	got["failed"] = serve(failing, c.delivery(t, 2, c.now))

	begun, end := make(chan struct{}), make(chan struct{})
	waiting := c.endpoint.Handle(func(context.Context, lease.Claim, *hmacverify.Delivery) error {
		close(begun)
		<-end
		return nil
	})
	first, one := make(chan *httptest.ResponseRecorder, 1), c.delivery(t, 3, c.now)
	go func() { first <- serve(waiting, one) }()
	select {
	case <-begun:
	case w := <-first:
		t.Fatalf("%s: %d %s", c.scheme.Name, w.Code, w.Body)
	}
	got["in flight"] = serve(waiting, c.delivery(t, 3, c.now))
	close(end)
	<-first

	altered := c.delivery(t, 4, c.now)
	altered.Body = http.NoBody
	altered.ContentLength = 0
	got["refused"] = serve(noContent, altered)

	large := c.delivery(t, 5, c.now)
	large.ContentLength = 2 << 30
	got["over the limit"] = serve(noContent, large)
	return got
}

// An event whose sender retries is not lost while the endpoint is down, and not
// processed twice afterwards, whatever time its retries carry.
func TestEndpoint_SendersRetry(t *testing.T) {
	t.Parallel()
	for _, s := range preset.All() {
		c, ok := newCorrespondent(t, s, nil)
		if !ok || s.Sender.RetryWindow == 0 {
			continue
		}
		first := c.now
		retry := func(n int, after time.Duration) *http.Request {
			c.now = first.Add(after)
			if s.Sender.RetryTime == hmacverify.RetryTimeNew {
				return c.delivery(t, n, c.now)
			}
			return c.delivery(t, n, first)
		}
		window := s.Sender.RetryWindow
		h := c.endpoint.Handle(func(context.Context, lease.Claim, *hmacverify.Delivery) error { return nil })
		if w := serve(h, retry(1, window)); w.Code/100 != 2 || w.Header().Get(idempotency.StatusHeader) != "" {
			t.Errorf("%s: after an outage of %v: %d %s", s.Name, window, w.Code, w.Body)
		}
		for _, after := range []time.Duration{0, time.Minute, window / 2, window} {
			w := serve(h, retry(1, after))
			if w.Header().Get(idempotency.StatusHeader) != string(idempotency.KindDuplicate) {
				t.Errorf("%s: once more after %v: %d %s", s.Name, after, w.Code, w.Body)
			}
		}
		// The record is kept for that long, or the endpoint cannot be made.
		short := keeping{c.rig.runner, max(window, c.verifier.Tolerance()) - time.Second}
		if _, err := idempotency.NewEndpoint("test", c.verifier, short, &idempotency.Options{ID: byHeader}); err == nil {
			t.Errorf("%s: the record of an event may end %v after it, before its last retry", s.Name, short.retention)
		}
	}
}

// keeping is a runner that keeps records for some time.
type keeping struct {
	*lease.Runner
	retention time.Duration
}

func (k keeping) Retention() time.Duration { return k.retention }

// A test of the endpoint is acknowledged although it has no ID, and does no work.
func TestEndpoint_Ping(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{"intercom": `{"topic":"ping","id":null}`, "line": `{"events":[]}`} {
		s, _ := preset.ByName(name)
		c, _ := newCorrespondent(t, s, nil)
		r, err := c.signer.NewRequest(t.Context(), correspondentURL, nil, []byte(body))
		checkError(t, err, nil)
		w := serve(c.endpoint.Handle(func(context.Context, lease.Claim, *hmacverify.Delivery) error {
			t.Errorf("%s: the work was called", name)
			return nil
		}), r)
		checkEmpty(t, w, 200, "")
		checkKinds(t, c.rig, idempotency.KindIgnored)
	}
}

// What is wrong in the Sender of unverified requests is found at start, as in a scheme.
func TestNewEndpoint_SenderRefused(t *testing.T) {
	t.Parallel()
	for says, sender := range map[string]hmacverify.Sender{
		"Sender.Instead": {Instead: map[int]int{500: 200}},
		"Sender.Success": {Success: []int{302}},
		"Sender.Pings":   {Pings: []hmacverify.Ping{{JSON: "type", Value: "0"}}},
	} {
		o := idempotency.Options{AllowUnverified: true, ID: byHeader, Sender: sender}
		_, err := idempotency.NewEndpoint("test", nil, newRig(t).runner, &o)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %v", says, err)
		}
	}
}
