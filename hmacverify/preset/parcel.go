package preset

import (
	"time"

	"github.com/hookonce/hookonce/hmacverify"
)

// parcels are parcels, letters and warehouses.
func parcels() []hmacverify.Scheme {
	return []hmacverify.Scheme{
		AfterShip(), EasyPost(), EasyPostV2(), Flexport(), Lob(), Onfleet(), Picqer(), ShipBob(), ShipHero(), Shippo(),
	}
}

// AfterShip returns the scheme of AfterShip Tracking
// (https://www.aftership.com/docs/tracking/webhook/webhook-signature). Its other
// products have headers of other names. Identity: BodyDigest, because a body holds
// its tracking and times; unconfirmed.
func AfterShip() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "aftership",
		Signature: []string{"Aftership-Hmac-Sha256"},
		Encoding:  hmacverify.Base64,
		Type:      hmacverify.Field{JSON: "event"},
		Identity:  hmacverify.BodyDigest,
		Sender: hmacverify.Sender{
			Title: "AfterShip", Docs: "https://www.aftership.com/docs/tracking/webhook/webhook-signature",
			Notes: "Warranty signs in the same way in as-signature-hmac-sha256.",
			Facts: []hmacverify.Fact{
				docs("", "https://www.aftership.com/docs/tracking/webhook/webhook-signature"), unconfirmed("identity"),
			},
		},
	}
}

// EasyPost returns the scheme of EasyPost that its SDKs verify
// (https://docs.easypost.com/docs/webhooks): the body in X-Hmac-Signature. See
// [EasyPostV2] for the one with a time. A key with other characters than ASCII
// must be in the Unicode form NFKD. Identity: SignedID, the body's id.
func EasyPost() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "easypost",
		Signature: []string{"X-Hmac-Signature"},
		Prefix:    "hmac-sha256-hex=",
		ID:        hmacverify.Field{JSON: "id"},
		Type:      hmacverify.Field{JSON: "description"},
		Identity:  hmacverify.SignedID,
		Sender:    easyPostSender("EasyPost", code("signature", "@easypost/api 8.9.0 on npm")),
	}
}

// EasyPostV2 returns the scheme of EasyPost with a time
// (https://support.easypost.com/hc/en-us/articles/39826034964237-Webhook-HMAC-Validation):
// time, method, path and body, without anything between. Set Options.URL; the
// header X-Path is not read. Identity: SignedID, the body's id.
func EasyPostV2() hmacverify.Scheme {
	const page = "https://support.easypost.com/hc/en-us/articles/39826034964237-Webhook-HMAC-Validation"
	s := EasyPost()
	s.Name = "easypost-v2"
	s.Signature = []string{"X-Hmac-Signature-V2"}
	s.Signed = "{timestamp}{method}{path}{body}"
	s.Timestamp = hmacverify.Timestamp{Header: "X-Timestamp", Layout: "Mon, 02 Jan 2006 15:04:05 -0700"}
	s.JSONObject = true
	s.Sender = easyPostSender("EasyPost with a time", docs("signature", page))
	s.Sender.Docs = page
	s.Sender.Notes = "In which order the parts are signed rests on users' code, which agrees."
	s.Sender.Facts = append(s.Sender.Facts, hearsay("signature", "users' code, on the order of the parts"))
	return s
}

func easyPostSender(title string, signature hmacverify.Fact) hmacverify.Sender {
	return hmacverify.Sender{
		Title: title, Docs: "https://docs.easypost.com/docs/webhooks",
		Waits:   7 * time.Second,
		Retries: hmacverify.RetriesAll, RetryWindow: day, RetrySchedule: "ever more rarely for 24 h",
		Facts: []hmacverify.Fact{
			signature, hearsay("waits", "users' reports"), unconfirmed("identity"), docs("", "support.easypost.com"),
		},
	}
}

// Flexport returns the scheme of Flexport's v2 API
// (https://developers.flexport.com/faq/webhooks). X-Hub-Signature, which it sends
// too, is SHA-1 and is not accepted. Identity: NoIdentity, because what tells its
// events apart is not confirmed.
func Flexport() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "flexport",
		Signature: []string{"X-Hub-Signature-256"},
		Prefix:    "sha256=",
		Type:      hmacverify.Field{JSON: "type"},
		Sender: hmacverify.Sender{
			Title: "Flexport", Docs: "https://developers.flexport.com/faq/webhooks",
			Success: []int{200},
			Retries: hmacverify.RetriesAll,
			Notes:   "Its Logistics API is another product with webhooks of its own.",
			Facts:   []hmacverify.Fact{docs("signature", "https://developers.flexport.com/faq/webhooks"), copied("", hookdeckSkills)},
		},
	}
}

// Lob returns the scheme of Lob (https://docs.lob.com/#tag/Webhooks). Its page does
// not say in which unit its time is, so a delivery of any age is accepted, and
// only its ID stops a replay. Set Timestamp when you have seen a delivery.
// Identity: SignedID, the body's id.
func Lob() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "lob",
		Signature: []string{"Lob-Signature"},
		Signed:    "{timestamp}.{body}",
		Timestamp: hmacverify.Timestamp{
			Header: "Lob-Signature-Timestamp", Unit: hmacverify.Milliseconds, Tolerance: hmacverify.InsecureAnyTime,
		},
		ID:       hmacverify.Field{JSON: "id"},
		Type:     hmacverify.Field{JSON: "event_type.id"},
		Identity: hmacverify.SignedID,
		Sender: hmacverify.Sender{
			Title: "Lob", Docs: "https://docs.lob.com/#tag/Webhooks",
			Retries: hmacverify.RetriesAll, RetrySchedule: "not said; it runs on Svix",
			Notes: "That its time is in milliseconds rests on users' code; if it is in seconds, the Time of a delivery is wrong. Lob keeps the response and shows it.",
			Facts: []hmacverify.Fact{
				registry(), hearsay("signature", "users' code, which signs with milliseconds"), docs("", "Lob help; svix.com/customers/lob"),
			},
		},
	}
}

