package preset

import (
	"time"

	"github.com/hookonce/hookonce/hmacverify"
)

// operations are hosting, content, alerts and settings.
func operations() []hmacverify.Scheme {
	return []hmacverify.Scheme{
		CloudflareStream(), ConfigCat(), Doppler(), Heroku(), IncidentIO(), Infisical(), Langfuse(),
		LaunchDarkly(), MongoDBAtlas(), Mux(), PagerDuty(), Render(), Sentry(), Smartcar(), Tailscale(), Vercel(),
	}
}

// CloudflareStream returns the scheme of Cloudflare Stream
// (https://developers.cloudflare.com/stream/manage-video-library/using-webhooks/).
// Identity: BodyDigest: there is no event ID, and a body holds the video's state
// and time of change.
func CloudflareStream() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "cloudflare-stream",
		Signature: []string{"Webhook-Signature"},
		List:      hmacverify.List{Sep: ",", KV: "=", Keys: []string{"sig1"}},
		Signed:    "{timestamp}.{body}",
		Timestamp: hmacverify.Timestamp{ListKey: "time"},
		Identity:  hmacverify.BodyDigest,
		Sender: hmacverify.Sender{
			Title: "Cloudflare Stream", Docs: "https://developers.cloudflare.com/stream/manage-video-library/using-webhooks/",
			RetryTime: hmacverify.RetryTimeNew,
			Notes:     "One webhook for an account. Do not key on the video: its ID repeats with each change.",
			Facts: []hmacverify.Fact{
				docs("", "cloudflare/cloudflare-docs, stream/manage-video-library/using-webhooks.mdx"),
				byWording("cloudflare/cloudflare-docs"),
			},
		},
	}
}

// ConfigCat returns the scheme of ConfigCat
// (https://configcat.com/docs/advanced/notifications-webhooks/). The header is a
// bare list with one signature for each key. Identity: NoIdentity: the ID is
// signed, but another one in each retry, and the body is what its author wrote.
// If yours holds a field that tells events apart, key on that.
func ConfigCat() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "configcat",
		Signature: []string{"X-ConfigCat-Webhook-Signature-V1"},
		List:      hmacverify.List{Sep: ","},
		Encoding:  hmacverify.Base64,
		Signed:    "{header:X-ConfigCat-Webhook-ID}{timestamp}{body}",
		Timestamp: hmacverify.Timestamp{Header: "X-ConfigCat-Webhook-Timestamp"},
		Sender: hmacverify.Sender{
			Title: "ConfigCat", Docs: "https://configcat.com/docs/advanced/notifications-webhooks/",
			Retries: hmacverify.RetriesAll, RetrySchedule: "5 times", RetryTime: hmacverify.RetryTimeNew,
			Notes: "X-ConfigCat-Webhook-ID is another in each retry.",
			Facts: []hmacverify.Fact{
				code("signature", "configcat/configcat-proxy, webhook"), dated("2026-07", docs("", "configcat/docs")),
			},
		},
	}
}

// Doppler returns the scheme of Doppler (https://docs.doppler.com/docs/webhooks).
// Identity: NoIdentity, because the owner may have written a static body, the
// same for all events.
func Doppler() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "doppler",
		Signature: []string{"X-Doppler-Signature"},
		Prefix:    "sha256=",
		Sender: hmacverify.Sender{
			Title: "Doppler", Docs: "https://docs.doppler.com/docs/webhooks",
			RetrySchedule: "delivers once as a rule; duplicates occur",
			Facts:         []hmacverify.Fact{registry(), docs("", "https://docs.doppler.com/docs/webhooks")},
		},
	}
}

// Heroku returns the scheme of Heroku
// (https://devcenter.heroku.com/articles/app-webhooks). Identity: NoIdentity,
// because the body says which attempt it is, and its own ID is not confirmed.
func Heroku() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "heroku",
		Signature: []string{"Heroku-Webhook-Hmac-SHA256"},
		Encoding:  hmacverify.Base64,
		Sender: hmacverify.Sender{
			Title: "Heroku", Docs: "https://devcenter.heroku.com/articles/app-webhooks",
			Retries: hmacverify.RetriesSome, RetryWindow: 72 * time.Hour,
			RetrySchedule: "at level \"sync\" for 72 h from creation, then once; at level \"notify\" never",
			Notes:         "At level \"notify\" what fails once is lost.",
			Facts:         []hmacverify.Fact{registry(), dated("2023-01", docs("", "Heroku changelog"))},
		},
	}
}

