package idv

import "github.com/hookonce/hookonce/sessionstep"

// Persona describes Persona's events of inquiries (https://docs.withpersona.com/webhooks).
//
// The session is the inquiry's reference ID. If you give Persona the ID of a person
// instead, look the session up, see the package comment. The key is the event's ID, by
// which preset.Persona tells events apart, too.
//
// completed means that the person reached the last screen, not that the inquiry was
// decided. It is NeedsReview, so that a decision by a workflow or a person, which comes
// afterwards, counts. If your template has no such step, set
// Outcomes["inquiry.completed"] to Verified and Outcomes["inquiry.failed"] to Rejected.
//
// The names of fields are dashed, or in snake_case or camelCase if the webhook's key
// inflection says so.
//
// Sources, read in 2026-11: the events, when they occur, and that approved and declined
// are the actionable ones: docs.withpersona.com/docs/models-lifecycle. The envelope and
// the fields: docs.withpersona.com/docs/webhooks and its pages on inquiry events. That
// the key inflection of webhooks can be set: general knowledge.
func Persona() Vendor {
	const payload = "data.attributes.payload.data."
	const attributes = payload + "attributes."
	return Vendor{
		Name: "persona",
		Type: "data.attributes.name",
		Types: []string{
			"inquiry.completed", "inquiry.failed", "inquiry.expired",
			"inquiry.approved", "inquiry.declined", "inquiry.marked-for-review",
		},
		Session: attributes + "reference-id|" + attributes + "reference_id|" + attributes + "referenceId",
		Result:  []string{"data.attributes.name"},
		Outcomes: map[string]sessionstep.Outcome{
			"inquiry.approved":          sessionstep.Verified,
			"inquiry.declined":          sessionstep.Rejected,
			"inquiry.marked-for-review": sessionstep.NeedsReview,
			"inquiry.completed":         sessionstep.NeedsReview,
			"inquiry.failed":            sessionstep.NeedsReview,
			"inquiry.expired":           sessionstep.NeedsReview,
		},
		Key:  []string{"data.id"},
		Time: "data.attributes.created-at|data.attributes.created_at|data.attributes.createdAt",
		Details: []string{
			payload + "id", attributes + "status",
			attributes + "completed-at|" + attributes + "completed_at|" + attributes + "completedAt",
			attributes + "decisioned-at|" + attributes + "decisioned_at|" + attributes + "decisionedAt",
		},
	}
}
