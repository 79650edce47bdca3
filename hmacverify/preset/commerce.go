package preset

import "github.com/hookonce/hookonce/hmacverify"

// Payments, shops and banks.

// Stripe is the scheme of Stripe
// (https://docs.stripe.com/webhooks#verify-manually). The list holds t and
// one v1 for each key; v0 and others are ignored. The secret is used as it
// is, with "whsec_". Tolerance 5 minutes. ID: id, signed. Type: type.
// Identity: SignedID. Anything but 2xx is retried, for up to three days.
// Vector.
func Stripe() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "stripe",
		Signature: []string{"Stripe-Signature"},
		List:      hmacverify.List{Sep: ",", KV: "=", Keys: []string{"v1"}},
		Signed:    "{timestamp}.{body}",
		Timestamp: hmacverify.Timestamp{ListKey: "t"},
		ID:        hmacverify.Field{JSON: "id"},
		Type:      hmacverify.Field{JSON: "type"},
		Identity:  hmacverify.SignedID,
	}
}

// Shopify is the scheme of Shopify
// (https://shopify.dev/docs/apps/build/webhooks/subscribe/https). Base64 over
// the body. No timestamp is signed. ID: X-Shopify-Webhook-Id, and type:
// X-Shopify-Topic; neither is signed. Identity: NoIdentity, because a shop
// sends the same order under orders/create and orders/paid, byte for byte,
// and the topic that tells them apart can be changed by whoever replays. With
// an endpoint for each topic, set Identity to BodyDigest and Name to a name
// of its own. Anything but 2xx is retried. Registry.
func Shopify() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "shopify",
		Signature: []string{"X-Shopify-Hmac-Sha256"},
		Encoding:  hmacverify.Base64,
		ID:        hmacverify.Field{Header: "X-Shopify-Webhook-Id"},
		Type:      hmacverify.Field{Header: "X-Shopify-Topic"},
	}
}

// Square is the scheme of Square
// (https://developer.squareup.com/docs/webhooks/step3validate). Base64 over
// the notification URL and the body: set Options.URL to what is in the
// dashboard. No timestamp. ID: event_id, signed. Type: type. Identity:
// SignedID. Anything but 2xx is retried for a day. Vector.
func Square() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "square",
		Signature: []string{"X-Square-HmacSha256-Signature"},
		Encoding:  hmacverify.Base64,
		Signed:    "{url}{body}",
		ID:        hmacverify.Field{JSON: "event_id"},
		Type:      hmacverify.Field{JSON: "type"},
		Identity:  hmacverify.SignedID,
	}
}

// Paddle is the scheme of Paddle Billing
// (https://developer.paddle.com/webhooks/signature-verification). The list
// holds ts and one h1 for each key, with semicolons between. Tolerance 5
// minutes; Paddle suggests 5 seconds, which retries through a queue miss. ID:
// event_id, signed. Type: event_type. Identity: SignedID. Vector.
func Paddle() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "paddle",
		Signature: []string{"Paddle-Signature"},
		List:      hmacverify.List{Sep: ";", KV: "=", Keys: []string{"h1"}},
		Signed:    "{timestamp}:{body}",
		Timestamp: hmacverify.Timestamp{ListKey: "ts"},
		ID:        hmacverify.Field{JSON: "event_id"},
		Type:      hmacverify.Field{JSON: "event_type"},
		Identity:  hmacverify.SignedID,
	}
}

// Razorpay is the scheme of Razorpay
// (https://razorpay.com/docs/webhooks/validate-test/). Hex over the body. No
// timestamp. ID: X-Razorpay-Event-Id, not signed; unconfirmed. Type: event.
// Identity: BodyDigest, because a body carries the event's name, its object
// and created_at. Vector.
func Razorpay() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "razorpay",
		Signature: []string{"X-Razorpay-Signature"},
		ID:        hmacverify.Field{Header: "X-Razorpay-Event-Id"},
		Type:      hmacverify.Field{JSON: "event"},
		Identity:  hmacverify.BodyDigest,
	}
}