// IncidentIO returns the scheme of incident.io (https://docs.incident.io):
// Standard Webhooks. The key is base64 after "whsec_". Identity: SignedID, the
// header webhook-id.
func IncidentIO() hmacverify.Scheme {
	return standard("incident-io", "webhook", "whsec_", "event_type", hmacverify.Sender{
		Title: "incident.io", Docs: "https://docs.incident.io",
		Retries: hmacverify.RetriesAll, RetryWindow: day, RetrySchedule: "for 24 h; by hand",
		Disables: "5 days of failure",
		Setup:    "A test by hand.",
		Notes:    "It sends through Svix.",
		Facts:    []hmacverify.Fact{registry(), docs("", "https://docs.incident.io")},
	})
}

// LaunchDarkly returns the scheme of LaunchDarkly
// (https://launchdarkly.com/docs/integrations/webhooks). Identity: SignedID, the
// _id of the log's entry in the body.
func LaunchDarkly() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "launchdarkly",
		Signature: []string{"X-LD-Signature"},
		ID:        hmacverify.Field{JSON: "_id"},
		Type:      hmacverify.Field{JSON: "kind"},
		Identity:  hmacverify.SignedID,
		Sender: hmacverify.Sender{
			Title: "LaunchDarkly", Docs: "https://launchdarkly.com/docs/integrations/webhooks",
			Facts: []hmacverify.Fact{registry(), docs("", "LaunchDarkly, docs/api/webhooks")},
		},
	}
}

// MongoDBAtlas returns the scheme of MongoDB Atlas alerts
// (https://www.mongodb.com/docs/atlas/tutorial/webhook-integration/). Type: the
// header X-MMS-Event, which is not signed, such as "alert.open". Identity:
// NoIdentity, because an open alert is sent again and again.
func MongoDBAtlas() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "mongodb-atlas",
		Algorithm: hmacverify.SHA1,
		Signature: []string{"X-MMS-Signature"},
		Encoding:  hmacverify.Base64,
		Type:      hmacverify.Field{Header: "X-MMS-Event"},
		Sender: hmacverify.Sender{
			Title: "MongoDB Atlas", Docs: "https://www.mongodb.com/docs/atlas/tutorial/webhook-integration/",
			Notes: "The body is the alert, whose id is the same in every state, or what the owner's template makes of it. A webhook without a secret is not signed. Cloud Manager and Ops Manager sign alike.",
			Facts: []hmacverify.Fact{docs("", "https://www.mongodb.com/docs/atlas/tutorial/webhook-integration/")},
		},
	}
}

// Mux returns the scheme of Mux
// (https://www.mux.com/docs/core/verify-webhook-signatures). Identity: SignedID,
// the body's id.
func Mux() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "mux",
		Signature: []string{"Mux-Signature"},
		List:      hmacverify.List{Sep: ",", KV: "=", Keys: []string{"v1"}},
		Signed:    "{timestamp}.{body}",
		Timestamp: hmacverify.Timestamp{ListKey: "t"},
		ID:        hmacverify.Field{JSON: "id"},
		Type:      hmacverify.Field{JSON: "type"},
		Identity:  hmacverify.SignedID,
		Sender: hmacverify.Sender{
			Title: "Mux", Docs: "https://www.mux.com/docs/core/verify-webhook-signatures",
			Waits:   5 * time.Second,
			Retries: hmacverify.RetriesAll, RetryWindow: day, RetrySchedule: "with growing gaps for 24 h",
			Notes: "Duplicates come even after a 2xx.",
			Facts: []hmacverify.Fact{
				vector("muxinc/mux-node-sdk, mux-elixir and mux-ruby, webhook tests"), docs("", "https://www.mux.com/docs"),
			},
		},
	}
}

