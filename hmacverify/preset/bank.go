package preset

import (
	"time"

	"github.com/hookonce/hookonce/hmacverify"
)

// banks are banks, cards and money between them.
func banks() []hmacverify.Scheme {
	return []hmacverify.Scheme{
		BridgeAPI(), Brex(), Dwolla(), Increase(), Lithic(), ModernTreasury(), Revolut(), Synctera(), Unit(),
	}
}

// BridgeAPI returns the scheme of Bridge, bridgeapi.io, the open-banking platform
// (https://docs.bridgeapi.io/docs/secure-your-webhooks). For a day after a change
// of keys the list holds two signatures; entries other than v1 are ignored.
// Identity: BodyDigest, because a body holds its item and time; unconfirmed.
func BridgeAPI() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "bridge-api",
		Signature: []string{"BridgeApi-Signature"},
		List:      hmacverify.List{Sep: ",", KV: "=", Keys: []string{"v1"}},
		Type:      hmacverify.Field{JSON: "type"},
		Identity:  hmacverify.BodyDigest,
		Sender: hmacverify.Sender{
			Title: "Bridge (bridgeapi.io)", Docs: "https://docs.bridgeapi.io/docs/secure-your-webhooks",
			Success: []int{200},
			Retries: hmacverify.RetriesAll, RetryWindow: 2 * day, RetrySchedule: "exponentially for 1 to 2 days",
			Setup: "A button sends TEST_EVENT.",
			Notes: "Responses must be under 10 KB. It also tells of users and items that were deleted. bridge.xyz is another company, which signs with RSA.",
			Facts: []hmacverify.Fact{
				docs("signature", "https://docs.bridgeapi.io/docs/secure-your-webhooks"), unconfirmed("identity"), copied("", hookdeckSkills),
			},
		},
	}
}

// Brex returns the scheme of Brex (https://developer.brex.com/docs/webhooks):
// Standard Webhooks. The key is bare base64. Identity: SignedID, the header
// webhook-id.
func Brex() hmacverify.Scheme {
	return standard("brex", "webhook", "whsec_", "event_type", hmacverify.Sender{
		Title: "Brex", Docs: "https://developer.brex.com/docs/webhooks",
		Notes: "While keys rotate there are two signatures.",
		Facts: []hmacverify.Fact{
			docs("", "https://developer.brex.com/docs/webhooks"),
			docs("signature", "https://developer.brex.com/docs/webhooks, on the headers"), hearsay("signature", "trigger.dev's example, on the key"),
		},
	})
}

// Dwolla returns the scheme of Dwolla
// (https://developers.dwolla.com/docs/webhooks). Identity: SignedID, the body's
// id.
func Dwolla() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "dwolla",
		Signature: []string{"X-Request-Signature-SHA-256"},
		ID:        hmacverify.Field{JSON: "id"},
		Type:      hmacverify.Field{JSON: "topic"},
		Identity:  hmacverify.SignedID,
		Sender: hmacverify.Sender{
			Title: "Dwolla", Docs: "https://developers.dwolla.com/docs/webhooks",
			Waits:   10 * time.Second,
			Retries: hmacverify.RetriesAll, RetryWindow: 72 * time.Hour,
			RetrySchedule: "after 15 min, 1, 3, 6, 12, 24, 48 and 72 h",
			Disables:      "400 failures in a row and 24 h without a success",
			Notes:         "Sends ten requests at once.",
			Facts: []hmacverify.Fact{
				docs("signature", "https://developers.dwolla.com/docs/balance/webhooks/frequently-asked-questions"),
				docs("", "Dwolla, webhook-subscriptions"),
			},
		},
	}
}

// Increase returns the scheme of Increase
// (https://increase.com/documentation/webhooks): Standard Webhooks. The key is
// base64 after "whsec_". Type: category, because type is always "event".
// Identity: SignedID, the header webhook-id.
func Increase() hmacverify.Scheme {
	return standard("increase", "webhook", "whsec_", "category", hmacverify.Sender{
		Title: "Increase", Docs: "https://increase.com/documentation/webhooks",
		Retries:       hmacverify.RetriesAll,
		RetrySchedule: "7 times, exponentially; an older page says 10, users say 8 in 72 h",
		Notes:         "Wants a status of 20x. Bodies are thin: fetch the object.",
		Facts:         []hmacverify.Fact{registry(), docs("", "https://increase.com/documentation/webhooks")},
	})
}

