package preset

import (
	"time"

	"github.com/hookonce/hookonce/hmacverify"
)

// billings are subscriptions and what is sold online.
func billings() []hmacverify.Scheme {
	return []hmacverify.Scheme{
		DodoPayments(), FastSpring(), LemonSqueezy(), Maxio(), Orb(), Polar(), Recharge(), Recurly(), Whop(),
	}
}

// DodoPayments returns the scheme of Dodo Payments
// (https://docs.dodopayments.com/developer-resources/webhooks): Standard Webhooks.
// The key is base64 after "whsec_". Identity: SignedID, the header webhook-id.
func DodoPayments() hmacverify.Scheme {
	return standard("dodo-payments", "webhook", "whsec_", "type", hmacverify.Sender{
		Title: "Dodo Payments", Docs: "https://docs.dodopayments.com/developer-resources/webhooks",
		Notes: "Bodies hold no ID.",
		Facts: []hmacverify.Fact{code("", "dodopayments 2.52.0 on npm")},
	})
}

// FastSpring returns the scheme of FastSpring
// (https://developer.fastspring.com/reference/message-security). Only webhooks
// with an HMAC SHA256 secret are signed. A body is a batch. The identity of an event: its id.
// Identity: BodyDigest, which is as good as the grouping.
func FastSpring() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "fastspring",
		Signature: []string{"X-FS-Signature"},
		Encoding:  hmacverify.Base64,
		Identity:  hmacverify.BodyDigest,
		Sender: hmacverify.Sender{
			Title: "FastSpring", Docs: "https://developer.fastspring.com/reference/message-security",
			Success: []int{200},
			Retries: hmacverify.RetriesAll, RetrySchedule: "until 200, with the same events[].id; by hand with new ones",
			Items: []hmacverify.Items{{JSON: "events.[]", ID: []string{"id"}, Type: "type"}},
			Facts: []hmacverify.Fact{copied("", hookdeckSkills)},
		},
	}
}

// LemonSqueezy returns the scheme of Lemon Squeezy
// (https://docs.lemonsqueezy.com/help/webhooks/signing-requests). Identity:
// BodyDigest, because a body holds the event's name and its object with
// updated_at.
func LemonSqueezy() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "lemon-squeezy",
		Signature: []string{"X-Signature"},
		Type:      hmacverify.Field{JSON: "meta.event_name"},
		Identity:  hmacverify.BodyDigest,
		Sender: hmacverify.Sender{
			Title: "Lemon Squeezy", Docs: "https://docs.lemonsqueezy.com/help/webhooks/signing-requests",
			Success: []int{200},
			Retries: hmacverify.RetriesAll, RetryWindow: 155 * time.Second, RetrySchedule: "with gaps of 5, 25 and 125 s",
			Notes: "An outage of 3 minutes loses events. Bodies are JSON:API. The type is also in the header X-Event-Name, unsigned.",
			Facts: []hmacverify.Fact{code("signature", "lmsqueezy/nextjs-billing"), docs("", "https://docs.lemonsqueezy.com")},
		},
	}
}

// Maxio returns the scheme of Maxio Advanced Billing, once Chargify
// (https://docs.maxio.com/hc/en-us/articles/24266143173901-Webhooks-Reference).
// The key is the site's shared key. Its ID is in a header that is not signed, and
// in the body, which is a form. Identity: BodyDigest, because the body's id is of
// one event.
func Maxio() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "maxio",
		Signature: []string{"X-Chargify-Webhook-Signature-Hmac-Sha-256"},
		ID:        hmacverify.Field{Header: "X-Chargify-Webhook-Id"},
		Identity:  hmacverify.BodyDigest,
		Sender: hmacverify.Sender{
			Title: "Maxio (Chargify)", Docs: "https://docs.maxio.com/hc/en-us/articles/24266143173901-Webhooks-Reference",
			BodyType: "application/x-www-form-urlencoded",
			Notes:    "A retry and a replay by hand have the same id. The other signature in the header without Hmac-Sha-256 is MD5.",
			Facts: []hmacverify.Fact{
				registry(), hearsay("signature", "gists of receivers"),
				code("identity", "@maxio-com/advanced-billing-sdk 6.1.0 on npm"), unconfirmed("limits"),
			},
		},
	}
}