// PagerDuty returns the scheme of PagerDuty v3
// (https://developer.pagerduty.com/docs/verifying-webhook-signatures). The list
// holds one v1 for each key. Identity: SignedID, the body's event.id.
func PagerDuty() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "pagerduty",
		Signature: []string{"X-PagerDuty-Signature"},
		List:      hmacverify.List{Sep: ",", KV: "=", Keys: []string{"v1"}},
		ID:        hmacverify.Field{JSON: "event.id"},
		Type:      hmacverify.Field{JSON: "event.event_type"},
		Identity:  hmacverify.SignedID,
		Sender: hmacverify.Sender{
			Title: "PagerDuty", Docs: "https://developer.pagerduty.com/docs/verifying-webhook-signatures",
			Instead: map[int]int{401: 429},
			Waits:   5 * time.Second,
			Retries: hmacverify.RetriesSome, RetryWindow: 48 * time.Hour, RetrySchedule: "after 5xx, 429 and timeouts for 48 h",
			Blocks: true, Disables: "3 events in a row dropped for a 4xx: for 24 h, and what comes meanwhile is lost",
			MaxBody: 256 << 10,
			Order:   true,
			Notes:   "A 4xx other than 429 drops the event: 409 for a duplicate, or 401 after a change of keys, soon switches the webhook off. 202 is advised. Custom actions wait 16 s. Payloads over 55 KB are cut, larger than the limit dropped. X-Webhook-Id is the same in retries.",
			Facts: []hmacverify.Fact{
				vector("PagerDuty/go-pagerduty v1.8.0, webhookv3"), dated("2026-08", docs("", "PagerDuty/developer-docs")),
			},
		},
	}
}

// Render returns the scheme of Render (https://render.com/docs/webhooks):
// Standard Webhooks. The key is base64 after "whsec_". Identity: SignedID, the
// header webhook-id.
func Render() hmacverify.Scheme {
	return standard("render", "webhook", "whsec_", "type", hmacverify.Sender{
		Title: "Render", Docs: "https://render.com/docs/webhooks",
		Waits:   15 * time.Second,
		Retries: hmacverify.RetriesAll, RetryWindow: 33 * time.Hour, RetrySchedule: "8 attempts, the last after 33 h",
		Disables: "the last attempt of an event",
		Facts: []hmacverify.Fact{
			registry(), docs("", "https://render.com/docs/webhooks"), copied("retries", "a copy of render.com/docs/webhooks"),
		},
	})
}

// Sentry returns the scheme of Sentry
// (https://docs.sentry.io/organization/integrations/integration-platform/webhooks/).
// The key is the integration's client secret. Sentry-Hook-Timestamp is not signed,
// so it is ignored; neither are the headers of ID and type. Identity: BodyDigest,
// because a body holds action, object and times.
//
// # Requests of UI components
//
// Requests that fill a form or create an issue carry Sentry-App-Signature instead,
// want an answer, and some have no body: give them an endpoint of their own, with
// that Signature, NoIdentity and Sender.Duplicate Replay.
func Sentry() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "sentry",
		Signature: []string{"Sentry-Hook-Signature"},
		ID:        hmacverify.Field{Header: "Request-ID"},
		Type:      hmacverify.Field{Header: "Sentry-Hook-Resource"},
		Identity:  hmacverify.BodyDigest,
		Sender: hmacverify.Sender{
			Title: "Sentry", Docs: "https://docs.sentry.io/organization/integrations/integration-platform/webhooks/",
			Waits:   time.Second,
			Retries: hmacverify.RetriesSome, RetrySchedule: "timeouts and 5xx of published apps",
			Disables: "1000 timeouts in 24 h, for unpublished apps; failures trip a breaker for each app",
			Notes:    "Which of its tasks retry is not known: take what fails for lost.",
			Facts: []hmacverify.Fact{
				code("signature", "getsentry/sentry, build_signature of src/sentry/sentry_apps"),
				dated("2023-10", docs("", "Sentry changelog")), code("retries", "getsentry/sentry, src/sentry/utils/sentry_apps/webhooks.py"),
			},
		},
	}
}

// Vercel returns the scheme of Vercel
// (https://vercel.com/docs/webhooks/webhooks-api#securing-webhooks). Identity:
// SignedID, the body's id.
func Vercel() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "vercel",
		Algorithm: hmacverify.SHA1,
		Signature: []string{"X-Vercel-Signature"},
		ID:        hmacverify.Field{JSON: "id"},
		Type:      hmacverify.Field{JSON: "type"},
		Identity:  hmacverify.SignedID,
		Sender: hmacverify.Sender{
			Title: "Vercel", Docs: "https://vercel.com/docs/webhooks/webhooks-api#securing-webhooks",
			Waits:   30 * time.Second,
			Retries: hmacverify.RetriesAll, RetryWindow: day, RetrySchedule: "exponentially for 24 h",
			Facts: []hmacverify.Fact{copied("signature", skill("vercel")), hearsay("", "Hookdeck's skill for agents")},
		},
	}
}

