package preset

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
)

// wallets are coins, chains and wallets.
func wallets() []hmacverify.Scheme {
	return []hmacverify.Scheme{
		Alchemy(), CoinbaseCommerce(), CoinbaseCDP(), Coinflow(), Coinify(), MoonPay(), ZeroHash(),
	}
}

// Alchemy returns the scheme of Alchemy Notify
// (https://www.alchemy.com/docs/reference/notify-api-quickstart). The key is the
// webhook's signing key, not the app's auth token. Identity: SignedID, the body's
// id; unconfirmed.
func Alchemy() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "alchemy",
		Signature: []string{"X-Alchemy-Signature"},
		ID:        hmacverify.Field{JSON: "id"},
		Type:      hmacverify.Field{JSON: "type"},
		Identity:  hmacverify.SignedID,
		Sender: hmacverify.Sender{
			Title: "Alchemy", Docs: "https://www.alchemy.com/docs/reference/notify-api-quickstart",
			Retries: hmacverify.RetriesAll, RetryWindow: time.Hour,
			RetrySchedule: "exponentially, for 10 min or, with an enterprise plan, 1 h",
			Facts:         []hmacverify.Fact{copied("", hookdeckSkills), unconfirmed("identity")},
		},
	}
}

// CoinbaseCommerce returns the scheme of Coinbase Commerce
// (https://docs.cdp.coinbase.com/commerce/docs/webhooks). Identity: SignedID, the
// body's event.id; the id at its root is that of the attempt.
func CoinbaseCommerce() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "coinbase-commerce",
		Signature: []string{"X-CC-Webhook-Signature"},
		ID:        hmacverify.Field{JSON: "event.id"},
		Type:      hmacverify.Field{JSON: "event.type"},
		Identity:  hmacverify.SignedID,
		Sender: hmacverify.Sender{
			Title: "Coinbase Commerce", Docs: "https://docs.cdp.coinbase.com/commerce/docs/webhooks",
			Success: []int{200},
			Retries: hmacverify.RetriesAll, RetryWindow: 3 * day,
			RetrySchedule: "exponentially, at most 1 h apart, for 3 days",
			Notes:         bodyDiffers + " (id)",
			Facts: []hmacverify.Fact{
				code("signature", "coinbase-commerce-node 1.0.4 on npm"), docs("", "https://docs.cdp.coinbase.com/commerce/docs/webhooks"),
			},
		},
	}
}

// CoinbaseCDP returns the scheme of the Coinbase Developer Platform
// (https://docs.cdp.coinbase.com/webhooks/verify-signatures): in the list of
// X-Hook0-Signature, v1 covers the time t, the names h of some headers, their
// values and the body. The key is the subscription's secret. Identity: NoIdentity,
// because what tells its events apart is not confirmed.
//
// Nothing marks where the last header ends and the body begins, so a header with
// a brace, and a body that does not start with one, are refused.
func CoinbaseCDP() hmacverify.Scheme {
	const page = "https://docs.cdp.coinbase.com/webhooks/verify-signatures"
	return hmacverify.Scheme{
		Name:       "coinbase-cdp",
		JSONObject: true,
		Extract:    extractCDP,
		Sender: hmacverify.Sender{
			Title: "Coinbase Developer Platform", Docs: page,
			Notes: "v0 in the list, which one of its pages shows and another does not, is ignored.",
			Facts: []hmacverify.Fact{docs("", page), docs("signature", "https://docs.cdp.coinbase.com/webhooks/transfers/verification")},
		},
	}
}

func extractCDP(r hmacverify.Received) (found hmacverify.Extracted, err error) {
	values := r.Header["X-Hook0-Signature"]
	if len(values) != 1 {
		return found, errors.New("want one X-Hook0-Signature")
	}
	entries, ok := uniqueEntries(values[0])
	if !ok || entries["t"] == "" || entries["v1"] == "" {
		return found, errors.New("X-Hook0-Signature has no t and v1, or an entry twice")
	}
	signed := []string{entries["t"], entries["h"]}
	for name := range strings.FieldsSeq(entries["h"]) {
		value := r.Header[http.CanonicalHeaderKey(name)]
		if len(value) != 1 {
			return found, errors.New("a signed header is missing or repeated")
		}
		signed = append(signed, value[0])
	}
	head := strings.Join(signed, ".")
	if strings.Contains(head, "{") {
		return found, errors.New("a signed header has a brace")
	}
	found.Signed = slices.Concat([]byte(head), []byte("."), r.Body)
	found.Signatures, found.Timestamp = []string{entries["v1"]}, entries["t"]
	return found, nil
}