// Lithic returns the scheme of Lithic (https://docs.lithic.com/docs/events-api):
// Standard Webhooks, sent through [Svix]. The key is base64 after "whsec_".
// Identity: SignedID, the header webhook-id.
func Lithic() hmacverify.Scheme {
	return standard("lithic", "webhook", "whsec_", "event_type", throughSvix(
		"Lithic", "https://docs.lithic.com/docs/events-api",
		code("signature", "lithic 0.145.0 on npm"), copied("responses", hookdeckSkills)))
}

// ModernTreasury returns the scheme of Modern Treasury
// (https://docs.moderntreasury.com/platform/docs/webhooks). Identity: BodyDigest,
// because a body holds the event's name and its object with ID and times;
// unconfirmed.
func ModernTreasury() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "modern-treasury",
		Signature: []string{"X-Signature"},
		Type:      hmacverify.Field{JSON: "event"},
		Identity:  hmacverify.BodyDigest,
		Sender: hmacverify.Sender{
			Title: "Modern Treasury", Docs: "https://docs.moderntreasury.com/platform/docs/webhooks",
			Facts: []hmacverify.Fact{code("signature", "modern-treasury 3.3.0 on npm"), unconfirmed("identity")},
		},
	}
}

// Revolut returns the scheme of Revolut
// (https://developer.revolut.com/docs/guides/merchant/monitor-and-observe/webhooks/verify-the-payload-signature),
// of its Merchant, Business and Crypto Ramp APIs alike. The key is the signing
// secret as it is, with "wsk_". Identity: NoIdentity: an order's events hold no ID
// or time, so two payments of it that are declined have equal bodies.
func Revolut() hmacverify.Scheme {
	const page = "https://developer.revolut.com/docs/guides/merchant/monitor-and-observe/webhooks/verify-the-payload-signature"
	return hmacverify.Scheme{
		Name:      "revolut",
		Signature: []string{"Revolut-Signature"},
		List:      hmacverify.List{Sep: ",", KV: "=", Keys: []string{"v1"}},
		Signed:    "v1.{timestamp}.{body}",
		Timestamp: hmacverify.Timestamp{Header: "Revolut-Request-Timestamp", Unit: hmacverify.Milliseconds},
		Type:      hmacverify.Field{JSON: "event"},
		Sender: hmacverify.Sender{
			Title: "Revolut", Docs: page,
			Retries: hmacverify.RetriesAll, RetryWindow: 30 * time.Minute, RetrySchedule: "3 times, 10 min apart",
			RetryTime: hmacverify.RetryTimeNew,
			Notes:     "Fetch the order, and key on what it says.",
			Facts: []hmacverify.Fact{
				docs("signature", page), byWording("developer.revolut.com, verify-the-payload-signature"), copied("", hookdeckSkills),
			},
		},
	}
}

// Synctera returns the scheme of Synctera
// (https://docs.synctera.com/docs/webhooks-guide). The key comes from
// POST /v0/webhook_secrets; while it is replaced, the header holds two signatures
// with a dot between. Identity: SignedID, the body's id; unconfirmed.
func Synctera() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "synctera",
		Signature: []string{"Synctera-Signature"},
		List:      hmacverify.List{Sep: "."},
		Signed:    "{timestamp}.{body}",
		Timestamp: hmacverify.Timestamp{Header: "Request-Timestamp"},
		ID:        hmacverify.Field{JSON: "id"},
		Type:      hmacverify.Field{JSON: "type"},
		Identity:  hmacverify.SignedID,
		Sender: hmacverify.Sender{
			Title: "Synctera", Docs: "https://docs.synctera.com/docs/webhooks-guide",
			Waits: 5 * time.Second, Success: []int{200},
			Retries: hmacverify.RetriesAll, RetryWindow: 55 * time.Hour, RetrySchedule: "exponentially for about 55 h",
			Facts: []hmacverify.Fact{copied("", hookdeckSkills), unconfirmed("identity")},
		},
	}
}

// Unit returns the scheme of Unit (https://www.unit.co/docs/api/webhooks/). A
// body is a batch. The identity of an event: its id. Identity: BodyDigest, which is
// as good as the grouping, which is not documented for retries.
func Unit() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "unit",
		Algorithm: hmacverify.SHA1,
		Signature: []string{"X-Unit-Signature"},
		Encoding:  hmacverify.Base64,
		Identity:  hmacverify.BodyDigest,
		Sender: hmacverify.Sender{
			Title: "Unit", Docs: "https://www.unit.co/docs/api/webhooks/",
			Items: []hmacverify.Items{{JSON: "data.[]", ID: []string{"id"}, Type: "type"}},
			Facts: []hmacverify.Fact{
				code("signature", "@unit-finance/unit-node-sdk 0.41.0 on npm"), unconfirmed("identity"), unconfirmed("items"),
			},
		},
	}
}