// Infisical returns the scheme of Infisical
// (https://infisical.com/docs/documentation/platform/webhooks). The time is in the
// body, in milliseconds; the header repeats it, unsigned. Identity: BodyDigest, because
// a body holds event, place and that time.
func Infisical() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "infisical",
		Signature: []string{"X-Infisical-Signature"},
		List:      hmacverify.List{Sep: ";"},
		Timestamp: hmacverify.Timestamp{JSON: "timestamp", Unit: hmacverify.Milliseconds},
		Type:      hmacverify.Field{JSON: "event"},
		Identity:  hmacverify.BodyDigest,
		Sender: hmacverify.Sender{
			Title: "Infisical", Docs: "https://infisical.com/docs/documentation/platform/webhooks",
			Waits:   15 * time.Second,
			Retries: hmacverify.RetriesNone,
			Notes:   "What fails once is lost. A webhook without a secret is not signed. Those for Slack and Teams have bodies of their own.",
			Facts:   []hmacverify.Fact{code("", "Infisical/infisical, backend/src/services/webhook/webhook-fns.ts")},
		},
	}
}

// Langfuse returns the scheme of Langfuse
// (https://langfuse.com/docs/prompt-management/features/webhooks-slack-integrations).
// Identity: SignedID, the body's id; that a retry repeats it is unconfirmed.
func Langfuse() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "langfuse",
		Signature: []string{"X-Langfuse-Signature"},
		List:      hmacverify.List{Sep: ",", KV: "=", Keys: []string{"v1", "s"}},
		Signed:    "{timestamp}.{body}",
		Timestamp: hmacverify.Timestamp{ListKey: "t"},
		ID:        hmacverify.Field{JSON: "id"},
		Type:      hmacverify.Field{JSON: "type"},
		Identity:  hmacverify.SignedID,
		Sender: hmacverify.Sender{
			Title: "Langfuse", Docs: "https://langfuse.com/docs/prompt-management/features/webhooks-slack-integrations",
			Retries: hmacverify.RetriesAll, RetrySchedule: "exponentially; not said for how long",
			Notes: "Its code writes v1, its page s: both are read.",
			Facts: []hmacverify.Fact{
				code("signature", "langfuse/langfuse, packages/shared/src/encryption/signature.ts"),
				docs("", "langfuse/langfuse-docs, webhooks-slack-integrations.mdx"), unconfirmed("identity"),
			},
		},
	}
}

// Smartcar returns the scheme of Smartcar
// (https://smartcar.com/docs/integrations/webhooks/overview), version 4. The key is the
// application management token. Identity: SignedID, the body's eventId. Bodies of
// version 2 have none: set Identity to NoIdentity and leave ID out for those.
func Smartcar() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:       "smartcar",
		Signature:  []string{"SC-Signature"},
		ID:         hmacverify.Field{JSON: "eventId"},
		Type:       hmacverify.Field{JSON: "eventType"},
		Identity:   hmacverify.SignedID,
		JSONObject: true,
		Sender: hmacverify.Sender{
			Title: "Smartcar", Docs: "https://smartcar.com/docs/integrations/webhooks/overview",
			Retries: hmacverify.RetriesAll, RetrySchedule: "up to 3 times, exponentially",
			Setup: "An event VERIFY with data.challenge, which wants {\"challenge\": the HMAC of the challenge under the same key, in hex} within 15 s: SmartcarChallenge answers.",
			Notes: bodyDiffers + " (meta.deliveryId).",
			Facts: []hmacverify.Fact{
				code("signature", "smartcar 10.4.0, verifyPayload and hashChallenge"),
				copied("", "a copy of smartcar.com/docs/integrations/webhooks: best-practices/reliability, callback-verification"),
			},
		},
	}
}

// Tailscale returns the scheme of Tailscale (https://tailscale.com/kb/1213/webhooks).
// The key is used as it is, with "tskey-webhook-". A body is a batch. The identity of an
// event: its digest, because it holds its time and has no ID. Identity:
// NoIdentity.
func Tailscale() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "tailscale",
		Signature: []string{"Tailscale-Webhook-Signature"},
		List:      hmacverify.List{Sep: ",", KV: "=", Keys: []string{"v1"}},
		Signed:    "{timestamp}.{body}",
		Timestamp: hmacverify.Timestamp{ListKey: "t"},
		Sender: hmacverify.Sender{
			Title: "Tailscale", Docs: "https://tailscale.com/kb/1213/webhooks",
			Retries: hmacverify.RetriesAll, RetrySchedule: "not said how often",
			Blocks: true,
			Items:  []hmacverify.Items{{JSON: "[]", Type: "type"}},
			Facts:  []hmacverify.Fact{code("", "tailscale/tailscale, docs/webhooks/example.go")},
		},
	}
}
