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
	shopSecret   = "whsec_ZXhhbXBsZSBvZiBhIHNlY3JldCBmb3IgYSBzaG9w"
)

// pay is the work on Stripe's events.
func (s *server) pay(_ context.Context, _ *sql.Tx, d *hmacverify.Delivery) error {
	switch {
	case bytes.Contains(d.Body, []byte("unknown customer")) && !s.fixed:
		return idempotency.Permanent(errors.New("no account belongs to the customer"))
	case bytes.Contains(d.Body, []byte("ledger is away")) && !s.fixed:
		return errors.New("ledger: connection refused")
	}
	return nil
}

// ship is the work on the shop's events.
func (s *server) ship(_ context.Context, _ *sql.Tx, d *hmacverify.Delivery) error {
	if warehouse(d) == "away" && !s.fixed {
		return errors.New("warehouse: 503 Service Unavailable")
	}
	return nil
}

// warehouse groups the orders of a warehouse.
func warehouse(d *hmacverify.Delivery) string {
	var event struct {
		Data struct{ Warehouse string }
	}
	if json.Unmarshal(d.Body, &event) != nil {
		return ""
	}
	return event.Data.Warehouse
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
	shop, err := hmacverify.NewSigner(preset.StandardWebhooks(), nil, shopSecret)
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
		name := []string{"north", "south", "east"}[i%3]
		if i%10 == 4 {
			name = "away"
		}
		header := http.Header{"Webhook-Id": {fmt.Sprintf("msg_%03d", i)}}
		body := fmt.Sprintf(`{"type":"order.paid","data":{"order":%d,"warehouse":%q}}`, i, name)
		if err := deliver(shop, "/webhooks/shop", header, body); err != nil {
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
