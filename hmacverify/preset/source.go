package preset

import (
	"time"

	"github.com/hookonce/hookonce/hmacverify"
)

// sources are source control, issues and builds.
func sources() []hmacverify.Scheme {
	return []hmacverify.Scheme{
		Bitbucket(), Buildkite(), CircleCI(), Gitea(), GitHub(), GitLab(), Gogs(), Jira(), Linear(),
	}
}

// GitHub returns the scheme of GitHub
// (https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries).
// Its ID and its type are in headers that are not signed. Identity: BodyDigest,
// because a body holds its object, action and times, and a redelivery has the
// same bytes. A few types hold no time, see Sender.Notes: give a webhook for those
// NoIdentity.
func GitHub() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "github",
		Signature: []string{"X-Hub-Signature-256"},
		Prefix:    "sha256=",
		ID:        hmacverify.Field{Header: "X-GitHub-Delivery"},
		Type:      hmacverify.Field{Header: "X-GitHub-Event"},
		Identity:  hmacverify.BodyDigest,
		Sender: hmacverify.Sender{
			Title: "GitHub", Docs: "https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries",
			Waits:   10 * time.Second,
			Retries: hmacverify.RetriesNone, RetrySchedule: "by hand within 3 days, with the same X-GitHub-Delivery",
			MaxBody: 25 << 20,
			Setup:   "An event \"ping\".",
			Notes:   "What fails once is lost: store first, answer, then work. Enterprise Server waits 30 s. Larger payloads are not sent. A webhook can be set to send forms. The bodies of membership, member, team_add, watch, public, github_app_authorization, repository_dispatch and workflow_dispatch may repeat for different events.",
			Facts: []hmacverify.Fact{
				vector("https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries"),
				docs("", "https://docs.github.com"), copied("limits", restated),
				hearsay("identity", "a reading of GitHub's payloads"),
			},
		},
	}
}

// GitLab returns the scheme of GitLab from 19.0 on, with a signing token
// (https://docs.gitlab.com/user/project/integrations/webhooks/): Standard
// Webhooks. The key is base64 after "whsec_". The older X-Gitlab-Token is a
// password that signs nothing. Identity: SignedID, the header webhook-id, which
// Idempotency-Key repeats.
func GitLab() hmacverify.Scheme {
	return standard("gitlab", "webhook", "whsec_", "object_kind", hmacverify.Sender{
		Title: "GitLab", Docs: "https://docs.gitlab.com/user/project/integrations/webhooks/",
		Waits:         10 * time.Second,
		RetrySchedule: "not described, only hinted at; by hand with the same ID",
		Disables:      "4 failures in a row, for 1 min doubling to 24 h; 40, for good",
		Notes:         "A self-managed GitLab can wait for another time. 4xx counts as 5xx since 17.11. Duplicates come after timeouts.",
		Facts: []hmacverify.Fact{
			docs("signature", "https://docs.gitlab.com/user/project/integrations/webhooks/"), copied("", restated),
		},
	})
}

// Bitbucket returns the scheme of Bitbucket Cloud
// (https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/). Its ID
// and its type are in headers that are not signed. Identity: BodyDigest, because
// a body holds its object and times.
func Bitbucket() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "bitbucket",
		Signature: []string{"X-Hub-Signature"},
		Prefix:    "sha256=",
		ID:        hmacverify.Field{Header: "X-Request-UUID"},
		Type:      hmacverify.Field{Header: "X-Event-Key"},
		Identity:  hmacverify.BodyDigest,
		Sender: hmacverify.Sender{
			Title: "Bitbucket Cloud", Docs: "https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/",
			Waits:   10 * time.Second,
			Retries: hmacverify.RetriesSome, RetrySchedule: "2 times at once, after 5xx only",
			MaxBody: 256 << 10,
			Notes:   "Larger payloads are silently not sent. X-Attempt-Number counts the attempts. Data Center stops for a while after 5 failures.",
			Facts: []hmacverify.Fact{
				docs("signature", "https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/"),
				docs("", "Atlassian, troubleshoot webhooks"), hearsay("retries", "users' reports"),
			},
		},
	}
}