// WooCommerce is the scheme of WooCommerce
// (https://woocommerce.com/document/webhooks/). Base64 over the body. No
// timestamp. ID: X-WC-Webhook-Delivery-ID, and type: X-WC-Webhook-Topic;
// neither is signed. Identity: NoIdentity, because the body is the order
// alone, the same under different topics. With an endpoint for each topic,
// set Identity to BodyDigest and Name to a name of its own. After five
// answers that are not 2xx the webhook is switched off. Registry.
func WooCommerce() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "woocommerce",
		Signature: []string{"X-WC-Webhook-Signature"},
		Encoding:  hmacverify.Base64,
		ID:        hmacverify.Field{Header: "X-WC-Webhook-Delivery-ID"},
		Type:      hmacverify.Field{Header: "X-WC-Webhook-Topic"},
	}
}

// GoCardless is the scheme of GoCardless
// (https://developer.gocardless.com/api-reference/#webhooks-overview). Hex
// over the body. No timestamp. A body is a batch of events, each with its own
// id. Identity: BodyDigest, because those ids are in the body; a handler that
// must not miss a regrouped batch keys on them. Vector of the scheme.
func GoCardless() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "gocardless",
		Signature: []string{"Webhook-Signature"},
		Identity:  hmacverify.BodyDigest,
	}
}

// Coinify is the scheme of Coinify
// (https://www.coinify.com/docs/api/#webhooks). Hex over the body. No
// timestamp. Type: event. Identity: BodyDigest, because a body carries event,
// time and object.
func Coinify() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "coinify",
		Signature: []string{"X-Coinify-Webhook-Signature"},
		Type:      hmacverify.Field{JSON: "event"},
		Identity:  hmacverify.BodyDigest,
	}
}

// Paystack is the scheme of Paystack
// (https://paystack.com/docs/payments/webhooks/). HMAC-SHA512 in hex over the
// body; the key is the secret key. No timestamp. Type: event. Identity:
// BodyDigest, because a body carries the event's name and its object with id
// and times. Anything but 200 is retried for three days. Registry.
func Paystack() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "paystack",
		Algorithm: hmacverify.SHA512,
		Signature: []string{"X-Paystack-Signature"},
		Type:      hmacverify.Field{JSON: "event"},
		Identity:  hmacverify.BodyDigest,
	}
}

// AuthorizeNet is the scheme of Authorize.Net
// (https://developer.authorize.net/api/reference/features/webhooks.html).
// HMAC-SHA512 in hex after "sha512=" over the body; the key is hex. No
// timestamp. ID: notificationId, signed; unconfirmed. Type: eventType.
// Identity: SignedID. Registry.
func AuthorizeNet() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:        "authorize-net",
		Algorithm:   hmacverify.SHA512,
		Signature:   []string{"X-ANET-Signature"},
		Prefix:      "sha512=",
		KeyEncoding: hmacverify.HexKey,
		ID:          hmacverify.Field{JSON: "notificationId"},
		Type:        hmacverify.Field{JSON: "eventType"},
		Identity:    hmacverify.SignedID,
	}
}

// Adyen is the scheme of Adyen notifications that are signed in a header,
// such as those of Platforms
// (https://docs.adyen.com/development-resources/webhooks/secure-webhooks/verify-hmac-signatures).
// Base64 over the body; the key is hex. No timestamp. Type: type. Identity:
// BodyDigest, because a body carries its object and time. For standard
// payment notifications see [AdyenStandard].
func Adyen() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:        "adyen",
		Signature:   []string{"HmacSignature"},
		Encoding:    hmacverify.Base64,
		KeyEncoding: hmacverify.HexKey,
		Type:        hmacverify.Field{JSON: "type"},
		Identity:    hmacverify.BodyDigest,
	}
}

