package preset

import (
	"time"

	"github.com/hookonce/hookonce/hmacverify"
)

// supports are support desks, sales, forms and bookings.
func supports() []hmacverify.Scheme {
	return []hmacverify.Scheme{
		CalCom(), Calendly(), Crisp(), Dub(), Front(), FrontRules(), HubSpot(), Intercom(), Tally(), Typeform(),
		Webflow(), Zendesk(),
	}
}

// CalCom returns the scheme of Cal.com
// (https://cal.com/docs/developing/guides/automation/webhooks). Identity:
// BodyDigest, because a body holds its trigger, booking and createdAt. With a
// template of your own it may not: set Identity to NoIdentity then.
func CalCom() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "cal-com",
		Signature: []string{"X-Cal-Signature-256"},
		Type:      hmacverify.Field{JSON: "triggerEvent"},
		Identity:  hmacverify.BodyDigest,
		Sender: hmacverify.Sender{
			Title: "Cal.com", Docs: "https://cal.com/docs/developing/guides/automation/webhooks",
			RetrySchedule: "none where it sends; the queue above was not read",
			Notes:         "3xx is a failure. Without a secret the header says no-secret-provided. The owner's template may be JSON or a form, without time or ID: different bookings with equal bodies would be one event.",
			Facts:         []hmacverify.Fact{code("", "calcom/cal.com, packages/features/webhooks/lib/sendPayload.ts")},
		},
	}
}

// Calendly returns the scheme of Calendly
// (https://developer.calendly.com/api-docs/ZG9jOjM2MzE2MDM4-webhook-signatures).
// Identity: BodyDigest: there is no event ID, and a body holds event, invitee and
// created_at.
func Calendly() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "calendly",
		Signature: []string{"Calendly-Webhook-Signature"},
		List:      hmacverify.List{Sep: ",", KV: "=", Keys: []string{"v1"}},
		Signed:    "{timestamp}.{body}",
		Timestamp: hmacverify.Timestamp{ListKey: "t"},
		Type:      hmacverify.Field{JSON: "event"},
		Identity:  hmacverify.BodyDigest,
		Sender: hmacverify.Sender{
			Title: "Calendly", Docs: "https://developer.calendly.com/api-docs/ZG9jOjM2MzE2MDM4-webhook-signatures",
			Waits:   15 * time.Second,
			Retries: hmacverify.RetriesAll, RetryWindow: day,
			RetrySchedule: "after 3xx to 5xx, exponentially for 24 h, or to a day after the booking",
			Disables:      "24 h of failure, without notice",
			Notes:         "Waits 10 s for the connection. Its sample accepts 180 s. Moving a booking is two events.",
			Facts: []hmacverify.Fact{
				copied("signature", skill("calendly")), dated("2024-05", docs("", "Calendly's staff")),
				copied("waits", restated),
			},
		},
	}
}

// Crisp returns the scheme of Crisp's web hooks
// (https://docs.crisp.chat/guides/web-hooks/plugin-hooks). The key is the signing secret
// of the hook. The time is signed and not checked, because its unit is not confirmed.
// Identity: NoIdentity, because what tells its events apart is not confirmed: messages
// have data.fingerprint.
func Crisp() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "crisp",
		Signature: []string{"X-Crisp-Signature"},
		Signed:    "[{header:X-Crisp-Request-Timestamp};{body}]",
		Type:      hmacverify.Field{JSON: "event"},
		Sender: hmacverify.Sender{
			Title: "Crisp", Docs: "https://docs.crisp.chat/guides/web-hooks/plugin-hooks",
			Notes: "Requests to an MCP server are signed otherwise, with X-Crisp-Timestamp and X-Crisp-Website-Id.",
			Facts: []hmacverify.Fact{
				code("signature", "crisp-api 11.3.0, verifyHook"), hearsay("signature", "users of it, on the names of the headers"),
				unconfirmed("identity"),
			},
		},
	}
}

