package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
)

const (
	stripeSecret = "whsec_example"
	githubSecret = "example"
)

// pay is the work on Stripe's events.
func (s *server) pay(_ context.Context, _ *sql.Tx, d *hmacverify.Delivery) error {
	switch {
	case bytes.Contains(d.Body, []byte("unknown customer")) && !s.mended:
		return idempotency.Permanent(errors.New("no account belongs to the customer"))
	case bytes.Contains(d.Body, []byte("ledger is away")) && !s.mended:
		return errors.New("ledger: connection refused")
	}
	return nil
}

// build is the work on GitHub's events.
func (s *server) build(_ context.Context, _ *sql.Tx, d *hmacverify.Delivery) error {
	if repository(d) == "away" && !s.mended {
		return errors.New("runner: 503 Service Unavailable")
	}
	return nil
}

// repository groups the events of a repository.
func repository(d *hmacverify.Delivery) string {
	var event struct {
		Repository struct{ Name string }
	}
	if json.Unmarshal(d.Body, &event) != nil {
		return ""
	}
	return event.Repository.Name
}

func pause(int) time.Duration { return 500 * time.Millisecond }

var card = regexp.MustCompile(`"card":"[^"]*"`)

// redact keeps the numbers of cards from those who look.
func redact(d *hmacverify.Stored) { d.Body = card.ReplaceAll(d.Body, []byte(`"card":"…"`)) }

// seed delivers events of both senders to h. Those that it had already are duplicates.
func seed(ctx context.Context, h http.Handler) error {
	stripe, err := hmacverify.NewSigner(preset.Stripe(), nil, stripeSecret)
	if err != nil {
		return err
	}
	github, err := hmacverify.NewSigner(preset.GitHub(), nil, githubSecret)
	if err != nil {
		return err
	}
	deliver := func(signer *hmacverify.Signer, path string, header http.Header, body string) error {
		r, err := signer.NewRequest(ctx, "http://localhost"+path, header, []byte(body))
		if err != nil {
			return err
		}
		h.ServeHTTP(httptest.NewRecorder(), r)
		return nil
	}
	for i := range 24 {
		customer := "cus_1"
		switch i {
		case 7:
			customer = "unknown customer"
		case 11, 12:
			customer = "ledger is away"
		}
		body := fmt.Sprintf(`{"id":"evt_%03d","object":"event","type":"invoice.paid","data":{"customer":%q,"amount":%d,"card":"4242424242424242"}}`, i, customer, 100*i)
		if err := deliver(stripe, "/webhooks/stripe", nil, body); err != nil {
			return err
		}
	}
	for i := range 30 {
		name := []string{"site", "engine", "docs"}[i%3]
		if i%10 == 4 {
			name = "away"
		}
		header := http.Header{"X-Github-Delivery": {fmt.Sprintf("72d3162e-cc78-11e3-81ab-4c9367dc%04d", i)}, "X-Github-Event": {"push"}}
		if err := deliver(github, "/webhooks/github", header, fmt.Sprintf(`{"ref":"refs/heads/main","repository":{"name":%q}}`, name)); err != nil {
			return err
		}
	}
	refused, err := http.NewRequestWithContext(ctx, "POST", "http://localhost/webhooks/stripe", bytes.NewBufferString("{}"))
	if err != nil {
		return err
	}
	h.ServeHTTP(httptest.NewRecorder(), refused)
	return nil
}
