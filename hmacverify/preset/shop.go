package preset

import (
	"time"

	"github.com/hookonce/hookonce/hmacverify"
)

// shops are shops, subscriptions and what they send out.
func shops() []hmacverify.Scheme {
	return []hmacverify.Scheme{
		Etsy(), LemonSqueezy(), Lob(), Onfleet(), Polar(), Recurly(), Shippo(), Shopify(),
		Squarespace(), WooCommerce(),
	}
}

// Etsy returns the scheme of Etsy
// (https://developers.etsy.com/documentation/essentials/webhooks): Standard
// Webhooks. The key is base64 after "whsec_". Identity: SignedID, the header
// webhook-id.
func Etsy() hmacverify.Scheme {
	return standard("etsy", "webhook", "whsec_", "event_type", hmacverify.Sender{
		Title: "Etsy", Docs: "https://developers.etsy.com/documentation/essentials/webhooks",
		Retries: hmacverify.RetriesAll, RetryWindow: svixWindow,
		RetrySchedule: "with Svix's gaps: 5 s, 5 and 30 min, 2, 5, 10 and 10 h; by hand",
		Notes:         "Bodies hold no ID.",
		Facts:         []hmacverify.Fact{registry(), copied("", "api-evangelist/etsy")},
	})
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

// Lob returns the scheme of Lob (https://docs.lob.com/#tag/Webhooks). The unit
// of its time is unconfirmed. Identity: SignedID, the body's id.
func Lob() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "lob",
		Signature: []string{"Lob-Signature"},
		Signed:    "{timestamp}.{body}",
		Timestamp: hmacverify.Timestamp{Header: "Lob-Signature-Timestamp", Unit: hmacverify.Milliseconds},
		ID:        hmacverify.Field{JSON: "id"},
		Type:      hmacverify.Field{JSON: "event_type.id"},
		Identity:  hmacverify.SignedID,
		Sender: hmacverify.Sender{
			Title: "Lob", Docs: "https://docs.lob.com/#tag/Webhooks",
			Retries: hmacverify.RetriesAll, RetrySchedule: "not said; it runs on Svix",
			Notes: "That its time is in milliseconds is unconfirmed. Lob keeps the response and shows it.",
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
			Setup: "GET with ?check=v wants v.",
			Notes: "One webhook for each trigger.",
			Facts: []hmacverify.Fact{
				docs("signature", "https://docs.onfleet.com/reference/secrets"), docs("", "https://docs.onfleet.com, create webhook"),
			},
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

// Shopify returns the scheme of Shopify
// (https://shopify.dev/docs/apps/build/webhooks/subscribe/https). Its IDs and its
// type are in headers that are not signed. Identity: NoIdentity, because a shop
// sends the same order under orders/create and orders/paid, byte for byte, and
// the topic that tells them apart can be changed in a replay. With an endpoint
// for each topic, set Identity to BodyDigest, and Name to a name of its own.
func Shopify() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "shopify",
		Signature: []string{"X-Shopify-Hmac-Sha256", "Shopify-Hmac-Sha256"},
		Encoding:  hmacverify.Base64,
		ID:        hmacverify.Field{Header: "X-Shopify-Webhook-Id"},
		Type:      hmacverify.Field{Header: "X-Shopify-Topic"},
		Sender: hmacverify.Sender{
			Title: "Shopify", Docs: "https://shopify.dev/docs/apps/build/webhooks/subscribe/https",
			Waits:   5 * time.Second,
			Retries: hmacverify.RetriesAll, RetryWindow: 4 * time.Hour,
			RetrySchedule: "8 times in 4 h, to the URL of the first attempt",
			Disables:      "8 failures in a row: a webhook that the Admin API created is deleted",
			Notes:         "Waits 1 s for the connection. 3xx is a failure. Shopify names X-Shopify-Event-Id for duplicates, which all subscriptions of one action share, so use it with the topic; X-Shopify-Webhook-Id is that of a delivery. Events may come a day late. Its newer Events have the same headers without X-, so that ID and type are not found in them.",
			Facts: []hmacverify.Fact{
				code("signature", "@shopify/shopify-api 13.1.0 on npm"), dated("2024-09", docs("retries", "shopify.dev changelog")),
				docs("identity", "shopify.dev, ignore duplicates"), copied("waits", restated),
				copied("responses", restated), docs("", "https://shopify.dev"),
			},
		},
	}
}

// Squarespace returns the scheme of Squarespace
// (https://developers.squarespace.com/commerce-apis/webhook-subscriptions-overview).
// The key is hex. Identity: SignedID, the body's id.
func Squarespace() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:        "squarespace",
		Signature:   []string{"Squarespace-Signature"},
		KeyEncoding: hmacverify.HexKey,
		ID:          hmacverify.Field{JSON: "id"},
		Type:        hmacverify.Field{JSON: "topic"},
		Identity:    hmacverify.SignedID,
		Sender: hmacverify.Sender{
			Title: "Squarespace", Docs: "https://developers.squarespace.com/commerce-apis/webhook-subscriptions-overview",
			Retries: hmacverify.RetriesAll, RetryWindow: 48 * time.Hour, RetrySchedule: "for 48 h",
			Disables: "48 h of failure, perhaps: the subscription is deleted",
			Notes:    "Order events by createdOn.",
			Facts: []hmacverify.Fact{
				docs("signature", "https://developers.squarespace.com/webhooks/verifying-notifications"),
				docs("identity", "https://developers.squarespace.com/webhooks/overview"),
				docs("", "Squarespace, webhook subscriptions"),
			},
		},
	}
}

// WooCommerce returns the scheme of WooCommerce
// (https://woocommerce.com/document/webhooks/). Its ID and its type are in
// headers that are not signed. Identity: NoIdentity, because a body is the order
// alone, the same under different topics. With an endpoint for each topic, set
// Identity to BodyDigest, and Name to a name of its own.
func WooCommerce() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "woocommerce",
		Signature: []string{"X-WC-Webhook-Signature"},
		Encoding:  hmacverify.Base64,
		ID:        hmacverify.Field{Header: "X-WC-Webhook-Delivery-ID"},
		Type:      hmacverify.Field{Header: "X-WC-Webhook-Topic"},
		Sender: hmacverify.Sender{
			Title: "WooCommerce", Docs: "https://woocommerce.com/document/webhooks/",
			Waits:   60 * time.Second,
			Retries: hmacverify.RetriesNone, Disables: "7 failures in a row",
			Setup: "An unsigned POST with the form webhook_id=N wants 200, or the URL cannot be saved.",
			Notes: "What fails once is lost: store first, answer, then work. 300 to 302 count as success and are not followed. The delivery's ID is a hash of webhook and second: two in one second share it. A deletion holds only the ID of what was deleted. A plugin may set another hash.",
			Facts: []hmacverify.Fact{code("", "woocommerce/woocommerce, class-wc-webhook.php")},
		},
	}
}