// Dub returns the scheme of Dub
// (https://dub.co/docs/concepts/webhooks/verify-webhook-requests). Identity:
// SignedID, the body's id.
func Dub() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "dub",
		Signature: []string{"Dub-Signature"},
		ID:        hmacverify.Field{JSON: "id"},
		Type:      hmacverify.Field{JSON: "event"},
		Identity:  hmacverify.SignedID,
		Sender: hmacverify.Sender{
			Title: "Dub", Docs: "https://dub.co/docs/concepts/webhooks/verify-webhook-requests",
			Retries: hmacverify.RetriesAll, RetrySchedule: "those of QStash, with the same body",
			Disables: "20 failures in a row",
			Facts: []hmacverify.Fact{
				code("signature", "dubinc/dub, apps/web/lib/webhook/signature.ts"), dated("2026-08", code("", "dubinc/dub")),
			},
		},
	}
}

// Front returns the scheme of Front
// (https://dev.frontapp.com/docs/application-webhooks). The key is the app's signing
// key. For webhooks of rules see [FrontRules]. Identity: NoIdentity, because what tells
// its events apart is not confirmed.
func Front() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "front",
		Signature: []string{"X-Front-Signature"},
		Encoding:  hmacverify.Base64,
		Signed:    "{timestamp}:{body}",
		Timestamp: hmacverify.Timestamp{Header: "X-Front-Request-Timestamp", Unit: hmacverify.Milliseconds},
		Type:      hmacverify.Field{JSON: "type"},
		Sender: hmacverify.Sender{
			Title: "Front", Docs: "https://dev.frontapp.com/docs/application-webhooks",
			Retries: hmacverify.RetriesAll, RetrySchedule: "up to 3 times; rule webhooks not at all",
			Setup: "A signed POST \"sync\" with x-front-challenge, to be echoed within 10 s: FrontChallenge does.",
			Facts: []hmacverify.Fact{
				copied("signature", skill("frontapp")), docs("", "https://dev.frontapp.com/docs/application-webhooks"),
				copied("retries", restated),
			},
		},
	}
}

// FrontRules returns the scheme of the webhooks of Front's rules
// (https://dev.frontapp.com/docs/rule-webhooks). The key is the company's API secret.
// Identity: NoIdentity, because what tells its events apart is not confirmed.
func FrontRules() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "front-rules",
		Algorithm: hmacverify.SHA1,
		Signature: []string{"X-Front-Signature"},
		Encoding:  hmacverify.Base64,
		Type:      hmacverify.Field{JSON: "type"},
		Sender: hmacverify.Sender{
			Title: "Front's rules", Docs: "https://dev.frontapp.com/docs/rule-webhooks",
			Retries: hmacverify.RetriesNone,
			Notes:   "What fails once is lost: store first, answer, then work.",
			Facts: []hmacverify.Fact{
				docs("signature", "https://dev.frontapp.com/docs/rule-webhooks"), copied("retries", restated),
			},
		},
	}
}

