package preset

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
)

// contents are sites and what is written for them.
func contents() []hmacverify.Scheme {
	return []hmacverify.Scheme{Contentful(), Ghost(), Hygraph(), Sanity()}
}

// Contentful returns the scheme of Contentful
// (https://www.contentful.com/developers/docs/webhooks/request-verification/): method,
// path, the headers that X-Contentful-Signed-Headers lists, and the body. Set
// Options.URL, with its query. The key is the signing secret of the space. Type: the
// header X-Contentful-Topic, which is signed if it is listed. Identity: NoIdentity,
// because it is not confirmed that X-Contentful-Idempotency-Key, the same in retries,
// is among the headers that are signed.
func Contentful() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "contentful",
		Signature: []string{"X-Contentful-Signature"},
		Signed:    "{method}{url}{timestamp}{body}",
		Timestamp: hmacverify.Timestamp{Header: "X-Contentful-Timestamp", Unit: hmacverify.Milliseconds},
		Type:      hmacverify.Field{Header: "X-Contentful-Topic"},
		Extract:   extractContentful,
		Sender: hmacverify.Sender{
			Title: "Contentful", Docs: "https://www.contentful.com/developers/docs/webhooks/request-verification/",
			Waits:   30 * time.Second,
			Retries: hmacverify.RetriesSome, RetryWindow: time.Minute, RetrySchedule: "2 times, about 30 s apart, after 429 and 5xx; after timeouts never",
			Notes: "An outage of a minute loses events. Its toolkit accepts a signature for 30 s. A webhook can be set to send another body.",
			Facts: []hmacverify.Fact{
				code("signature", "@contentful/node-apps-toolkit 3.16.1, signRequest"), copied("", "an account of Contentful's page, 2026-09"),
			},
		},
	}
}

func extractContentful(r hmacverify.Received) (hmacverify.Extracted, error) {
	const list, alphabet = "x-contentful-signed-headers", "abcdefghijklmnopqrstuvwxyz0123456789-"
	names := []string{list, "x-contentful-timestamp"} // are signed, whether listed or not
	for name := range strings.SplitSeq(strings.ToLower(r.Header.Get(list)), ",") {
		// A name with a : or ; in it would move the edges between the headers.
		if strings.Trim(name, alphabet) != "" {
			return hmacverify.Extracted{}, errors.New("X-Contentful-Signed-Headers has what is no name of a header")
		}
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	headers := make([]string, len(names))
	for i, name := range names {
		value := strings.TrimSpace(r.Header.Get(name))
		if name == list {
			value = strings.Join(names, ",")
		}
		headers[i] = name + ":" + value
	}
	signed := r.Method + "\n" + contentfulPath(r.URL) + "\n" + strings.Join(headers, ";") + "\n"
	return hmacverify.Extracted{Signed: append([]byte(signed), r.Body...)}, nil
}

// contentfulPath writes path and query as Contentful signs them, which escapes the
// query twice.
func contentfulPath(url string) string {
	const unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.!~*'()"
	_, target, _ := strings.Cut(url, "://")
	_, target, _ = strings.Cut(target, "/")
	parts := strings.Split("/"+target, "?")
	path := escape(parts[0], unreserved+";,/?:@&=+$#")
	if len(parts) == 1 || parts[1] == "" {
		return path
	}
	return path + "?" + escape(escape(parts[1], unreserved), unreserved)
}

// escape writes all bytes but those in keep as percent escapes.
func escape(s, keep string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if strings.IndexByte(keep, c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// Ghost returns the scheme of Ghost (https://docs.ghost.org/webhooks). Identity:
// NoIdentity, because the bodies of site.changed are all alike, and there is no
// event ID: for a webhook of posts alone set Identity to BodyDigest, as a body holds
// the post with the time of its change.
func Ghost() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "ghost",
		Signature: []string{"X-Ghost-Signature"},
		List:      hmacverify.List{Sep: ",", KV: "=", Keys: []string{"sha256"}},
		Signed:    "{body}{timestamp}",
		Timestamp: hmacverify.Timestamp{ListKey: "t", Unit: hmacverify.Milliseconds},
		Type:      hmacverify.Field{JSON: "event"},
		Sender: hmacverify.Sender{
			Title: "Ghost", Docs: "https://docs.ghost.org/webhooks",
			Waits:         2 * time.Second,
			RetrySchedule: "its code asks its HTTP client for up to 5; whether they happen is not confirmed",
			Disables:      "410: the webhook is deleted",
			Notes:         "A webhook without a secret is not signed.",
			Facts:         []hmacverify.Fact{code("", "TryGhost/Ghost, services/webhooks/WebhookTrigger.js")},
		},
	}
}

// Hygraph returns the scheme of Hygraph, once GraphCMS
// (https://hygraph.com/docs/api-reference/basics/webhooks). A JSON object is signed
// that holds the body as a string, the environment and the time. Type: operation of
// the body. Identity: NoIdentity, because the body is what the owner chose to send.
func Hygraph() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "hygraph",
		Signature: []string{"Gcms-Signature"},
		List:      hmacverify.List{Sep: ",", KV: "=", Keys: []string{"sign"}},
		Encoding:  hmacverify.Base64,
		Signed:    "{timestamp}{body}",
		Timestamp: hmacverify.Timestamp{ListKey: "t", Unit: hmacverify.Milliseconds},
		Type:      hmacverify.Field{JSON: "operation"},
		Extract:   extractHygraph,
		Sender: hmacverify.Sender{
			Title: "Hygraph", Docs: "https://hygraph.com/docs/api-reference/basics/webhooks",
			Notes: "The header also names the environment, which is signed. A webhook without a secret is not signed.",
			Facts: []hmacverify.Fact{code("signature", "@hygraph/utils 1.2.1, verifyWebhookSignature")},
		},
	}
}

