package idv

import "github.com/hookonce/hookonce/sessionstep"

// Onfido describes the events of workflow runs of Onfido, now Entrust
// (https://documentation.onfido.com/api/latest/#webhooks).
//
// The session is the run's customer_user_id. If you use the ID of the run, or its first
// tag, set Session to "payload.object.id" or "payload.resource.tags.0".
//
// There is no event ID. The key is action, run, status and time of completion: a run
// that was in review and is decided later has another status. preset.Onfido tells events
// by the body's digest; bodies of the same key differ at most in what else they report.
//
// The events of classic checks and reports are news, since they do not hold the result:
// it takes a call of Onfido's API to get it, and that is work of your own.
//
// Sources, read in 2026-11: actions, statuses and fields: @onfido/api 6.2.0 on npm,
// dist/esm/api.d.ts (WebhookEventType, WebhookEventPayload, WorkflowRunStatus). That the
// resource of a workflow run is in the payload, with customer_user_id: the same, and
// api-evangelist/onfido, restating its OpenAPI. Whether a run that is reviewed completes
// twice could not be confirmed.
func Onfido() Vendor {
	return Vendor{
		Name:    "onfido",
		Type:    "payload.action",
		Types:   []string{"workflow_run.completed"},
		Session: "payload.resource.customer_user_id",
		Result:  []string{"payload.object.status"},
		Outcomes: map[string]sessionstep.Outcome{
			"approved":  sessionstep.Verified,
			"declined":  sessionstep.Rejected,
			"review":    sessionstep.NeedsReview,
			"abandoned": sessionstep.NeedsReview,
			"error":     sessionstep.NeedsReview,
		},
		Key:  []string{"payload.object.id", "payload.action", "payload.object.status", "payload.object.completed_at_iso8601"},
		Time: "payload.object.completed_at_iso8601",
		Details: []string{
			"payload.object.id", "payload.object.status", "payload.object.completed_at_iso8601",
			"payload.resource.applicant_id", "payload.resource.workflow_id",
			"payload.resource.workflow_version_id", "payload.resource.reasons", "payload.resource.error.type",
		},
	}
}