// HubSpot returns the scheme of HubSpot v3
// (https://developers.hubspot.com/docs/apps/legacy-apps/authentication/validating-requests).
// Set Options.URL, with its query. The page has the receiver decode the URL's
// escapes of : / ? @ ! $ ' ( ) * , and ; and no others, so that is what is signed;
// HubSpot's SDKs leave it to their callers. v1 and v2 are a plain hash of secret and
// text, not HMAC, and are not accepted. A body is a batch. The identity of an event: its
// eventId with subscriptionId, portalId, objectId and occurredAt, as eventId is not
// guaranteed to be unique. Identity: NoIdentity, because its events say which
// attempt it is, so that a retry has other bytes.
func HubSpot() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "hubspot",
		Signature: []string{"X-HubSpot-Signature-V3"},
		Encoding:  hmacverify.Base64,
		Signed:    "{method}{url}{body}{timestamp}",
		URLForm:   hmacverify.URLDecoded,
		Timestamp: hmacverify.Timestamp{Header: "X-HubSpot-Request-Timestamp", Unit: hmacverify.Milliseconds},
		Sender: hmacverify.Sender{
			Title: "HubSpot", Docs: "https://developers.hubspot.com/docs/apps/legacy-apps/authentication/validating-requests",
			Waits:   5 * time.Second,
			Retries: hmacverify.RetriesAll, RetryWindow: day,
			RetrySchedule: "10 times in 24 h, 4xx too; by an older page never after 400, 401 and 403 to 405, users say",
			Items: []hmacverify.Items{{
				JSON: "[]", ID: []string{"eventId", "subscriptionId", "portalId", "objectId", "occurredAt"}, Type: "subscriptionType",
			}},
			Batch: "up to 100 events; eventId alone is not guaranteed to be unique",
			Notes: "A change of settings takes 5 min to act. An address without escapes avoids the question which of them are decoded: users disagree.",
			Facts: []hmacverify.Fact{
				vector("HubSpot/hubspot-api-python, tests/spec/utils/test_signature.py"),
				copied("signature", "a copy of HubSpot's page with its table of escapes; the SDKs for Node.js 13.5.0 and Python decode nothing"),
				hearsay("batch", "an account of HubSpot's guide"), code("items", "HubSpot/hubspot-api-python, tests/spec/utils/test_signature.py"), copied("", restated),
			},
		},
	}
}

// Intercom returns the scheme of Intercom
// (https://developers.intercom.com/docs/webhooks). The key is the app's client
// secret. Identity: SignedID, the body's id.
func Intercom() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "intercom",
		Algorithm: hmacverify.SHA1,
		Signature: []string{"X-Hub-Signature"},
		Prefix:    "sha1=",
		ID:        hmacverify.Field{JSON: "id"},
		Type:      hmacverify.Field{JSON: "topic"},
		Identity:  hmacverify.SignedID,
		Sender: hmacverify.Sender{
			Title: "Intercom", Docs: "https://developers.intercom.com/docs/webhooks",
			Waits:         5 * time.Second,
			RetrySchedule: "1000 errors in 15 min pause it for 15 min; 429 slows it, and events are dropped after 2 h",
			Disables:      "7 days of failure, for private apps",
			Setup:         "A ping whose id is null, which is acknowledged.",
			Pings:         []hmacverify.Ping{{JSON: "topic", Value: `"ping"`}},
			Notes:         bodyDiffers + " (delivery_attempts), users say. Answers that take over 0.5 s count against an endpoint.",
			Facts: []hmacverify.Fact{
				copied("signature", skill("intercom")), docs("", "Intercom, webhook-notifications"),
				hearsay("waits", "users' reports"), hearsay("identity", "users' reports"),
			},
		},
	}
}

// Tally returns the scheme of Tally (https://tally.so/help/webhooks). Identity:
// SignedID, the body's eventId.
func Tally() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "tally",
		Signature: []string{"Tally-Signature"},
		Encoding:  hmacverify.Base64,
		ID:        hmacverify.Field{JSON: "eventId"},
		Type:      hmacverify.Field{JSON: "eventType"},
		Identity:  hmacverify.SignedID,
		Sender: hmacverify.Sender{
			Title: "Tally", Docs: "https://tally.so/help/webhooks",
			Waits:   10 * time.Second,
			Retries: hmacverify.RetriesAll, RetryWindow: day, RetrySchedule: "after 5 and 30 min, 1, 6 and 24 h; by hand",
			Facts: []hmacverify.Fact{registry(), docs("", "https://tally.so/help/webhooks, https://developers.tally.so")},
		},
	}
}

