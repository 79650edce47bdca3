package preset_test

import (
	"strings"
	"testing"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
)

// The coverage of the declarative Scheme: what each level of expressiveness
// adds, and a provider that needs it. The test says that the presets are
// what their rows say, so that the table cannot drift from the code.
var levels = []struct {
	level, adds string
	providers   []string
}{
	{"L0", "SHA-256 over the body, one header, hex or base64, a prefix", []string{
		"github", "onfido", "sumsub", "didit", "idenfy", "checkr", "bitbucket", "dropbox", "meta", "shopify",
		"typeform", "notion", "line", "gocardless", "xero", "asana", "razorpay", "woocommerce", "sentry",
	}},
	{"L1", "SHA-1 and SHA-512", []string{"vercel", "intercom", "paystack", "authorize-net", "mongodb-atlas"}},
	{"L2", "a template with literals, headers and a timestamp: s, ms, RFC 3339, any layout", []string{
		"slack", "zoom", "zendesk", "twitch", "klaviyo", "front", "airwallex", "webflow", "lob", "sinch",
	}},
	{"L3", "a list of keys and values in one header, with the timestamp in it, and groups of lists", []string{
		"stripe", "paddle", "pagerduty", "mux", "calendly", "tabapay", "workos", "persona", "worldpay",
	}},
	{"L4", "space-separated lists, base64 and hex keys, prefixes of keys", []string{
		"standard-webhooks", "svix", "gitlab", "openai", "supabase", "adyen", "onfleet",
	}},
	{"L5", "several signature headers, base64url", []string{"box", "docusign", "sanity", "veriff", "hookdeck", "x"}},
	{"L6", "URL and method, from configuration", []string{"square", "hubspot", "trello"}},
	{"L7", "lists without keys", []string{"recurly", "configcat", "cronofy"}},
	{"L8", "sorted form fields", []string{"twilio", "mandrill"}},
	{"Public keys", "Ed25519, ECDSA P-256 and RSA in the same template", []string{
		"discord", "telnyx", "standard-webhooks-ed25519", "sendgrid", "wise", "chip",
	}},
	{"ExtractFunc", "code, because the signature is in the body or covers a digest of it", []string{
		"twilio-json", "adyen-standard", "mailgun", "contentful", "hygraph", "plivo", "mercado-pago", "coinbase-cdp",
	}},
}

// inexpressible are the providers that no Scheme verifies, and why.
var inexpressible = map[string]string{
	"HubSpot v1, v2":                      "a hash of secret and text, which can be extended: no MAC",
	"Veriff X-SIGNATURE":                  "a hash of body and secret: no MAC; use Veriff",
	"Didit X-Signature-V2":                "signs re-serialised JSON: two bodies could share a signature; use Didit",
	"Didit X-Signature-Simple":            "leaves the decision unsigned",
	"Jumio":                               "does not sign at all",
	"Dropbox Sign":                        "signs the time and the type of an event, not the rest of the body, which is multipart",
	"Framer":                              "signs body and ID with nothing between, so that one signature holds for many pairs of them",
	"Braintree":                           "the signature is a form field with a public key, over another form field",
	"Plaid, AWS SNS, PayPal, eBay, Kinde": "JWT or certificate with keys fetched over the network",
	"GitLab legacy, Telegram, Postmark, Okta": "a password in a header, nothing is signed",
}

func TestCoverage(t *testing.T) {
	t.Parallel()
	for _, row := range levels {
		t.Run(row.level+": "+row.adds, func(t *testing.T) {
			t.Parallel()
			for _, name := range row.providers {
				s, ok := preset.ByName(name)
				if !ok {
					t.Errorf("no preset %s", name)
					continue
				}
				if got := levelOf(s); got != row.level {
					t.Errorf("%s needs %s, the table says %s", name, got, row.level)
				}
			}
		})
	}
	for name, why := range inexpressible {
		t.Run("not expressible: "+name, func(t *testing.T) {
			t.Parallel()
			t.Log(why)
		})
	}
}

// levelOf returns the highest level that a scheme needs.
func levelOf(s hmacverify.Scheme) string {
	has := func(part string) bool { return strings.Contains(s.Signed, part) }
	for _, level := range []struct {
		name  string
		needs bool
	}{
		{"ExtractFunc", s.Extract != nil},
		{"Public keys", s.Algorithm >= hmacverify.Ed25519},
		{"L8", has("{params}")},
		{"L7", s.List.Sep != "" && s.List.KV == ""},
		{"L6", has("{url}") || has("{method}")},
		{"L5", len(s.Signature) > 1 || s.Encoding == hmacverify.Base64URL},
		{"L4", s.List.Sep == " " || s.KeyEncoding != hmacverify.RawKey || s.KeyPrefix != ""},
		{"L3", s.List.Sep != ""},
		{"L2", s.Signed != "" && s.Signed != "{body}"},
		{"L1", s.Algorithm != hmacverify.SHA256},
	} {
		if level.needs {
			return level.name
		}
	}
	return "L0"
}
