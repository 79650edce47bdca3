package idv

import "github.com/hookonce/hookonce/sessionstep"

// Veriff describes Veriff's decision webhook
// (https://devdocs.veriff.com/docs/decision-webhook), and the Full Auto webhook that
// accounts on the Essential plan get in its place.
//
// The session is vendorData. If you give Veriff an endUserId instead, set Session to
// "verification.endUserId|endUserId". A session has up to ten attempts, and a decision
// can be made anew: there is no event ID, and the key is session, attempt, status and
// time of decision. preset.Veriff tells events by the body's digest; bodies of the same
// key differ at most in what else they report.
//
// resubmission_requested is NeedsReview: the person may try again, and a later approved
// completes the step. The event webhook (started, submitted) and that of user-defined
// statuses are news. Any answer but 200 counts as a failure, and is retried hourly for a
// week; preset.Veriff sees to the 200, and sessionstep's Options.Acknowledge to results
// for sessions that have ended.
//
// Sources, read in 2026-11: statuses and codes:
// devdocs.veriff.com/docs/verification-session-status-codes-table. Reasons:
// devdocs.veriff.com/docs/verification-session-decision-codes-table. The fields of the
// decision webhook: a body as recorded in brokeyourbike/veriff-api-client-go. The event
// webhook: devdocs.veriff.com/docs/event-webhook. That it is resent:
// martmaamikk/veriff-integration-guide. attemptId in the decision webhook, and the fields
// of the Full Auto webhook: general knowledge; of the latter a receiver's test was found,
// whose decision is an object with a value, so both forms are read.
func Veriff() Vendor {
	return Vendor{
		Name:    "veriff",
		Type:    "eventType|action",
		Types:   []string{"", "fullauto"},
		Session: "verification.vendorData|vendorData",
		Result:  []string{"verification.status|data.verification.decision.value|data.verification.decision"},
		Outcomes: map[string]sessionstep.Outcome{
			"approved":               sessionstep.Verified,
			"declined":               sessionstep.Rejected,
			"review":                 sessionstep.NeedsReview,
			"resubmission_requested": sessionstep.NeedsReview,
			"expired":                sessionstep.NeedsReview,
			"abandoned":              sessionstep.NeedsReview,
		},
		Key: []string{
			"verification.id|sessionId", "verification.attemptId|attemptId",
			"verification.status|data.verification.decision.value|data.verification.decision",
			"verification.decisionTime|time",
		},
		Time: "verification.decisionTime|time",
		Details: []string{
			"verification.id", "verification.attemptId", "verification.status", "verification.code",
			"verification.reasonCode", "verification.decisionTime",
			"sessionId", "attemptId", "data.verification.decision", "data.verification.decisionScore",
		},
	}
}