// Typeform returns the scheme of Typeform
// (https://www.typeform.com/developers/webhooks/secure-your-webhooks/). Identity:
// SignedID, the body's event_id.
func Typeform() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "typeform",
		Signature: []string{"Typeform-Signature"},
		Prefix:    "sha256=",
		Encoding:  hmacverify.Base64,
		ID:        hmacverify.Field{JSON: "event_id"},
		Type:      hmacverify.Field{JSON: "event_type"},
		Identity:  hmacverify.SignedID,
		Sender: hmacverify.Sender{
			Title: "Typeform", Docs: "https://www.typeform.com/developers/webhooks/secure-your-webhooks/",
			Instead: map[int]int{404: 422, 410: 422},
			Waits:   30 * time.Second,
			Retries: hmacverify.RetriesSome, RetryWindow: 10 * time.Hour,
			RetrySchedule: "after 408, 423, 429 and 503 every 2 to 3 min for 10 h; after others at 5, 10, 20, 60 and 120 min; after 404 and 410 never",
			Disables:      "404 and 410, at once",
			Facts:         []hmacverify.Fact{copied("signature", skill("typeform")), docs("", "https://www.typeform.com/developers")},
		},
	}
}

// Webflow returns the scheme of Webflow
// (https://developers.webflow.com/data/docs/working-with-webhooks). Identity:
// NoIdentity, because what tells its events apart is not confirmed.
func Webflow() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "webflow",
		Signature: []string{"X-Webflow-Signature"},
		Signed:    "{timestamp}:{body}",
		Timestamp: hmacverify.Timestamp{Header: "X-Webflow-Timestamp", Unit: hmacverify.Milliseconds},
		Type:      hmacverify.Field{JSON: "triggerType"},
		Sender: hmacverify.Sender{
			Title: "Webflow", Docs: "https://developers.webflow.com/data/docs/working-with-webhooks",
			Waits: 30 * time.Second, Success: []int{200},
			Retries: hmacverify.RetriesAll, RetryWindow: 30 * time.Minute, RetrySchedule: "3 times, 10 min apart",
			RetryTime: hmacverify.RetryTimeNew,
			Disables:  "the last retry of an event, with a mail",
			Notes:     "Redirects are failures. A webhook made in the dashboard is not signed.",
			Facts: []hmacverify.Fact{
				code("signature", "webflow-api 3.3.4, WebhooksClient"), docs("", "https://developers.webflow.com, errors"),
				hearsay("waits", "users' reports"), byWording("https://developers.webflow.com"),
			},
		},
	}
}

// Zendesk returns the scheme of Zendesk
// (https://developer.zendesk.com/documentation/webhooks/verifying/). The key looks
// like base64 and is used as it is. Webhooks of triggers send what their author
// wrote: for those set Identity to NoIdentity and leave ID out. Identity:
// SignedID, the body's id.
func Zendesk() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "zendesk",
		Signature: []string{"X-Zendesk-Webhook-Signature"},
		Encoding:  hmacverify.Base64,
		Signed:    "{timestamp}{body}",
		Timestamp: hmacverify.Timestamp{Header: "X-Zendesk-Webhook-Signature-Timestamp", Unit: hmacverify.RFC3339},
		ID:        hmacverify.Field{JSON: "id"},
		Type:      hmacverify.Field{JSON: "type"},
		Identity:  hmacverify.SignedID,
		Sender: hmacverify.Sender{
			Title: "Zendesk", Docs: "https://developer.zendesk.com/documentation/webhooks/verifying/",
			Instead:       map[int]int{500: 503, 409: 503},
			Waits:         12 * time.Second,
			Retries:       hmacverify.RetriesSome,
			RetrySchedule: "after 409 3 times; after timeouts 5; after 429 and 503 only with Retry-After below 60; after anything else never",
			Notes:         "A 500 loses the event: answer 503 with Retry-After below 60. 70 % or 1000 errors in 5 min pause it for 5 s. Bodies of triggers go up to 16,000 characters.",
			Facts: []hmacverify.Fact{
				docs("signature", "https://developer.zendesk.com/documentation/webhooks/verifying/"), copied("", restated),
			},
		},
	}
}