// Onfleet returns the scheme of Onfleet
// (https://docs.onfleet.com/reference/webhooks). The key is hex. Identity:
// BodyDigest, because a body holds trigger, task and time.
func Onfleet() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:        "onfleet",
		Algorithm:   hmacverify.SHA512,
		Signature:   []string{"X-Onfleet-Signature"},
		KeyEncoding: hmacverify.HexKey,
		Type:        hmacverify.Field{JSON: "triggerName"},
		Identity:    hmacverify.BodyDigest,
		Sender: hmacverify.Sender{
			Title: "Onfleet", Docs: "https://docs.onfleet.com/reference/webhooks",
			Setup: "GET with ?check=v wants v, which Setup gives.",
			Notes: "One webhook for each trigger.",
			Facts: []hmacverify.Fact{
				docs("signature", "https://docs.onfleet.com/reference/secrets"), docs("", "https://docs.onfleet.com, create webhook"),
			},
		},
	}
}

// Picqer returns the scheme of Picqer (https://picqer.com/en/api/webhooks). Only
// hooks with a secret are signed. Identity: BodyDigest, because a body holds its
// object and the time; unconfirmed.
func Picqer() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "picqer",
		Signature: []string{"X-Picqer-Signature"},
		Encoding:  hmacverify.Base64,
		Type:      hmacverify.Field{JSON: "event"},
		Identity:  hmacverify.BodyDigest,
		Sender: hmacverify.Sender{
			Title: "Picqer", Docs: "https://picqer.com/en/api/webhooks",
			Waits: 10 * time.Second, Success: []int{200, 201, 202},
			Retries: hmacverify.RetriesAll, RetryWindow: 17 * time.Hour, RetrySchedule: "15 times in about 17 h",
			Disables: "5 events in 24 h that failed to the last retry",
			Facts:    []hmacverify.Fact{copied("", hookdeckSkills), unconfirmed("identity")},
		},
	}
}

// ShipBob returns the scheme of ShipBob
// (https://developer.shipbob.com/2026-01/webhooks): Standard Webhooks. The key is
// base64 after "whsec_". The type is in the header X-Webhook-Topic, unsigned.
// Identity: SignedID, the header webhook-id.
func ShipBob() hmacverify.Scheme {
	s := standard("shipbob", "webhook", "whsec_", "", hmacverify.Sender{
		Title: "ShipBob", Docs: "https://developer.shipbob.com/2026-01/webhooks",
		Facts: []hmacverify.Fact{copied("", hookdeckSkills)},
	})
	s.Type = hmacverify.Field{Header: "X-Webhook-Topic"}
	return s
}

// ShipHero returns the scheme of ShipHero
// (https://developer.shiphero.com/webhooks/). The key is shared_signature_secret.
// Its ID, X-Shiphero-Message-ID, is not signed. Identity: NoIdentity, because what
// tells its events apart in the body is not confirmed.
func ShipHero() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "shiphero",
		Signature: []string{"X-Shiphero-Hmac-Sha256"},
		Encoding:  hmacverify.Base64,
		ID:        hmacverify.Field{Header: "X-Shiphero-Message-ID"},
		Type:      hmacverify.Field{JSON: "webhook_type"},
		Sender: hmacverify.Sender{
			Title: "ShipHero", Docs: "https://developer.shiphero.com/webhooks/",
			Waits:   10 * time.Second,
			Retries: hmacverify.RetriesAll, RetrySchedule: "5 times",
			Notes: `It expects the body {"code":"200","Status":"Success"} in the response. Waits 20 s for Generate Label. What happens while a webhook is disabled is not sent later.`,
			Facts: []hmacverify.Fact{copied("", hookdeckSkills)},
		},
	}
}

// Shippo returns the scheme of Shippo
// (https://docs.goshippo.com/docs/tracking/webhooksecurity/). Identity:
// NoIdentity, because a parcel's tracking may be sent again unchanged.
func Shippo() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "shippo",
		Signature: []string{"Shippo-Auth-Signature"},
		List:      hmacverify.List{Sep: ",", KV: "=", Keys: []string{"v1"}},
		Signed:    "{timestamp}.{body}",
		Timestamp: hmacverify.Timestamp{ListKey: "t"},
		Type:      hmacverify.Field{JSON: "event"},
		Sender: hmacverify.Sender{
			Title: "Shippo", Docs: "https://docs.goshippo.com/docs/tracking/webhooksecurity/",
			Waits: 3 * time.Second, Success: []int{200},
			Retries: hmacverify.RetriesSome, RetrySchedule: "2 times, after 408, 429 and 5xx",
			Facts: []hmacverify.Fact{registry(), hearsay("", "waymark, unchecked")},
		},
	}
}
