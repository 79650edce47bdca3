package preset

import (
	"time"

	"github.com/hookonce/hookonce/hmacverify"
)

// payments take payments for shops and services.
func payments() []hmacverify.Scheme {
	return []hmacverify.Scheme{
		Adyen(), AdyenStandard(), AuthorizeNet(), Cashfree(), CheckoutCom(), CHIP(), GoCardless(),
		MercadoPagoUnsignedBody(), Mollie(), Paddle(), Paystack(), Razorpay(), Square(), Stripe(),
		Worldpay(), ZohoPayments(),
	}
}

// Stripe returns the scheme of Stripe
// (https://docs.stripe.com/webhooks#verify-manually). The list holds t and one
// v1 for each key; v0 and others are ignored. The key is the secret as it is,
// with "whsec_". Identity: SignedID, the body's id.
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
		Sender: hmacverify.Sender{
			Title: "Stripe", Docs: "https://docs.stripe.com/webhooks#verify-manually",
			Retries: hmacverify.RetriesAll, RetryWindow: 3 * day,
			RetrySchedule: "exponentially for 3 days; in the sandbox 3 times within hours",
			RetryTime:     hmacverify.RetryTimeNew,
			Notes:         "3xx is a failure. One change may make two events with different IDs: work that must not repeat needs a key of data.object.id and type too.",
			Facts: []hmacverify.Fact{
				vector("stripe/stripe-dotnet, EventUtilityTest"),
				copied("", "https://docs.stripe.com/webhooks"), copied("responses", restated),
			},
		},
	}
}

// Square returns the scheme of Square
// (https://developer.squareup.com/docs/webhooks/step3validate). Set Options.URL
// to the notification URL of the dashboard. Identity: SignedID, the body's
// event_id.
func Square() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "square",
		Signature: []string{"X-Square-HmacSha256-Signature"},
		Encoding:  hmacverify.Base64,
		Signed:    "{url}{body}",
		ID:        hmacverify.Field{JSON: "event_id"},
		Type:      hmacverify.Field{JSON: "type"},
		Identity:  hmacverify.SignedID,
		Sender: hmacverify.Sender{
			Title: "Square", Docs: "https://developer.squareup.com/docs/webhooks/step3validate",
			Waits:   10 * time.Second,
			Retries: hmacverify.RetriesAll, RetryWindow: day,
			RetrySchedule: "for 24 h, then the event is dropped; an older page says 72 h",
			Notes:         "A header with the first delivery's time is not signed.",
			Facts: []hmacverify.Fact{
				vector("Square's page on validating notifications, and its SDKs' examples"),
				docs("", "https://developer.squareup.com/docs/webhooks, troubleshooting"),
			},
		},
	}
}

// Mollie returns the scheme of Mollie's next-gen webhooks
// (https://docs.mollie.com/reference/webhooks-new). The classic ones, forms with
// an id, are not signed: give them a URL of their own. Identity: SignedID, the
// body's id; unconfirmed.
func Mollie() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:           "mollie",
		Signature:      []string{"X-Mollie-Signature"},
		Prefix:         "sha256=",
		PrefixOptional: true, // its page's sample code compares without
		List:           hmacverify.List{Sep: ","},
		ID:             hmacverify.Field{JSON: "id"},
		Type:           hmacverify.Field{JSON: "type"},
		Identity:       hmacverify.SignedID,
		Sender: hmacverify.Sender{
			Title: "Mollie", Docs: "https://docs.mollie.com/reference/webhooks-new",
			Waits: 15 * time.Second, Success: []int{200},
			Retries: hmacverify.RetriesAll, RetryWindow: 26 * time.Hour, RetrySchedule: "10 times in about 26 h",
			Disables: "repeated failures",
			Notes:    "For a day after a change of keys the signature header comes twice, once for each key.",
			Facts: []hmacverify.Fact{
				docs("signature", "https://docs.mollie.com/reference/best-practices"),
				copied("signature", hookdeckSkills+", on the prefix"), copied("", hookdeckSkills), unconfirmed("identity"),
			},
		},
	}
}

