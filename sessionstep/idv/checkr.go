package idv

import "github.com/hookonce/hookonce/sessionstep"

// Checkr describes Checkr's events of reports (https://docs.checkr.com/apis/webhooks).
// The webhook's option include_object must be on: without it, no result is in the event.
//
// The session is the candidate's ID at Checkr, since no field of a report is known to
// hold an ID of yours: create the session with it, or look the session up, see the
// package comment. A background check is a step of its own, see sessionstep's
// Options.Step. The key is the event's ID, by which preset.Checkr tells events apart, too.
//
// consider is NeedsReview, and you decide: report.engaged is your decision for the
// candidate, report.post_adverse_action the one against.
//
// Sources, read in 2026-11: the envelope and include_object:
// docs.checkr.com/apis/webhooks. The statuses and results of reports:
// docs.checkr.com/use-cases/check-status. report.engaged and report.post_adverse_action:
// receivers' code; what they mean: general knowledge. The fields of reports:
// jackspirou/checkr, report.go, and receivers' code.
func Checkr() Vendor {
	return Vendor{
		Name:    "checkr",
		Type:    "type",
		Types:   []string{"report.completed", "report.engaged", "report.post_adverse_action"},
		Session: "data.object.candidate_id",
		Result:  []string{"type", "data.object.result"},
		Outcomes: map[string]sessionstep.Outcome{
			"report.completed/clear":              sessionstep.Verified,
			"report.completed/consider":           sessionstep.NeedsReview,
			"report.engaged/clear":                sessionstep.Verified,
			"report.engaged/consider":             sessionstep.Verified,
			"report.post_adverse_action/consider": sessionstep.Rejected,
		},
		Key:  []string{"id"},
		Time: "created_at",
		Details: []string{
			"data.object.id", "data.object.status", "data.object.result", "data.object.assessment",
			"data.object.adjudication", "data.object.package", "data.object.includes_canceled", "data.object.completed_at",
		},
	}
}