// LemonSqueezy is the scheme of Lemon Squeezy
// (https://docs.lemonsqueezy.com/help/webhooks/signing-requests). Hex over
// the body. No timestamp. Type: meta.event_name. Identity: BodyDigest,
// because a body carries the event's name and its object with updated_at.
// Registry.
func LemonSqueezy() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "lemon-squeezy",
		Signature: []string{"X-Signature"},
		Type:      hmacverify.Field{JSON: "meta.event_name"},
		Identity:  hmacverify.BodyDigest,
	}
}

// Recurly is the scheme of Recurly
// (https://docs.recurly.com/recurly-subscriptions/docs/signature-verification).
// The header is a bare list: the time in milliseconds, then one signature in
// hex for each key. Only notifications in JSON are signed. Tolerance 5
// minutes. Identity: NoIdentity, because what tells its notifications apart
// is not confirmed.
func Recurly() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "recurly",
		Signature: []string{"Recurly-Signature"},
		List:      hmacverify.List{Sep: ","},
		Signed:    "{timestamp}.{body}",
		Timestamp: hmacverify.Timestamp{ListKey: "0", Unit: hmacverify.Milliseconds},
	}
}

// Xero is the scheme of Xero
// (https://developer.xero.com/documentation/guides/webhooks/overview/).
// Base64 over the body. No timestamp. A body is a batch. Identity:
// BodyDigest, because it carries sequence numbers and times. Xero probes an
// endpoint with wrong signatures and wants 401 for them, which is what
// Handler answers. Registry.
func Xero() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "xero",
		Signature: []string{"X-Xero-Signature"},
		Encoding:  hmacverify.Base64,
		Identity:  hmacverify.BodyDigest,
	}
}

// QuickBooks is the scheme of QuickBooks
// (https://developer.intuit.com/app/developer/qbo/docs/develop/webhooks).
// Base64 over the body. No timestamp. A body is a batch. Identity:
// BodyDigest, because it carries each entity's lastUpdated. Registry.
func QuickBooks() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "quickbooks",
		Signature: []string{"Intuit-Signature"},
		Encoding:  hmacverify.Base64,
		Identity:  hmacverify.BodyDigest,
	}
}

// Airwallex is the scheme of Airwallex
// (https://www.airwallex.com/docs/developer-tools__listen-for-webhook-events).
// Hex over X-Timestamp and the body, with nothing between. Tolerance 5
// minutes of milliseconds; the unit is unconfirmed. ID: id, signed. Type:
// name. Identity: SignedID. Registry.
func Airwallex() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "airwallex",
		Signature: []string{"X-Signature"},
		Signed:    "{timestamp}{body}",
		Timestamp: hmacverify.Timestamp{Header: "X-Timestamp", Unit: hmacverify.Milliseconds},
		ID:        hmacverify.Field{JSON: "id"},
		Type:      hmacverify.Field{JSON: "name"},
		Identity:  hmacverify.SignedID,
	}
}

// Affirm is the scheme of Affirm
// (https://docs.affirm.com/developers/docs/webhooks). HMAC-SHA512; a list of
// t and v0. Tolerance 5 minutes. Identity: NoIdentity, because what tells its
// events apart is not confirmed. Registry.
func Affirm() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "affirm",
		Algorithm: hmacverify.SHA512,
		Signature: []string{"X-Affirm-Signature"},
		List:      hmacverify.List{Sep: ",", KV: "=", Keys: []string{"v0"}},
		Signed:    "{timestamp}.{body}",
		Timestamp: hmacverify.Timestamp{ListKey: "t"},
	}
}