func extractHygraph(r hmacverify.Received) (hmacverify.Extracted, error) {
	var environment string
	for entry := range strings.SplitSeq(r.Header.Get("Gcms-Signature"), ",") {
		if text, ok := strings.CutPrefix(strings.TrimSpace(entry), "env="); ok {
			environment = text
		}
	}
	signed := make([]byte, 0, len(r.Body)+len(r.Body)/8+64)
	signed = appendQuoted(append(signed, `{"Body":`...), string(r.Body))
	signed = appendQuoted(append(signed, `,"EnvironmentName":`...), environment)
	signed = append(append(append(signed, `,"TimeStamp":`...), r.Timestamp...), '}')
	return hmacverify.Extracted{Signed: signed}, nil
}

// appendQuoted appends s as JavaScript's JSON.stringify writes it. Package
// encoding/json escapes U+2028 too.
func appendQuoted(to []byte, s string) []byte {
	short := map[byte]byte{'"': '"', '\\': '\\', '\b': 'b', '\f': 'f', '\n': 'n', '\r': 'r', '\t': 't'}
	to = append(to, '"')
	for _, c := range []byte(s) {
		switch letter, ok := short[c]; {
		case ok:
			to = append(to, '\\', letter)
		case c < ' ':
			to = fmt.Appendf(to, `\u%04x`, c)
		default:
			to = append(to, c)
		}
	}
	return append(to, '"')
}

// Sanity returns the scheme of Sanity
// (https://www.sanity.io/docs/content-lake/webhook-best-practices). Any time is
// accepted, as in Sanity's own toolkit; set Timestamp.Tolerance to be stricter.
// Identity: NoIdentity, because a body is what the owner's projection makes of a
// document, and the same for each edit that it does not show.
func Sanity() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "sanity",
		Signature: []string{"Sanity-Webhook-Signature"},
		List:      hmacverify.List{Sep: ",", KV: "=", Keys: []string{"v1"}, Single: true},
		Encoding:  hmacverify.Base64URL,
		Signed:    "{timestamp}.{body}",
		Timestamp: hmacverify.Timestamp{ListKey: "t", Unit: hmacverify.Milliseconds, Tolerance: hmacverify.InsecureAnyTime},
		Sender: hmacverify.Sender{
			Title: "Sanity", Docs: "https://www.sanity.io/docs/content-lake/webhook-best-practices",
			Retries: hmacverify.RetriesSome, RetryWindow: time.Minute, RetrySchedule: "2 times, 30 s apart, after 429 and 5xx",
			Notes: "An outage of a minute loses events.",
			Facts: []hmacverify.Fact{
				vector("@sanity/webhook, test/signature.test.ts"), dated("2026-04", docs("", "Sanity changelog")),
			},
		},
	}
}