// uniqueEntries splits a list of keys and values. It reports false if a key is
// there twice: readers would disagree about which one counts.
func uniqueEntries(list string) (map[string]string, bool) {
	entries := map[string]string{}
	for entry := range strings.SplitSeq(list, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(entry), "=")
		if _, twice := entries[key]; twice {
			return nil, false
		}
		entries[key] = value
	}
	return entries, true
}

// Coinflow returns the scheme of Coinflow
// (https://docs.coinflow.cash/guides/developer-resources/webhooks/verifying-webhook-signatures).
// The key is the Webhook Validation Key. Identity: NoIdentity, because what tells
// its events apart is not confirmed.
func Coinflow() hmacverify.Scheme {
	const page = "https://docs.coinflow.cash/guides/developer-resources/webhooks/verifying-webhook-signatures"
	return hmacverify.Scheme{
		Name:      "coinflow",
		Signature: []string{"Coinflow-Signature"},
		List:      hmacverify.List{Sep: ",", KV: "=", Keys: []string{"v1"}},
		Signed:    "{timestamp}.{body}",
		Timestamp: hmacverify.Timestamp{ListKey: "t"},
		Sender: hmacverify.Sender{
			Title: "Coinflow", Docs: page,
			Notes: "The header Authorization, which it sends too, is a password.",
			Facts: []hmacverify.Fact{docs("", page)},
		},
	}
}

// Coinify returns the scheme of Coinify
// (https://www.coinify.com/docs/api/#webhooks). Identity: SignedID, the body's
// id.
func Coinify() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "coinify",
		Signature: []string{"X-Coinify-Webhook-Signature"},
		ID:        hmacverify.Field{JSON: "id"},
		Type:      hmacverify.Field{JSON: "event"},
		Identity:  hmacverify.SignedID,
		Sender: hmacverify.Sender{
			Title: "Coinify", Docs: "https://www.coinify.com/docs/api/#webhooks",
			Facts: []hmacverify.Fact{
				vector("https://coinify.readme.io/docs/webhook-signature"),
				docs("", "https://coinify.readme.io/docs/webhooks"),
			},
		},
	}
}

// MoonPay returns the scheme of MoonPay
// (https://dev.moonpay.com/reference/reference-webhooks-signature), for its POST
// requests. The key is the webhook API key. Identity: BodyDigest, because a body
// holds its transaction with ID and times; unconfirmed.
func MoonPay() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "moonpay",
		Signature: []string{"Moonpay-Signature-V2"},
		List:      hmacverify.List{Sep: ",", KV: "=", Keys: []string{"s"}},
		Signed:    "{timestamp}.{body}",
		Timestamp: hmacverify.Timestamp{ListKey: "t"},
		Type:      hmacverify.Field{JSON: "type"},
		Identity:  hmacverify.BodyDigest,
		Sender: hmacverify.Sender{
			Title: "MoonPay", Docs: "https://dev.moonpay.com/reference/reference-webhooks-signature",
			Notes: "Of its GET requests it signs the query, which this preset refuses.",
			Facts: []hmacverify.Fact{
				docs("signature", "https://dev.moonpay.com/reference/reference-webhooks-signature"), unconfirmed("identity"),
			},
		},
	}
}

// ZeroHash returns the scheme of Zero Hash
// (https://docs.zerohash.com/reference/webhook-security), the one with a time. Its
// ID and its type are in headers that are not signed. Identity: NoIdentity, because
// what tells its events apart in the body is not confirmed.
func ZeroHash() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "zero-hash",
		Signature: []string{"X-Zh-Hook-Signature"},
		Signed:    "{body}{timestamp}",
		Timestamp: hmacverify.Timestamp{Header: "X-Zh-Hook-Timestamp", Unit: hmacverify.Milliseconds},
		ID:        hmacverify.Field{Header: "X-Zh-Hook-Notification-Id"},
		Type:      hmacverify.Field{Header: "X-Zh-Hook-Payload-Type"},
		Sender: hmacverify.Sender{
			Title: "Zero Hash", Docs: "https://docs.zerohash.com/reference/webhook-security",
			Notes: "Zero Hash sets the URL and the key up. It can sign with RSA instead.",
			Facts: []hmacverify.Fact{copied("", hookdeckSkills)},
		},
	}
}