// Jira returns the scheme of Jira Cloud
// (https://developer.atlassian.com/cloud/jira/platform/webhooks/). Its ID is in a
// header that is not signed. Identity: BodyDigest, because a body holds the
// event's name and time.
func Jira() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "jira",
		Signature: []string{"X-Hub-Signature"},
		Prefix:    "sha256=",
		ID:        hmacverify.Field{Header: "X-Atlassian-Webhook-Identifier"},
		Type:      hmacverify.Field{JSON: "webhookEvent"},
		Identity:  hmacverify.BodyDigest,
		Sender: hmacverify.Sender{
			Title: "Jira Cloud", Docs: "https://developer.atlassian.com/cloud/jira/platform/webhooks/",
			Retries: hmacverify.RetriesSome, RetryWindow: 5 * 15 * time.Minute,
			RetrySchedule: "after 408, 409, 425, 429, 5xx and timeouts: 5 times, 5 to 15 min apart; after 30 min of failure once",
			MaxBody:       25 << 20,
			Notes:         "Other 4xx lose the event, and 409 is retried five times. Larger payloads are dropped. The ID is unique within one site only. Data Center does not retry.",
			Facts: []hmacverify.Fact{
				docs("signature", "https://developer.atlassian.com/cloud/jira/platform/webhooks/"), copied("", restated),
			},
		},
	}
}

// Linear returns the scheme of Linear
// (https://linear.app/developers/webhooks#securing-webhooks). The time is in the
// body. Retries carry the first one, so the tolerance must cover them. Its ID,
// Linear-Delivery, is not signed. Identity: BodyDigest, because a body holds
// action, object and time, and a retry has the same bytes.
func Linear() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "linear",
		Signature: []string{"Linear-Signature"},
		Timestamp: hmacverify.Timestamp{JSON: "webhookTimestamp", Unit: hmacverify.Milliseconds},
		ID:        hmacverify.Field{Header: "Linear-Delivery"},
		Type:      hmacverify.Field{JSON: "type"},
		Identity:  hmacverify.BodyDigest,
		Sender: hmacverify.Sender{
			Title: "Linear", Docs: "https://linear.app/developers/webhooks#securing-webhooks",
			Waits: 5 * time.Second, Success: []int{200},
			Retries: hmacverify.RetriesAll, RetryWindow: 7*time.Hour + time.Minute,
			RetrySchedule: "after 1 min, 1 h and 6 h; if those are gaps, the last is 7 h 1 min after the first attempt",
			RetryTime:     hmacverify.RetryTimeFirst,
			Disables:      "failures, perhaps; to be switched on again by hand",
			Notes:         "Its page advises a tolerance of a minute, its SDK insists on it, and both are silent on the time that a retry carries: with that tolerance every retry is refused.",
			Facts: []hmacverify.Fact{
				code("signature", "@linear/sdk 98.0.0, webhooks"), hearsay("retry time", "vercel/eve#1570, n8n-io/n8n#36487"),
				copied("", "several accounts of the sender's page, 2026"),
			},
		},
	}
}

