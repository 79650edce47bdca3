package durable_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
)

const secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

// httpPair is of signed requests. 2xx and 409 acknowledge one, 503 does not.
func httpPair(t *testing.T, s *server) pair {
	t.Helper()
	const name = "http"
	return pair{
		name:    name,
		first:   overHTTP(t, s, name, time.Minute),
		copy:    overHTTP(t, s, name, 300*time.Millisecond),
		bounded: true,
		run:     true,
	}
}

// overHTTP returns a delivery to an endpoint of its own, whose name is the scope of keyOf.
func overHTTP(t *testing.T, s *server, name string, wait time.Duration) func(context.Context) error {
	t.Helper()
	store, _ := newStore(t, s, false, wait)
	verifier, err := hmacverify.New(preset.StandardWebhooks(), nil, secret)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := hmacverify.NewSigner(preset.StandardWebhooks(), nil, secret)
	if err != nil {
		t.Fatal(err)
	}
	handler, err := store.handler(keyOf(name).Scope, verifier, effect(name))
	if err != nil {
		t.Fatal(err)
	}
	return func(ctx context.Context) error {
		r, err := signer.NewRequest(ctx, "/", http.Header{"Webhook-Id": {name}}, []byte("{}"))
		if err != nil {
			return err
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		switch {
		case w.Code/100 == 2 || w.Code == http.StatusConflict:
			return nil
		case w.Code == http.StatusServiceUnavailable:
			return idempotency.ErrInFlight
		}
		return fmt.Errorf("status %d", w.Code)
	}
}