// TabaPay is the scheme of TabaPay
// (https://developers.tabapay.com/reference/webhook-signature-headers). A
// list of t and v1; for 48 hours after a change of keys also v2, made with
// the previous one. Tolerance 5 minutes. ID: Idempotency-Key, not signed.
// Identity: BodyDigest; that bodies do not repeat is unconfirmed, so look at
// yours. Anything but 2xx is retried.
func TabaPay() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "tabapay",
		Signature: []string{"X-HMAC-Signature"},
		List:      hmacverify.List{Sep: ",", KV: "=", Keys: []string{"v1", "v2"}},
		Signed:    "{timestamp}.{body}",
		Timestamp: hmacverify.Timestamp{ListKey: "t"},
		ID:        hmacverify.Field{Header: "Idempotency-Key"},
		Identity:  hmacverify.BodyDigest,
	}
}

// Dwolla is the scheme of Dwolla
// (https://developers.dwolla.com/docs/webhooks). Hex over the body. No
// timestamp header. ID: id, signed; unconfirmed. Type: topic. Identity:
// SignedID. Registry.
func Dwolla() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "dwolla",
		Signature: []string{"X-Request-Signature-SHA-256"},
		ID:        hmacverify.Field{JSON: "id"},
		Type:      hmacverify.Field{JSON: "topic"},
		Identity:  hmacverify.SignedID,
	}
}

// CoinbaseCommerce is the scheme of Coinbase Commerce
// (https://docs.cdp.coinbase.com/commerce/docs/webhooks). Hex over the body.
// No timestamp header. ID: event.id, signed; unconfirmed. Type: event.type.
// Identity: SignedID. Registry.
func CoinbaseCommerce() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "coinbase-commerce",
		Signature: []string{"X-CC-Webhook-Signature"},
		ID:        hmacverify.Field{JSON: "event.id"},
		Type:      hmacverify.Field{JSON: "event.type"},
		Identity:  hmacverify.SignedID,
	}
}

// CheckoutCom is the scheme of Checkout.com
// (https://www.checkout.com/docs/developer-resources/webhooks). Hex over the
// body. No timestamp header. ID: id, signed; unconfirmed. Type: type.
// Identity: SignedID. Registry.
func CheckoutCom() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "checkout-com",
		Signature: []string{"CKO-Signature"},
		ID:        hmacverify.Field{JSON: "id"},
		Type:      hmacverify.Field{JSON: "type"},
		Identity:  hmacverify.SignedID,
	}
}

// Squarespace is the scheme of Squarespace
// (https://developers.squarespace.com/commerce-apis/webhook-subscriptions-overview).
// Hex over the body; the key is hex. No timestamp header. ID: id, signed;
// unconfirmed. Type: topic. Identity: SignedID. Registry.
func Squarespace() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:        "squarespace",
		Signature:   []string{"Squarespace-Signature"},
		KeyEncoding: hmacverify.HexKey,
		ID:          hmacverify.Field{JSON: "id"},
		Type:        hmacverify.Field{JSON: "topic"},
		Identity:    hmacverify.SignedID,
	}
}

// Worldpay is the scheme of Worldpay
// (https://developer.worldpay.com/products/events/setup). Event-Signature is
// a list of "<key's name>/SHA256/<hex>"; other hashes are ignored. No
// timestamp. Identity: NoIdentity, because what tells its events apart is not
// confirmed.
func Worldpay() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "worldpay",
		Signature: []string{"Event-Signature"},
		Prefix:    "SHA256/",
		List:      hmacverify.List{Sep: ",", KV: "/"},
	}
}

// Shippo is the scheme of Shippo
// (https://docs.goshippo.com/docs/tracking/webhooksecurity/). A list of t and
// v1. Tolerance 5 minutes. Type: event. Identity: NoIdentity, because a
// parcel's tracking may be sent again unchanged. Registry.
func Shippo() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "shippo",
		Signature: []string{"Shippo-Auth-Signature"},
		List:      hmacverify.List{Sep: ",", KV: "=", Keys: []string{"v1"}},
		Signed:    "{timestamp}.{body}",
		Timestamp: hmacverify.Timestamp{ListKey: "t"},
		Type:      hmacverify.Field{JSON: "event"},
	}
}