// Paddle returns the scheme of Paddle Billing
// (https://developer.paddle.com/webhooks/signature-verification). The list holds
// ts and one h1 for each key. Identity: SignedID, the body's event_id.
func Paddle() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "paddle",
		Signature: []string{"Paddle-Signature"},
		List:      hmacverify.List{Sep: ";", KV: "=", Keys: []string{"h1"}, Single: true},
		Signed:    "{timestamp}:{body}",
		Timestamp: hmacverify.Timestamp{ListKey: "ts"},
		ID:        hmacverify.Field{JSON: "event_id"},
		Type:      hmacverify.Field{JSON: "event_type"},
		Identity:  hmacverify.SignedID,
		Sender: hmacverify.Sender{
			Title: "Paddle Billing", Docs: "https://developer.paddle.com/webhooks/signature-verification",
			Waits: 5 * time.Second, Success: []int{200},
			Retries: hmacverify.RetriesAll, RetryWindow: 3 * day,
			RetrySchedule: "60 times in 3 days, 20 of them in the first hour; in the sandbox 3 times in 15 min",
			Notes:         "Its SDK accepts 5 s, which speaks for a new time on each retry, but is no proof; it reads the last h1 only. A replay by the API is a new notification.",
			Facts: []hmacverify.Fact{
				vector("PaddleHQ/paddle-go-sdk, webhook_verifier_test.go"),
				code("retry time", "@paddle/paddle-node-sdk 3.10.0 on npm"), docs("", "https://developer.paddle.com"),
			},
		},
	}
}

// Razorpay returns the scheme of Razorpay
// (https://razorpay.com/docs/webhooks/validate-test/). Its ID,
// X-Razorpay-Event-Id, is not signed. Identity: BodyDigest, because a body holds
// the event's name, its object and created_at.
func Razorpay() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "razorpay",
		Signature: []string{"X-Razorpay-Signature"},
		ID:        hmacverify.Field{Header: "X-Razorpay-Event-Id"},
		Type:      hmacverify.Field{JSON: "event"},
		Identity:  hmacverify.BodyDigest,
		Sender: hmacverify.Sender{
			Title: "Razorpay", Docs: "https://razorpay.com/docs/webhooks/validate-test/",
			Waits:   5 * time.Second,
			Retries: hmacverify.RetriesAll, RetryWindow: day,
			RetrySchedule: "exponentially for 24 h; by hand for 7 days, with the same payload and today's key",
			Disables:      "24 h of failure",
			Facts: []hmacverify.Fact{
				vector("razorpay/razorpay-go, verify_payment_test.go"), docs("", "https://razorpay.com/docs/webhooks"),
			},
		},
	}
}

// GoCardless returns the scheme of GoCardless
// (https://developer.gocardless.com/api-reference/#webhooks-overview). Identity:
// BodyDigest, because a body is a batch of events with IDs. It is as good as the
// grouping. The identity of an event: its id. Type of an event: resource_type; its action is
// beside it.
func GoCardless() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "gocardless",
		Signature: []string{"Webhook-Signature"},
		Identity:  hmacverify.BodyDigest,
		Sender: hmacverify.Sender{
			Title: "GoCardless", Docs: "https://developer.gocardless.com/api-reference/#webhooks-overview",
			Waits:   10 * time.Second,
			Retries: hmacverify.RetriesAll, RetrySchedule: "8 times, with gaps of 1, 2, 10 min and more",
			Items: []hmacverify.Items{{JSON: "events.[]", ID: []string{"id"}, Type: "resource_type"}},
			Batch: "up to 250 events; a failure repeats the whole batch",
			Notes: "Redirects are failures. meta.webhook_id names the delivery.",
			Facts: []hmacverify.Fact{
				code("signature", "gocardless-nodejs 10.1.2 on npm"), code("items", "gocardless-nodejs 10.1.2 on npm"), code("batch", "gocardless-nodejs 10.1.2 on npm"),
				docs("", "a support article of GoCardless"), hearsay("retries", "users' reports"),
			},
		},
	}
}

