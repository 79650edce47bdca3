package idv

import "github.com/hookonce/hookonce/sessionstep"

// IDenfy describes iDenfy's webhook of identifications
// (https://documentation.idenfy.com/kyc/webhooks).
//
// The session is the clientId. If you want the token's externalRef, set Session to
// "externalRef".
//
// The result is status.overall with final: "APPROVED/true". A result that is not final is
// News: the final one follows, and may be another. Without final, as for what was
// cancelled or has expired, the result is the status alone.
//
// There is no event ID: scanRef is that of the identification, and each of its results
// repeats it. The key is scanRef, status, final and time of the end. preset.IDenfy tells
// events by the body's digest; bodies of the same key differ at most in what else they
// report. An answer other than 200 sends the person to the page for failures, so a
// step that has ended should not refuse: see sessionstep's Options.Acknowledge.
//
// Sources, read in 2026-11: fields: documentation.idenfy.com/api-reference/webhooks and
// documentation.idenfy.com/callbacks/ResultCallback. final, and to act on final results
// only: documentation.idenfy.com/kyc/webhooks and /kyc/status-handling. That times are
// seconds, and EXPIRED-DELETED, DELETED and ARCHIVED: general knowledge; they and any
// status that is not listed are NeedsReview.
func IDenfy() Vendor {
	return Vendor{
		Name:    "idenfy",
		Session: "clientId",
		Result:  []string{"status.overall", "final"},
		Outcomes: map[string]sessionstep.Outcome{
			"APPROVED/true":   sessionstep.Verified,
			"DENIED/true":     sessionstep.Rejected,
			"SUSPECTED/true":  sessionstep.NeedsReview,
			"EXPIRED/true":    sessionstep.NeedsReview,
			"EXPIRED":         sessionstep.NeedsReview,
			"APPROVED/false":  News,
			"DENIED/false":    News,
			"SUSPECTED/false": News,
			"REVIEWING/false": News,
		},
		Key:  []string{"scanRef", "status.overall", "final", "finishTime"},
		Time: "finishTime",
		Details: []string{
			"scanRef", "final", "platform", "startTime", "finishTime",
			"status.overall", "status.fraudTags", "status.mismatchTags", "status.autoFace", "status.manualFace",
			"status.autoDocument", "status.manualDocument", "status.additionalSteps",
		},
	}
}
