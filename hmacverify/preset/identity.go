package preset

import (
	"time"

	"github.com/hookonce/hookonce/hmacverify"
)

// identities verify people.
func identities() []hmacverify.Scheme {
	return []hmacverify.Scheme{
		AiPrise(), Checkr(), Didit(), IDenfy(), Onfido(), Persona(), SmileAPI(), StripeIdentity(),
		Sumsub(), Veriff(),
	}
}

// AiPrise returns the scheme of AiPrise
// (https://docs.aiprise.com/docs/callbacks-authentication). The key is the API key.
// Identity: NoIdentity, because what tells its callbacks apart is not confirmed:
// verification_session_id may repeat.
func AiPrise() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "aiprise",
		Signature: []string{"X-HMAC-SIGNATURE"},
		Type:      hmacverify.Field{JSON: "aiprise_summary.verification_result"},
		Sender: hmacverify.Sender{
			Title: "AiPrise", Docs: "https://docs.aiprise.com/docs/callbacks-authentication",
			Facts: []hmacverify.Fact{copied("", hookdeckSkills)},
		},
	}
}

// SmileAPI returns the scheme of Smile API, getsmileapi.com
// (https://docs.getsmileapi.com/reference/webhooks). The key is the secret that
// you gave the endpoint. Identity: SignedID, the body's id.
func SmileAPI() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "smile-api",
		Algorithm: hmacverify.SHA512,
		Signature: []string{"Smile-Signature"},
		ID:        hmacverify.Field{JSON: "id"},
		Type:      hmacverify.Field{JSON: "type"},
		Identity:  hmacverify.SignedID,
		Sender: hmacverify.Sender{
			Title: "Smile API", Docs: "https://docs.getsmileapi.com/reference/webhooks",
			Retries: hmacverify.RetriesAll, RetrySchedule: "up to 2 times, some 10 s apart",
			Notes: "An outage of a minute loses events.",
			Facts: []hmacverify.Fact{copied("", hookdeckSkills)},
		},
	}
}

// Persona returns the scheme of Persona (https://docs.withpersona.com/webhooks).
// While keys rotate, the header holds one list of t and v1 for each, with a
// space between. Identity: SignedID, the body's data.id.
func Persona() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "persona",
		Signature: []string{"Persona-Signature"},
		List:      hmacverify.List{Sep: ",", KV: "=", Keys: []string{"v1"}, Group: " "},
		Signed:    "{timestamp}.{body}",
		Timestamp: hmacverify.Timestamp{ListKey: "t"},
		ID:        hmacverify.Field{JSON: "data.id"},
		Type:      hmacverify.Field{JSON: "data.attributes.name"},
		Identity:  hmacverify.SignedID,
		Sender: hmacverify.Sender{
			Title: "Persona", Docs: "https://docs.withpersona.com/webhooks",
			Waits: 5 * time.Second, Success: []int{200, 201, 202, 204},
			Retries: hmacverify.RetriesAll, RetryWindow: 258 * time.Second,
			RetrySchedule: "5 attempts, at 0, 3, 18, 83 and 258 s; by a newer account up to 7 more after the first, exponentially; by hand for 30 days",
			RetryTime:     hmacverify.RetryTimeNew,
			Notes:         "An outage of 5 minutes loses events. Persona-Webhook-Attempts-Made counts the attempts.",
			Facts: []hmacverify.Fact{
				docs("signature", "https://docs.withpersona.com/docs/webhooks-best-practices"),
				copied("waits", hookdeckSkills), copied("responses", hookdeckSkills),
				docs("", "https://docs.withpersona.com/docs/best-practices (an older page)"),
			},
		},
	}
}

// Veriff returns the scheme of Veriff
// (https://devdocs.veriff.com/docs/hmac-authentication-and-endpoint-security).
// The key is the integration's shared secret. The older X-SIGNATURE is a plain
// hash and is not accepted. Identity: BodyDigest: there is no event ID, and a
// body holds session, attempt and time of decision.
func Veriff() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "veriff",
		Signature: []string{"X-HMAC-SIGNATURE", "VRF-HMAC-SIGNATURE"},
		Type:      hmacverify.Field{JSON: "verification.status"},
		Identity:  hmacverify.BodyDigest,
		Sender: hmacverify.Sender{
			Title: "Veriff", Docs: "https://devdocs.veriff.com/docs/hmac-authentication-and-endpoint-security",
			Success: []int{200},
			Retries: hmacverify.RetriesAll, RetryWindow: 7 * day, RetrySchedule: "hourly for 7 days; by hand",
			Notes: "Do not key on the session: its ID repeats with each decision.",
			Facts: []hmacverify.Fact{
				vector("developers.veriff.com, X-HMAC-SIGNATURE, as recorded in GENERALBYTESCOM/batm_public"),
				docs("", "Veriff help 3250261"),
			},
		},
	}
}

// Onfido returns the scheme of Onfido, now Entrust
// (https://documentation.onfido.com/api/latest/#webhooks). The key is the
// webhook's token. Identity: BodyDigest: there is no event ID, and a body holds
// object, action and time of completion.
func Onfido() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "onfido",
		Signature: []string{"X-SHA2-Signature"},
		Type:      hmacverify.Field{JSON: "payload.action"},
		Identity:  hmacverify.BodyDigest,
		Sender: hmacverify.Sender{
			Title: "Onfido", Docs: "https://documentation.onfido.com/api/latest/#webhooks",
			Facts: []hmacverify.Fact{vector("onfido/onfido-python, tests/test_classic_webhook_event_verification.py")},
		},
	}
}

