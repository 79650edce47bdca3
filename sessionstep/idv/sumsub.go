package idv

import "github.com/hookonce/hookonce/sessionstep"

// Sumsub describes Sumsub's events of applicants
// (https://docs.sumsub.com/docs/user-verification-webhooks).
//
// The session is the externalUserId, which is one to an applicant: give Sumsub the ID of
// the session. If it is that of a person, who can have several sessions, look the session
// up, see the package comment. For a level that is a part of a workflow, GREEN is the
// result of that level only: set Types to "applicantWorkflowCompleted".
//
// RED is Rejected if Sumsub says that it is FINAL, and NeedsReview if the applicant may
// RETRY. applicantOnHold is NeedsReview.
//
// There is no event ID: a correlationId can be that of several events. The key is
// applicant, type, time and correlationId. preset.Sumsub tells events by the body's
// digest; a body holds the key. The time has no zone, and is UTC.
//
// Sources, read in 2026-11: types, fields, the form of createdAtMs, and that events hold
// no personal data: docs.sumsub.com/docs/user-verification-webhooks. GREEN, RED and
// reviewRejectType: docs.sumsub.com/docs/receive-and-interpret-results-via-api. Whether
// RED always has a reviewRejectType could not be confirmed: without one it is NeedsReview.
// That applicantWorkflowCompleted has a reviewResult: general knowledge.
func Sumsub() Vendor {
	return Vendor{
		Name:    "sumsub",
		Type:    "type",
		Types:   []string{"applicantReviewed", "applicantOnHold"},
		Session: "externalUserId",
		Result:  []string{"type", "reviewResult.reviewAnswer", "reviewResult.reviewRejectType"},
		Outcomes: map[string]sessionstep.Outcome{
			"applicantReviewed/GREEN":              sessionstep.Verified,
			"applicantReviewed/RED/FINAL":          sessionstep.Rejected,
			"applicantReviewed/RED/RETRY":          sessionstep.NeedsReview,
			"applicantOnHold":                      sessionstep.NeedsReview,
			"applicantWorkflowCompleted/GREEN":     sessionstep.Verified,
			"applicantWorkflowCompleted/RED/FINAL": sessionstep.Rejected,
			"applicantWorkflowCompleted/RED/RETRY": sessionstep.NeedsReview,
		},
		Key:  []string{"applicantId", "type", "createdAtMs", "correlationId"},
		Time: "createdAtMs",
		Details: []string{
			"applicantId", "inspectionId", "correlationId", "levelName", "sandboxMode", "reviewStatus", "createdAtMs",
			"reviewResult.reviewAnswer", "reviewResult.reviewRejectType", "reviewResult.rejectLabels",
		},
	}
}
