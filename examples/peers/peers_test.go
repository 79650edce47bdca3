package peers_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-github/v88/github"
	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/webhooks"
	"github.com/slack-go/slack"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stripe/stripe-go/v85/webhook"
	svix "github.com/svix/svix-webhooks/go"
)

// key is 32 bytes for those who decode it, and a raw secret for the others.
const key = "whsec_b3VyIGJlbmNobWFyaydzIGtleSwgMzIgYnl0ZXM="

// A verifyFunc verifies one delivery.
type verifyFunc func(h http.Header, body []byte) error

// A peer is a library that verifies what one of our schemes describes.
type peer struct {
	name   string
	scheme hmacverify.Scheme
	make   func() (verifyFunc, error)
}

// peers are used as their documentation shows. What a receiver can create once and
// keep is created once.
var peers = []peer{
	{"stripe-go", preset.Stripe(), newStripe},
	{"svix", preset.Svix(), newSvix},
	{"standard-webhooks", preset.StandardWebhooks(), newStandardWebhooks},
	{"go-github", preset.GitHub(), newGitHub},
	{"slack-go", preset.Slack(), newSlack},
	{"openai-go", preset.OpenAI(), newOpenAI},
}

// newStripe leaves out ConstructEvent, which also decodes the event.
func newStripe() (verifyFunc, error) {
	return func(h http.Header, body []byte) error {
		return webhook.ValidatePayload(body, h.Get("Stripe-Signature"), key)
	}, nil
}

func newSvix() (verifyFunc, error) {
	wh, err := svix.NewWebhook(key)
	return func(h http.Header, body []byte) error { return wh.Verify(body, h) }, err
}

func newStandardWebhooks() (verifyFunc, error) {
	wh, err := standardwebhooks.NewWebhook(key)
	return func(h http.Header, body []byte) error { return wh.Verify(body, h) }, err
}

func newGitHub() (verifyFunc, error) {
	secret := []byte(key)
	return func(h http.Header, body []byte) error {
		return github.ValidateSignature(h.Get(github.SHA256SignatureHeader), body, secret)
	}, nil
}

// newSlack creates a SecretsVerifier for each request, because it holds the request's
// signature.
func newSlack() (verifyFunc, error) {
	return func(h http.Header, body []byte) error {
		v, err := slack.NewSecretsVerifier(h, key)
		if err != nil {
			return err
		}
		if _, err := v.Write(body); err != nil {
			return err
		}
		return v.Ensure()
	}, nil
}

// newOpenAI leaves out Unwrap, which also decodes the event.
func newOpenAI() (verifyFunc, error) {
	service := webhooks.NewWebhookService(option.WithWebhookSecret(key))
	return func(h http.Header, body []byte) error { return service.VerifySignature(body, h) }, nil
}

// both returns our verification of the peer's scheme, and the peer's.
func (p peer) both(tb testing.TB) (ours, theirs verifyFunc) {
	tb.Helper()
	verifier, err := hmacverify.New(p.scheme, nil, key)
	if err != nil {
		tb.Fatal(err)
	}
	theirs, err = p.make()
	if err != nil {
		tb.Fatal(err)
	}
	return func(h http.Header, body []byte) error {
		_, err := verifier.Verify(h, body)
		return err
	}, theirs
}

// sign returns the headers that the sender of the scheme sends with body.
func sign(tb testing.TB, s hmacverify.Scheme, o *hmacverify.Options, key string, body []byte) http.Header {
	tb.Helper()
	signer, err := hmacverify.NewSigner(s, o, key)
	if err != nil {
		tb.Fatal(err)
	}
	h := http.Header{"Content-Type": {"application/json"}}
	h.Set(idHeader(s), "msg_2mR0xMhcK7vLqT")
	if err := signer.Sign(h, body); err != nil {
		tb.Fatal(err)
	}
	return h
}

// idHeader returns the header that has the event's ID, or one without a meaning.
func idHeader(s hmacverify.Scheme) string {
	if s.ID.Header == "" {
		return "X-Request-Id"
	}
	name, _, _ := strings.Cut(s.ID.Header, ",")
	return name
}
