package preset

import (
	"time"

	"github.com/hookonce/hookonce/hmacverify"
)

// finances are books, loans and accounts.
func finances() []hmacverify.Scheme {
	return []hmacverify.Scheme{Affirm(), Airwallex(), QuickBooks(), TabaPay(), Wise(), Xero()}
}

// Affirm returns the scheme of Affirm
// (https://docs.affirm.com/developers/docs/webhooks). Identity: NoIdentity,
// because what tells its events apart is not confirmed.
func Affirm() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "affirm",
		Algorithm: hmacverify.SHA512,
		Signature: []string{"X-Affirm-Signature"},
		List:      hmacverify.List{Sep: ",", KV: "=", Keys: []string{"v0"}},
		Signed:    "{timestamp}.{body}",
		Timestamp: hmacverify.Timestamp{ListKey: "t"},
		Sender: hmacverify.Sender{
			Title: "Affirm", Docs: "https://docs.affirm.com/developers/docs/webhooks",
			Retries: hmacverify.RetriesNone, RetryTime: hmacverify.RetryTimeNew,
			BodyType: "application/x-www-form-urlencoded",
			Notes:    "What fails once is lost, though its page on signatures speaks of retries: store first, answer, then work. The body is a form in its own sample. Affirm has to switch signing on. The key is the endpoint's secret by one page, the private API key by another.",
			Facts: []hmacverify.Fact{
				docs("signature", "https://docs.affirm.com/developers/docs/checking-webhook-signatures"),
				docs("", "https://docs.affirm.com, checking-webhook-signatures and best practices"),
				docs("limits", "its sample on codepen"),
			},
		},
	}
}

// Airwallex returns the scheme of Airwallex
// (https://www.airwallex.com/docs/developer-tools__listen-for-webhook-events).
// Identity: SignedID, the body's id.
func Airwallex() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "airwallex",
		Signature: []string{"X-Signature"},
		Signed:    "{timestamp}{body}",
		Timestamp: hmacverify.Timestamp{Header: "X-Timestamp", Unit: hmacverify.Milliseconds},
		ID:        hmacverify.Field{JSON: "id"},
		Type:      hmacverify.Field{JSON: "name"},
		Identity:  hmacverify.SignedID,
		Sender: hmacverify.Sender{
			Title: "Airwallex", Docs: "https://www.airwallex.com/docs/developer-tools__listen-for-webhook-events",
			Success: []int{200},
			Retries: hmacverify.RetriesAll, RetryWindow: 3 * day, RetrySchedule: "exponentially for 3 days; by hand",
			Facts: []hmacverify.Fact{
				docs("signature", "https://www.airwallex.com/docs/developer-tools__listen-for-webhook-events__code-examples"),
				docs("", "https://www.airwallex.com/docs, webhooks overview"),
			},
		},
	}
}

// QuickBooks returns the scheme of QuickBooks
// (https://developer.intuit.com/app/developer/qbo/docs/develop/webhooks).
// A body is a batch: an array of CloudEvents since 2026, before that a list of companies
// and their entities. The identity of an event: its id, type and time; before, the company
// and the entity's digest. Identity: BodyDigest, which is as good as the grouping, which is not
// documented for retries.
func QuickBooks() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "quickbooks",
		Signature: []string{"Intuit-Signature"},
		Encoding:  hmacverify.Base64,
		Identity:  hmacverify.BodyDigest,
		Sender: hmacverify.Sender{
			Title: "QuickBooks", Docs: "https://developer.intuit.com/app/developer/qbo/docs/develop/webhooks",
			Waits: 3 * time.Second, Success: []int{200},
			Retries:       hmacverify.RetriesAll,
			RetrySchedule: "after 10, 20 and 30 s, 5 and 20 min, 2, 4 and 6 h, then every 6 h without end",
			Blocks:        true,
			Setup:         "A test from the portal.",
			Items: []hmacverify.Items{
				{JSON: "[]", ID: []string{"id", "type", "time"}, Type: "type"},
				{
					JSON: "eventNotifications.[].dataChangeEvent.entities.[]", Type: "name",
					Outer: []string{"eventNotifications.[].realmId"},
				},
			},
			Batch: "entities of one company, in order; that id alone is unique is not said",
			Notes: "An event that always fails stops all later ones for good.",
			Facts: []hmacverify.Fact{
				code("signature", "IntuitDeveloper/SampleApp-Webhooks-nodejs"), dated("2025-10", docs("", "Intuit, best practices and blog")),
				docs("items", "https://developer.intuit.com/app/developer/qbo/docs/develop/webhooks/data-objects"),
			},
		},
	}
}