// Buildkite returns the scheme of Buildkite
// (https://buildkite.com/docs/apis/webhooks/pipelines#webhook-signature).
// Identity: BodyDigest: there is no event ID, and a body holds event, object and
// its times.
func Buildkite() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "buildkite",
		Signature: []string{"X-Buildkite-Signature"},
		List:      hmacverify.List{Sep: ",", KV: "=", Keys: []string{"signature"}},
		Signed:    "{timestamp}.{body}",
		Timestamp: hmacverify.Timestamp{ListKey: "timestamp"},
		Type:      hmacverify.Field{JSON: "event"},
		Identity:  hmacverify.BodyDigest,
		Sender: hmacverify.Sender{
			Title: "Buildkite", Docs: "https://buildkite.com/docs/apis/webhooks/pipelines#webhook-signature",
			RetryTime: hmacverify.RetryTimeNew,
			Setup:     "An event \"ping\", which is acknowledged without work.",
			Pings:     []hmacverify.Ping{{JSON: "event", Value: `"ping"`}},
			Notes:     "The setting \"token\" sends the key itself and signs nothing: choose \"signature\".",
			Facts: []hmacverify.Fact{
				docs("signature", "buildkite/docs, pages/apis/webhooks/_verifying_hmac_signatures.md"),
				dated("2026-08", docs("", "buildkite/docs")),
			},
		},
	}
}

// CircleCI returns the scheme of CircleCI
// (https://circleci.com/docs/outbound-webhooks/). Identity: SignedID, the body's
// id.
func CircleCI() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "circleci",
		Signature: []string{"Circleci-Signature"},
		List:      hmacverify.List{Sep: ",", KV: "=", Keys: []string{"v1"}},
		ID:        hmacverify.Field{JSON: "id"},
		Type:      hmacverify.Field{JSON: "type"},
		Identity:  hmacverify.SignedID,
		Sender: hmacverify.Sender{
			Title: "CircleCI", Docs: "https://circleci.com/docs/outbound-webhooks/",
			Waits:   10 * time.Second,
			Retries: hmacverify.RetriesAll, RetrySchedule: "later; not said when",
			Setup: "A test ping by hand, with a shorter body.",
			Notes: "A webhook without a secret is not signed.",
			Facts: []hmacverify.Fact{
				vector("circleci/circleci-docs, outbound-webhooks.adoc"), dated("2026-08", docs("", "circleci/circleci-docs")),
			},
		},
	}
}

// Gitea returns the scheme of Gitea (https://docs.gitea.com/usage/webhooks). Set the
// webhook to send JSON: the signature of a form is that of its field "payload". Its ID
// and its type are in headers that are not signed. Identity: NoIdentity, because no
// event has an ID, and that no two bodies are equal is not confirmed.
func Gitea() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "gitea",
		Signature: []string{"X-Gitea-Signature"},
		ID:        hmacverify.Field{Header: "X-Gitea-Delivery"},
		Type:      hmacverify.Field{Header: "X-Gitea-Event"},
		Sender: hmacverify.Sender{
			Title: "Gitea", Docs: "https://docs.gitea.com/usage/webhooks",
			Retries: hmacverify.RetriesNone, RetrySchedule: "by hand",
			Notes: "What fails once is lost: store first, answer, then work. A webhook without a secret has an empty signature. It also signs as GitHub and Gogs do, so their presets accept it too.",
			Facts: []hmacverify.Fact{code("", "go-gitea/gitea, services/webhook/deliver.go; code.gitea.io/sdk/gitea v0.25.1")},
		},
	}
}

// Gogs returns the scheme of Gogs (https://gogs.io/docs/features/webhook). Set the
// webhook to send JSON: the signature of a form is that of its field "payload". Its ID
// and its type are in headers that are not signed. Identity: NoIdentity, as for
// [Gitea].
func Gogs() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "gogs",
		Signature: []string{"X-Gogs-Signature"},
		ID:        hmacverify.Field{Header: "X-Gogs-Delivery"},
		Type:      hmacverify.Field{Header: "X-Gogs-Event"},
		Sender: hmacverify.Sender{
			Title: "Gogs", Docs: "https://gogs.io/docs/features/webhook",
			Retries: hmacverify.RetriesNone, RetrySchedule: "by hand",
			Notes: "What fails once is lost: store first, answer, then work. A webhook without a secret has an empty signature.",
			Facts: []hmacverify.Fact{code("", "gogs/gogs, internal/database/webhook.go")},
		},
	}
}
