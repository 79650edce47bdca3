package preset

import (
	"time"

	"github.com/hookonce/hookonce/hmacverify"
)

// shops are shops.
func shops() []hmacverify.Scheme {
	return []hmacverify.Scheme{
		CommerceLayer(), Etsy(), Nuvemshop(), Shopify(), Shopline(), Squarespace(), WooCommerce(),
	}
}

// CommerceLayer returns the scheme of Commerce Layer
// (https://docs.commercelayer.io/core/callbacks-security). The type is in a header
// that is not signed. Identity: NoIdentity, because a body is the resource alone,
// the same under different topics. With an endpoint for each topic, set Identity to
// BodyDigest, and Name to a name of its own.
func CommerceLayer() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "commerce-layer",
		Signature: []string{"X-CommerceLayer-Signature"},
		Encoding:  hmacverify.Base64,
		Type:      hmacverify.Field{Header: "X-CommerceLayer-Topic"},
		Sender: hmacverify.Sender{
			Title: "Commerce Layer", Docs: "https://docs.commercelayer.io/core/callbacks-security",
			Waits:   5 * time.Second,
			Retries: hmacverify.RetriesAll, RetrySchedule: "up to 10 times",
			Disables: "30 failures in a row",
			Notes:    "Bodies are JSON:API.",
			Facts:    []hmacverify.Fact{copied("", hookdeckSkills)},
		},
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
		Notes:         "Bodies hold no ID, by one account of its page; by an older page, event_id.",
		Facts:         []hmacverify.Fact{copied("", "api-evangelist/etsy, restating the sender's page")},
	})
}

// Nuvemshop returns the scheme of Nuvemshop, or Tiendanube
// (https://tiendanube.github.io/api-documentation/resources/webhook). The key is
// the app's client secret. Identity: NoIdentity, because a body is shop, event and
// the object's ID, the same each time that the object changes.
func Nuvemshop() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "nuvemshop",
		Signature: []string{"X-Linkedstore-Hmac-Sha256"},
		Type:      hmacverify.Field{JSON: "event"},
		Sender: hmacverify.Sender{
			Title: "Nuvemshop (Tiendanube)", Docs: "https://tiendanube.github.io/api-documentation/resources/webhook",
			Waits:   3 * time.Second,
			Retries: hmacverify.RetriesAll, RetryWindow: 48 * time.Hour,
			RetrySchedule: "at once, after 5, 10 and 15 min, then with gaps that grow by 1.4, 18 times in 48 h",
			Notes:         "Bodies are thin: fetch the object, and let the work be one that may repeat.",
			Facts:         []hmacverify.Fact{copied("", hookdeckSkills)},
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
		Signature: []string{"X-Shopify-Hmac-Sha256, Shopify-Hmac-Sha256"},
		Encoding:  hmacverify.Base64,
		ID:        hmacverify.Field{Header: "X-Shopify-Webhook-Id, Shopify-Webhook-Id"},
		Type:      hmacverify.Field{Header: "X-Shopify-Topic, Shopify-Topic"},
		Sender: hmacverify.Sender{
			Title: "Shopify", Docs: "https://shopify.dev/docs/apps/build/webhooks/subscribe/https",
			Waits:   5 * time.Second,
			Retries: hmacverify.RetriesAll, RetryWindow: 4 * time.Hour,
			RetrySchedule: "8 times in 4 h, to the URL of the first attempt",
			Disables:      "8 failures in a row: a webhook that the Admin API created is deleted",
			Notes:         "Waits 1 s for the connection. 3xx is a failure. Shopify names X-Shopify-Event-Id for duplicates, which all subscriptions of one action share, so use it with the topic; X-Shopify-Webhook-Id is that of a delivery. Events may come a day late. Its newer Events have the same headers without X-.",
			Facts: []hmacverify.Fact{
				code("signature", "@shopify/shopify-api 13.1.0 on npm"), dated("2024-09", docs("retries", "shopify.dev changelog")),
				docs("identity", "shopify.dev, ignore duplicates"), copied("waits", restated),
				copied("responses", restated), docs("", "https://shopify.dev"),
			},
		},
	}
}

// Shopline returns the scheme of SHOPLINE
// (https://developer.shopline.com/docs/apps/api-instructions-for-use/generate-and-verify-signatures/).
// The key is the app secret. Its ID and its type are in headers that are not
// signed. Identity: NoIdentity, for the reason that [Shopify] has none.
func Shopline() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "shopline",
		Signature: []string{"X-Shopline-Hmac-Sha256"},
		ID:        hmacverify.Field{Header: "X-Shopline-Webhook-Id"},
		Type:      hmacverify.Field{Header: "X-Shopline-Topic"},
		Sender: hmacverify.Sender{
			Title: "SHOPLINE", Docs: "https://developer.shopline.com/docs/apps/api-instructions-for-use/generate-and-verify-signatures/",
			Waits:   5 * time.Second,
			Retries: hmacverify.RetriesAll, RetryWindow: 48 * time.Hour, RetrySchedule: "up to 19 times in 48 h",
			Disables: "the last retry of an event: the subscription is removed",
			Notes:    "Its page shows a header in base64; a delivery that Hookdeck received had hex.",
			Facts:    []hmacverify.Fact{dated("2026-07", copied("", hookdeckSkills))},
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
			Setup: "An unsigned POST with the form webhook_id=N wants 200, which Setup gives, or the URL cannot be saved.",
			Notes: "What fails once is lost: store first, answer, then work. 300 to 302 count as success and are not followed. The delivery's ID is a hash of webhook and second: two in one second share it. A deletion holds only the ID of what was deleted. A plugin may set another hash.",
			Facts: []hmacverify.Fact{code("", "woocommerce/woocommerce, class-wc-webhook.php")},
		},
	}
}
