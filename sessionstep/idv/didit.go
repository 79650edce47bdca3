package idv

import "github.com/hookonce/hookonce/sessionstep"

// Didit describes Didit's event of a session's status
// (https://docs.didit.me/integration/webhooks).
//
// The session is vendor_data. If you keep it in the metadata, set Session to "metadata."
// and the name. The key is the event_id, by which preset.Didit tells events apart, too: a
// delivery that is sent again by hand has another body and the same event_id.
//
// Kyc Expired comes long after Approved, when a document has run out; a step that is
// completed refuses it, see sessionstep's Options.Acknowledge.
//
// Sources, read in 2026-11: types: docs.didit.me/integration/webhooks and
// docs.didit.me/management-api/webhook/create-destination. The statuses, and that they
// are exact strings: docs.didit.me/integration/verification-statuses. event_id and that
// times are seconds: receivers' tests, and docs.didit.me, resend-delivery. The names of
// the decision's parts: general knowledge.
func Didit() Vendor {
	return Vendor{
		Name:    "didit",
		Type:    "webhook_type",
		Types:   []string{"status.updated"},
		Session: "vendor_data",
		Result:  []string{"status"},
		Outcomes: map[string]sessionstep.Outcome{
			"Approved":      sessionstep.Verified,
			"Declined":      sessionstep.Rejected,
			"In Review":     sessionstep.NeedsReview,
			"Resubmitted":   sessionstep.NeedsReview,
			"Expired":       sessionstep.NeedsReview,
			"Abandoned":     sessionstep.NeedsReview,
			"Kyc Expired":   sessionstep.NeedsReview,
			"Not Started":   News,
			"In Progress":   News,
			"Awaiting User": News,
		},
		Key:  []string{"event_id"},
		Time: "timestamp",
		Details: []string{
			"session_id", "status", "workflow_id", "workflow_version", "environment", "session_kind",
			"created_at", "timestamp", "decision.features",
		},
	}
}