// Paystack returns the scheme of Paystack
// (https://paystack.com/docs/payments/webhooks/). The key is the secret key.
// Identity: BodyDigest, because a body holds the event's name and its object
// with ID and times.
func Paystack() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "paystack",
		Algorithm: hmacverify.SHA512,
		Signature: []string{"X-Paystack-Signature"},
		Type:      hmacverify.Field{JSON: "event"},
		Identity:  hmacverify.BodyDigest,
		Sender: hmacverify.Sender{
			Title: "Paystack", Docs: "https://paystack.com/docs/payments/webhooks/",
			Waits: 30 * time.Second, Success: []int{200},
			Retries: hmacverify.RetriesAll, RetryWindow: 72 * time.Hour,
			RetrySchedule: "every 3 min 4 times, then hourly to 72 h; in test mode hourly for 10 h",
			Notes:         "Newer sample code of Paystack's verifies another signature: a list of t and v1=<key ID>:<hex> over {timestamp}.{body}, with keys for webhooks. In which header could not be read; if yours has a list, this preset refuses it.",
			Facts: []hmacverify.Fact{
				code("signature", "PaystackOSS/doc-code-snippets, webhooks/verifying-transaction"), copied("", "https://paystack.com/docs"),
			},
		},
	}
}

// AuthorizeNet returns the scheme of Authorize.Net
// (https://developer.authorize.net/api/reference/features/webhooks.html). The
// key looks like hex, and is used as text. Identity: SignedID, the body's
// notificationId.
func AuthorizeNet() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "authorize-net",
		Algorithm: hmacverify.SHA512,
		Signature: []string{"X-ANET-Signature"},
		Prefix:    "sha512=",
		ID:        hmacverify.Field{JSON: "notificationId"},
		Type:      hmacverify.Field{JSON: "eventType"},
		Identity:  hmacverify.SignedID,
		Sender: hmacverify.Sender{
			Title: "Authorize.Net", Docs: "https://developer.authorize.net/api/reference/features/webhooks.html",
			Retries: hmacverify.RetriesAll, RetryWindow: 3*3*time.Minute + 3*8*time.Hour + 4*48*time.Hour,
			RetrySchedule: "3 times every 3 min, 3 times every 8 h, 4 times every 48 h",
			Disables:      "the last retry of an event",
			Setup:         "A test can be sent only while the endpoint is inactive.",
			Facts: []hmacverify.Fact{
				vector("a notification in the Cybersource developer community, thread 57162"),
				dated("2025-04", docs("", "Authorize.Net support 000001542")), unconfirmed("retries"),
			},
		},
	}
}

// Cashfree returns the scheme of Cashfree Payments
// (https://www.cashfree.com/docs/payments/online/webhooks/signature-verification).
// The key is the client secret. Identity: BodyDigest, because a body holds its
// payment, type and event_time; unconfirmed.
func Cashfree() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "cashfree",
		Signature: []string{"X-Webhook-Signature"},
		Encoding:  hmacverify.Base64,
		Signed:    "{timestamp}{body}",
		Timestamp: hmacverify.Timestamp{Header: "X-Webhook-Timestamp", Unit: hmacverify.Milliseconds},
		Type:      hmacverify.Field{JSON: "type"},
		Identity:  hmacverify.BodyDigest,
		Sender: hmacverify.Sender{
			Title: "Cashfree Payments", Docs: "https://www.cashfree.com/docs/payments/online/webhooks/signature-verification",
			Notes: "The older Payouts V1 (Cashgram) sends forms with a signature in them, which this preset does not read. After a change of the client secret, what was sent before needs the old one.",
			Facts: []hmacverify.Fact{
				code("signature", "cashfree-pg 6.0.6 on npm"), unconfirmed("identity"),
				docs("", "https://www.cashfree.com/docs, payloads and signatures"),
			},
		},
	}
}