// Orb returns the scheme of Orb
// (https://docs.withorb.com/integrations-and-exports/webhooks). Its time is in UTC
// without saying so. Identity: SignedID, the body's id.
func Orb() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "orb",
		Signature: []string{"X-Orb-Signature"},
		List:      hmacverify.List{Sep: " ", KV: "=", Keys: []string{"v1"}},
		Signed:    "v1:{timestamp}:{body}",
		Timestamp: hmacverify.Timestamp{Header: "X-Orb-Timestamp", Layout: "2006-01-02T15:04:05"}, // a fraction may follow
		ID:        hmacverify.Field{JSON: "id"},
		Type:      hmacverify.Field{JSON: "type"},
		Identity:  hmacverify.SignedID,
		Sender: hmacverify.Sender{
			Title: "Orb", Docs: "https://docs.withorb.com/integrations-and-exports/webhooks",
			Notes: "Summary webhooks have smaller bodies: fetch the object. Its SDK accepts 5 minutes, which speaks for a new time on each retry, but is no proof. The SDK would read a time with a zone too, which this preset refuses.",
			Facts: []hmacverify.Fact{code("signature", "orb-billing 6.11.0 on npm"), copied("", hookdeckSkills)},
		},
	}
}

// Polar returns the scheme of Polar
// (https://docs.polar.sh/integrate/webhooks/delivery): Standard Webhooks, but
// the key is used as it is. Identity: SignedID, the header webhook-id.
func Polar() hmacverify.Scheme {
	s := standard("polar", "webhook", "", "type", hmacverify.Sender{
		Title: "Polar", Docs: "https://docs.polar.sh/integrate/webhooks/delivery",
		Waits:   10 * time.Second,
		Retries: hmacverify.RetriesAll, RetrySchedule: "10 times, exponentially, at most 20 min apart",
		RetryTime: hmacverify.RetryTimeNew,
		Blocks:    true, Disables: "10 failures in a row",
		Notes: "Redirects are failures. Only the format Raw is signed JSON.",
		Facts: []hmacverify.Fact{
			code("signature", "@polar-sh/sdk 0.49.0 on npm"), dated("2026-08", code("", "polarsource/polar")),
		},
	})
	s.KeyEncoding = hmacverify.RawKey
	return s
}

// Recharge returns the scheme of Recharge
// (https://docs.getrecharge.com/docs/webhooks-overview), the one with a time. The
// key is the API client secret. X-Recharge-Hmac-Sha256, which it sends too, is a
// plain hash and is not accepted. Identity: NoIdentity, because what tells its
// events apart is not confirmed.
func Recharge() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "recharge",
		Signature: []string{"X-Recharge-Webhook-Signature"},
		List:      hmacverify.List{Sep: ",", KV: "=", Keys: []string{"v1"}},
		Signed:    "{timestamp}.{body}",
		Timestamp: hmacverify.Timestamp{ListKey: "t", Tolerance: 48 * time.Hour},
		Sender: hmacverify.Sender{
			Title: "Recharge", Docs: "https://docs.getrecharge.com/docs/webhooks-overview",
			Waits: 5 * time.Second, Success: []int{200},
			Retries: hmacverify.RetriesSome, RetryWindow: 48 * time.Hour,
			RetrySchedule: "after no response, 408, 429 and 5xx: 20 times in 48 h",
			Disables:      "20 retries that failed: the subscription is deleted",
			Notes:         "Its page advises a tolerance of 48 h, as long as it retries. No header or field holds the topic: use an endpoint for each.",
			Facts:         []hmacverify.Fact{copied("", hookdeckSkills)},
		},
	}
}

// Recurly returns the scheme of Recurly
// (https://docs.recurly.com/recurly-subscriptions/docs/signature-verification).
// The header is a bare list: the time, then one signature for each key. Only
// notifications in JSON are signed. Identity: NoIdentity, because what tells its
// notifications apart is not confirmed.
func Recurly() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "recurly",
		Signature: []string{"Recurly-Signature"},
		List:      hmacverify.List{Sep: ","},
		Signed:    "{timestamp}.{body}",
		Timestamp: hmacverify.Timestamp{ListKey: "0", Unit: hmacverify.Milliseconds},
		Sender: hmacverify.Sender{
			Title: "Recurly", Docs: "https://docs.recurly.com/recurly-subscriptions/docs/signature-verification",
			Waits:   5 * time.Second,
			Retries: hmacverify.RetriesAll, RetryWindow: 73 * time.Hour,
			RetrySchedule: "10 times, at 10+x·2^(x+5) s, which makes 73 h",
			Notes:         "Sent in order; those that come late are out of it.",
			Facts: []hmacverify.Fact{
				docs("signature", "https://docs.recurly.com/recurly-subscriptions/docs/signature-verification"),
				docs("", "Recurly, automatic-retries"),
			},
		},
	}
}

// Whop returns the scheme of Whop (https://docs.whop.com/developer/guides/webhooks):
// Standard Webhooks, but the key is used as it is, with "ws_". Identity: SignedID,
// the header webhook-id.
func Whop() hmacverify.Scheme {
	s := standard("whop", "webhook", "", "type", hmacverify.Sender{
		Title: "Whop", Docs: "https://docs.whop.com/developer/guides/webhooks",
		Facts: []hmacverify.Fact{code("", "@whop/sdk 0.0.42 on npm; whopio/whop-nextjs-app-template")},
	})
	s.KeyEncoding = hmacverify.RawKey
	return s
}
