package main

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/stripe/stripe-go/v85"
	"github.com/stripe/stripe-go/v85/webhook"

	"github.com/hookonce/hookonce/sessionstep"
	"github.com/hookonce/hookonce/sessionstep/idv"
)

// The payload in testdata is one that Stripe's own package reads, with the session where
// the decoder finds it.
func TestStripe_ReadsThePayload(t *testing.T) {
	t.Parallel()
	signed := webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{
		Payload: event(t, "stripe-identity", "evt_1", "sess_9", nil), Secret: "whsec_example",
	})
	got, err := webhook.ConstructEventWithOptions(signed.Payload, signed.Header, signed.Secret,
		webhook.ConstructEventOptions{IgnoreAPIVersionMismatch: true})
	if err != nil {
		t.Fatal(err)
	}
	var session stripe.IdentityVerificationSession
	if err := json.Unmarshal(got.Data.Raw, &session); err != nil {
		t.Fatal(err)
	}
	if got.ID != "evt_1" || got.Type != stripe.EventTypeIdentityVerificationSessionVerified ||
		session.ClientReferenceID != "sess_9" || session.Status != stripe.IdentityVerificationSessionStatusVerified {
		t.Errorf("Stripe's package reads event %q, type %q, session %q, status %q", got.ID, got.Type, session.ClientReferenceID, session.Status)
	}
}

// Each type of Stripe's package is a result or news.
func TestStripe_TypesOfItsPackage(t *testing.T) {
	t.Parallel()
	decoder, err := idv.New(idv.StripeIdentity())
	if err != nil {
		t.Fatal(err)
	}
	for eventType, want := range map[stripe.EventType]sessionstep.Outcome{
		stripe.EventTypeIdentityVerificationSessionVerified:      sessionstep.Verified,
		stripe.EventTypeIdentityVerificationSessionRequiresInput: sessionstep.NeedsReview,
		stripe.EventTypeIdentityVerificationSessionCanceled:      sessionstep.NeedsReview,
		stripe.EventTypeIdentityVerificationSessionCreated:       "",
		stripe.EventTypeIdentityVerificationSessionProcessing:    "",
		stripe.EventTypeIdentityVerificationSessionRedacted:      "",
	} {
		body := event(t, "stripe-identity", "evt_1", "sess_1", []string{"identity.verification_session.verified", string(eventType)})
		s, err := decoder.Decode(t.Context(), body)
		if s.Status != want || (want == "") != errors.Is(err, sessionstep.ErrNoResult) {
			t.Errorf("%s: got %q, error %v, want %q", eventType, s.Status, err, want)
		}
	}
}