// CheckoutCom returns the scheme of Checkout.com
// (https://www.checkout.com/docs/developer-resources/webhooks). Identity:
// SignedID, the body's id; unconfirmed.
func CheckoutCom() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "checkout-com",
		Signature: []string{"CKO-Signature"},
		ID:        hmacverify.Field{JSON: "id"},
		Type:      hmacverify.Field{JSON: "type"},
		Identity:  hmacverify.SignedID,
		Sender: hmacverify.Sender{
			Title: "Checkout.com", Docs: "https://www.checkout.com/docs/developer-resources/webhooks",
			Retries: hmacverify.RetriesAll, RetryWindow: 60*time.Minute + (1+4+12+12)*time.Hour,
			RetrySchedule: "with gaps of 5, 10, 15 and 30 min, 1, 4, 12 and 12 h; by hand",
			Notes:         "Comes out of order.",
			Facts: []hmacverify.Fact{
				docs("signature", "https://www.checkout.com/docs/developer-resources/webhooks/manage-webhooks/set-up-your-webhook-receiver"),
				unconfirmed("identity"), docs("", "https://www.checkout.com/docs/workflows"),
			},
		},
	}
}

// Worldpay returns the scheme of Worldpay
// (https://developer.worldpay.com/products/events/setup). The header is a list
// of "<key's name>/SHA256/<hex>"; other hashes are ignored. Identity: SignedID,
// the body's eventId.
func Worldpay() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "worldpay",
		Signature: []string{"Event-Signature"},
		Prefix:    "SHA256/",
		List:      hmacverify.List{Sep: ",", KV: "/"},
		ID:        hmacverify.Field{JSON: "eventId"},
		Identity:  hmacverify.SignedID,
		Sender: hmacverify.Sender{
			Title: "Worldpay", Docs: "https://developer.worldpay.com/products/events/setup",
			Waits: 10 * time.Second, Success: []int{200},
			Retries: hmacverify.RetriesAll, RetryWindow: 7 * day,
			RetrySchedule: "15 min to 2 h apart for a week",
			Blocks:        true,
			Notes:         "While one event fails, later ones come late or are lost. Its page wants 400 for a wrong signature.",
			Facts: []hmacverify.Fact{
				docs("signature", "https://developer.worldpay.com/products/events/signature"),
				dated("2025-01", docs("", "Worldpay, access/events")),
			},
		},
	}
}

// CHIP returns the scheme of CHIP's webhooks
// (https://docs.chip-in.asia/chip-collect/overview/authentication). The key is
// the webhook's public_key, in PEM. Identity: NoIdentity, because what tells its
// events apart is not confirmed.
func CHIP() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "chip",
		Algorithm: hmacverify.RSASHA256,
		Signature: []string{"X-Signature"},
		Encoding:  hmacverify.Base64,
		Sender: hmacverify.Sender{
			Title: "CHIP", Docs: "https://docs.chip-in.asia/chip-collect/overview/authentication",
			Facts: []hmacverify.Fact{docs("signature", "docs.chip-in.asia, authentication")},
		},
	}
}

// ZohoPayments returns the scheme of Zoho Payments
// (https://www.zoho.com/in/payments/developerdocs/webhooks/verification). Identity:
// NoIdentity, because what tells its events apart is not confirmed.
func ZohoPayments() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "zoho-payments",
		Signature: []string{"X-Zoho-Webhook-Signature"},
		List:      hmacverify.List{Sep: ",", KV: "=", Keys: []string{"v"}},
		Signed:    "{timestamp}.{body}",
		Timestamp: hmacverify.Timestamp{ListKey: "t", Unit: hmacverify.Milliseconds},
		Sender: hmacverify.Sender{
			Title: "Zoho Payments", Docs: "https://www.zoho.com/in/payments/developerdocs/webhooks/verification",
			Waits: 15 * time.Second,
			Facts: []hmacverify.Fact{docs("", "https://www.zoho.com/in/payments/developerdocs/webhooks/verification")},
		},
	}
}