// Sumsub returns the scheme of Sumsub (https://docs.sumsub.com/docs/webhooks).
// The sender names the hash in X-Payload-Digest-Alg. This preset is
// HMAC_SHA256_HEX, and ignores what a client could downgrade; for
// HMAC_SHA512_HEX set Algorithm to SHA512. Identity: BodyDigest, because a body
// holds applicant, type and createdAtMs.
func Sumsub() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "sumsub",
		Signature: []string{"X-Payload-Digest"},
		Type:      hmacverify.Field{JSON: "type"},
		Identity:  hmacverify.BodyDigest,
		Sender: hmacverify.Sender{
			Title: "Sumsub", Docs: "https://docs.sumsub.com/docs/webhooks",
			Waits:   5 * time.Second,
			Retries: hmacverify.RetriesAll, RetryWindow: 18 * time.Hour,
			RetrySchedule: "after 5 min, 1, 5 and 18 h; can be switched off for a webhook",
			Setup:         "A test button.",
			Notes:         "Order events by createdAtMs.",
			Facts:         []hmacverify.Fact{docs("", "https://docs.sumsub.com/docs/webhooks")},
		},
	}
}

// Didit returns the scheme of Didit (https://docs.didit.me/reference/webhooks).
// X-Timestamp is not signed, so it is ignored. X-Signature-V2 signs re-sorted
// JSON and X-Signature-Simple leaves the decision out: neither is accepted.
// Identity: SignedID, the body's event_id, which a delivery that is sent again
// by hand keeps while its other bytes change. A body without one has no
// identity.
func Didit() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "didit",
		Signature: []string{"X-Signature"},
		ID:        hmacverify.Field{JSON: "event_id"},
		Type:      hmacverify.Field{JSON: "webhook_type"},
		Identity:  hmacverify.SignedID,
		Sender: hmacverify.Sender{
			Title: "Didit", Docs: "https://docs.didit.me/reference/webhooks",
			RetrySchedule: "by hand, with another body, a new time and today's key",
			Notes:         "The header X-Didit-Delivery is another for each delivery.",
			Facts: []hmacverify.Fact{
				docs("signature", "https://docs.didit.me/reference/webhooks"),
				docs("", "https://docs.didit.me, resend-delivery"),
			},
		},
	}
}

// IDenfy returns the scheme of iDenfy (https://documentation.idenfy.com).
// Identity: BodyDigest: there is no event ID, and a body holds the scan's
// reference and its result. That bodies of different results differ is
// unconfirmed.
func IDenfy() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "idenfy",
		Signature: []string{"Idenfy-Signature"},
		Identity:  hmacverify.BodyDigest,
		Sender: hmacverify.Sender{
			Title: "iDenfy", Docs: "https://documentation.idenfy.com",
			Success: []int{200},
			Retries: hmacverify.RetriesSome, RetrySchedule: "if the endpoint is down; not said how often",
			Notes: "Answer at once: anything but 200 shows the client a failure. Do not key on scanRef, as its page suggests: each later result repeats it, and the last has final set to true.",
			Facts: []hmacverify.Fact{
				hearsay("signature", "code that receives it"), unconfirmed("identity"),
				docs("", "https://documentation.idenfy.com, webhooks overview"),
			},
		},
	}
}

// Checkr returns the scheme of Checkr
// (https://docs.checkr.com/apis/webhooks). The key is the API key. Identity:
// SignedID, the body's id.
func Checkr() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "checkr",
		Signature: []string{"X-Checkr-Signature"},
		ID:        hmacverify.Field{JSON: "id"},
		Type:      hmacverify.Field{JSON: "type"},
		Identity:  hmacverify.SignedID,
		Sender: hmacverify.Sender{
			Title: "Checkr", Docs: "https://docs.checkr.com/apis/webhooks",
			RetrySchedule: "users contradict each other: every minute for 10, then hourly for 24 h; or for 72 h after 5xx, and never after 4xx",
			Disables:      "60 days in which all deliveries failed: the URL is removed",
			Notes:         "Events come out of order and repeatedly, users say. It can send to Amazon SNS instead, which this preset does not read.",
			Facts: []hmacverify.Fact{
				dated("2026-07", copied("signature", "webhook-co, restating docs.checkr.com, Validating webhooks")),
				docs("identity", "https://docs.checkr.com/apis/webhooks"), docs("responses", "https://docs.checkr.com/apis/webhooks"),
				hearsay("", "users' reports"),
			},
		},
	}
}

// StripeIdentity returns the scheme of Stripe Identity
// (https://docs.stripe.com/identity/handle-verification-outcomes), which is
// [Stripe]'s under its own name. The types are identity.verification_session.*.
// Identity: SignedID, the body's id.
func StripeIdentity() hmacverify.Scheme {
	s := Stripe()
	s.Name = "stripe-identity"
	s.Sender.Title = "Stripe Identity"
	s.Sender.Docs = "https://docs.stripe.com/identity/handle-verification-outcomes"
	return s
}
