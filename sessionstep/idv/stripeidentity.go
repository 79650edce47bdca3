package idv

import "github.com/hookonce/hookonce/sessionstep"

// StripeIdentity describes Stripe's events of verification sessions
// (https://docs.stripe.com/identity/handle-verification-outcomes).
//
// The session is the client_reference_id. If you keep it in the metadata, set Session to
// "data.object.metadata." and the name. The key is the event's ID, by which
// preset.StripeIdentity tells events apart, too. Stripe says that one change may rarely
// make two events: the step refuses the second.
//
// requires_input means that checks have failed, or that the person declined or gave up,
// and may try again in the same session: last_error.code says what. It is NeedsReview,
// and a later verified completes the step. Events do not hold what was verified.
//
// Sources, read in 2026-11: types, statuses and fields: stripe 23.1.0 on npm,
// resources/Identity/VerificationSessions.d.ts. What they mean:
// docs.stripe.com/identity/how-sessions-work.
func StripeIdentity() Vendor {
	const prefix = "identity.verification_session."
	return Vendor{
		Name:    "stripe-identity",
		Type:    "type",
		Types:   []string{prefix + "verified", prefix + "requires_input", prefix + "canceled"},
		Session: "data.object.client_reference_id",
		Result:  []string{"type"},
		Outcomes: map[string]sessionstep.Outcome{
			prefix + "verified":       sessionstep.Verified,
			prefix + "requires_input": sessionstep.NeedsReview,
			prefix + "canceled":       sessionstep.NeedsReview,
		},
		Key:  []string{"id"},
		Time: "created",
		Details: []string{
			"livemode", "data.object.id", "data.object.status", "data.object.type",
			"data.object.last_error.code",
		},
	}
}