// TabaPay returns the scheme of TabaPay
// (https://developers.tabapay.com/reference/webhook-signature-headers). The list
// holds t and v1; for 48 hours after a change of keys also v2, made with the
// previous one. Its ID, the header Idempotency-Key, is not signed. Identity:
// BodyDigest; that bodies do not repeat is unconfirmed, so look at yours.
func TabaPay() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "tabapay",
		Signature: []string{"X-HMAC-Signature"},
		List:      hmacverify.List{Sep: ",", KV: "=", Keys: []string{"v1", "v2"}},
		Signed:    "{timestamp}.{body}",
		Timestamp: hmacverify.Timestamp{ListKey: "t"},
		ID:        hmacverify.Field{Header: "Idempotency-Key"},
		Identity:  hmacverify.BodyDigest,
		Sender: hmacverify.Sender{
			Title: "TabaPay", Docs: "https://developers.tabapay.com/reference/webhook-signature-headers",
			Retries: hmacverify.RetriesAll,
			Facts: []hmacverify.Fact{
				docs("", "https://developers.tabapay.com/reference/webhook-signature-headers"), unconfirmed("identity"),
			},
		},
	}
}

// Xero returns the scheme of Xero
// (https://developer.xero.com/documentation/guides/webhooks/overview/). Identity:
// BodyDigest, because a body is a batch with sequence numbers and times. It is as good as
// the grouping, which is not documented for retries. The identity of an event: its digest,
// because it holds resource, kind, tenant and time to the millisecond, and has no ID.
func Xero() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "xero",
		Signature: []string{"X-Xero-Signature"},
		Encoding:  hmacverify.Base64,
		Identity:  hmacverify.BodyDigest,
		Sender: hmacverify.Sender{
			Title: "Xero", Docs: "https://developer.xero.com/documentation/guides/webhooks/overview/",
			NoBody: true,
			Waits:  5 * time.Second, Success: []int{200},
			Retries: hmacverify.RetriesAll, RetryWindow: day, RetrySchedule: "ever more rarely for 24 h",
			Disables: "24 h of failure",
			Setup:    "Signed POSTs without events, which are acknowledged, some with wrong signatures on purpose: these want 401.",
			Pings:    []hmacverify.Ping{{JSON: "events", Value: "[]"}},
			Items:    []hmacverify.Items{{JSON: "events.[]", Type: "eventCategory"}},
			Batch:    "no ID for an event",
			Notes:    "The response must have no body and no cookies.",
			Facts: []hmacverify.Fact{
				docs("", "https://developer.xero.com/documentation/webhooks/configuring-your-server"),
				docs("items", "XeroAPI/Xero-OpenAPI, xero-webhooks.yaml"),
			},
		},
	}
}

// Wise returns the scheme of Wise
// (https://docs.wise.com/guides/developer/webhooks/event-handling). The key is
// Wise's public key for webhooks, in PEM. Identity: NoIdentity, because the ID
// X-Delivery-Id is the delivery's and is not signed: key on the body's resource
// and time.
func Wise() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "wise",
		Algorithm: hmacverify.RSASHA256,
		Signature: []string{"X-Signature-SHA256"},
		Encoding:  hmacverify.Base64,
		Type:      hmacverify.Field{JSON: "event_type"},
		Sender: hmacverify.Sender{
			Title: "Wise", Docs: "https://docs.wise.com/guides/developer/webhooks/event-handling",
			Waits:   5 * time.Second,
			Retries: hmacverify.RetriesAll, RetryWindow: 14 * day,
			RetrySchedule: "at most 25 times in two weeks, at growing intervals",
			Setup:         "A test delivery with X-Test-Notification: true.",
			Facts:         []hmacverify.Fact{docs("", "docs.wise.com, event-handling")},
		},
	}
}
