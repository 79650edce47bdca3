package senders_test

import (
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
)

var (
	// noEmpty are for packages that read the JSON, or take an empty body for none.
	noEmpty = []string{"empty"}

	// ownJSON are for those that sign what JSON.stringify makes of the parsed body.
	ownJSON = []string{"rendered otherwise", "trailing newline", "empty"}
)

// small returns the packages of testdata.
func small() []sdk {
	return complete([]sdk{
		{name: "@cord-sdk/server", scheme: cord()},
		{name: "@easypost/api", scheme: preset.EasyPost(), not: noEmpty},
		{name: "@kontent-ai/webhook-helper", scheme: kontent(), signs: true},
		{name: "@liveblocks/node", scheme: preset.Liveblocks(), key: "whsec_" + base64Key, not: noEmpty},
		{name: "@mux/mux-node", scheme: preset.Mux(), signs: true},
		{name: "@nangohq/node", scheme: nango()},
		{name: "@notionhq/client", scheme: preset.Notion(), signs: true},
		{name: "@octokit/webhooks-methods", scheme: preset.GitHub(), signs: true, not: noEmpty, notSigned: noEmpty},
		{name: "@onfido/api", scheme: preset.Onfido(), not: noEmpty},
		{name: "@paddle/paddle-node-sdk", scheme: preset.Paddle()},
		{name: "@sanity/webhook", scheme: preset.Sanity(), signs: true, not: noEmpty, notSigned: noEmpty},
		{name: "@seamapi/webhook", scheme: preset.Svix(), key: "whsec_" + base64Key, not: noEmpty},
		{name: "@slack/events-api", scheme: preset.Slack()},
		{name: "@tryfinch/finch-api", scheme: preset.Finch(), key: base64Key, signs: true},
		{name: "@workos-inc/node", scheme: preset.WorkOS(), signs: true, not: ownJSON, notSigned: ownJSON},
		{name: "coinbase-commerce-node", scheme: preset.CoinbaseCommerce(), signs: true},
		{name: "crisp-api", scheme: preset.Crisp(), not: ownJSON, header: http.Header{"X-Crisp-Request-Timestamp": {"1793800000000"}}},
		{name: "cronofy", scheme: preset.Cronofy(), not: noEmpty},
		{name: "discord-interactions", scheme: preset.Discord(), key: ed25519Public, private: ed25519Seed},
		{name: "gocardless-nodejs", scheme: preset.GoCardless()},
		{name: "imagekit", scheme: imageKit(), not: noEmpty},
		{name: "mailtrap", scheme: preset.Mailtrap(), not: noEmpty},
		{name: "modern-treasury", scheme: preset.ModernTreasury(), signs: true},
		{name: "pusher", scheme: preset.Pusher(), signs: true, not: noEmpty, header: http.Header{"X-Pusher-Key": {"key"}}},
		{name: "razorpay", scheme: preset.Razorpay()},
		{name: "replicate", scheme: preset.Replicate(), key: "whsec_" + base64Key, not: noEmpty},
		{name: "resend", scheme: preset.Resend(), key: "whsec_" + base64Key},
		{name: "smartcar", scheme: preset.Smartcar(), signs: true, not: ownJSON, notSigned: noEmpty},
		{name: "standardwebhooks", scheme: preset.StandardWebhooks(), key: "whsec_" + base64Key, signs: true},
		{name: "stripe", scheme: preset.Stripe(), signs: true},
		{name: "svix", scheme: preset.Svix(), key: "whsec_" + base64Key, signs: true, not: noEmpty},
	})
}

// big returns the packages of testdata/large.
func big() []sdk {
	form := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	return complete([]sdk{
		{name: "@adyen/api-library", scheme: preset.Adyen(), key: hexKey, signs: true},
		{name: "@anthropic-ai/sdk", scheme: preset.Anthropic(), key: "whsec_" + base64Key, not: noEmpty},
		{name: "@clerk/backend", scheme: preset.Clerk(), key: "whsec_" + base64Key, not: noEmpty},
		{name: "@contentful/node-apps-toolkit", scheme: preset.Contentful(), key: hexKey, url: endpoint, signs: true,
			header: http.Header{"X-Contentful-Signed-Headers": {"x-contentful-signed-headers,x-contentful-timestamp"}}},
		{name: "@elevenlabs/elevenlabs-js", scheme: preset.ElevenLabs(), not: noEmpty},
		{name: "@hookdeck/sdk", scheme: preset.Hookdeck()},
		{name: "@hubspot/api-client", scheme: preset.HubSpot(), url: endpoint, signs: true},
		{name: "@line/bot-sdk", scheme: preset.LINE()},
		{name: "@linear/sdk", scheme: preset.Linear(), not: noEmpty},
		{name: "@polar-sh/sdk", scheme: preset.Polar()},
		{name: "@shopify/shopify-api", scheme: preset.Shopify(), not: noEmpty, header: http.Header{
			"X-Shopify-Topic": {"orders/create"}, "X-Shopify-Shop-Domain": {"shop.example"},
			"X-Shopify-Api-Version": {"2026-10"}, "X-Shopify-Webhook-Id": {"1"}}},
		{name: "@slack/bolt", scheme: preset.Slack()},
		{name: "@whop/sdk", scheme: preset.Whop(), not: noEmpty},
		{name: "box-node-sdk", scheme: preset.Box(), header: http.Header{
			"Box-Signature-Version": {"1"}, "Box-Signature-Algorithm": {"HmacSHA256"}}},
		{name: "cashfree-pg", scheme: preset.Cashfree(), not: noEmpty},
		{name: "dodopayments", scheme: preset.DodoPayments(), key: "whsec_" + base64Key, not: noEmpty},
		{name: "lithic", scheme: preset.Lithic(), key: "whsec_" + base64Key},
		{name: "openai", scheme: preset.OpenAI(), key: "whsec_" + base64Key},
		{name: "orb-billing", scheme: preset.Orb(), signs: true},
		{name: "retell-sdk", scheme: preset.Retell(), signs: true},
		{name: "square", scheme: preset.Square(), url: endpoint},
		{name: "telnyx", scheme: preset.Telnyx(), key: inBase64(ed25519Public), private: inBase64(ed25519Seed), not: noEmpty},
		{name: "terra-api", scheme: terra(), not: noEmpty},
		{name: "twilio", scheme: preset.Twilio(), url: endpoint, signs: true, header: form, body: formBody},
		{name: "twilio json", scheme: preset.TwilioJSON(), url: endpoint, signs: true},
		{name: "viber-bot", scheme: viber()},
		{name: "webflow-api", scheme: preset.Webflow()},
	})
}

// endpoint is an address that says how a sender writes the URL that it signs.
const endpoint = "https://example.com/hooks/a%20b?shop=1&name=Zo%C3%AB"

func formBody(text string) []byte { return []byte("From=%2B1&Body=" + url.QueryEscape(text)) }

// complete fills the defaults in.
func complete(packages []sdk) []sdk {
	for i := range packages {
		p := &packages[i]
		p.key = cmp.Or(p.key, textKey)
		if p.body == nil {
			p.body = jsonBody
		}
		header := http.Header{"Content-Type": {"application/json"}}
		if id, _, _ := strings.Cut(p.scheme.ID.Header, ","); id != "" {
			header.Set(id, "msg_1")
		}
		maps.Copy(header, p.header)
		p.header = header
	}
	return packages
}

// A pair of keys of RFC 8032, section 7.1, in hex.
const (
	ed25519Seed   = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
	ed25519Public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
)

func inBase64(hexText string) string {
	decoded, err := hex.DecodeString(hexText)
	if err != nil {
		panic(err)
	}
	return base64.StdEncoding.EncodeToString(decoded)
}

// Schemes that have no preset yet, as their packages have them.

func cord() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name: "cord", Signature: []string{"X-Cord-Signature"}, Encoding: hmacverify.Base64,
		Signed: "{timestamp}:{body}", Timestamp: hmacverify.Timestamp{Header: "X-Cord-Timestamp", Unit: hmacverify.Milliseconds},
	}
}

func imageKit() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name: "imagekit", Signature: []string{"X-Ik-Signature"}, List: hmacverify.List{Sep: ",", KV: "=", Keys: []string{"v1"}},
		Signed: "{timestamp}.{body}", Timestamp: hmacverify.Timestamp{ListKey: "t", Unit: hmacverify.Milliseconds},
	}
}

func kontent() hmacverify.Scheme {
	return hmacverify.Scheme{Name: "kontent-ai", Signature: []string{"X-Kontent-Ai-Signature"}, Encoding: hmacverify.Base64}
}

func nango() hmacverify.Scheme {
	return hmacverify.Scheme{Name: "nango", Signature: []string{"X-Nango-Hmac-Sha256"}}
}

func terra() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name: "terra", Signature: []string{"Terra-Signature"}, List: hmacverify.List{Sep: ",", KV: "=", Keys: []string{"v1"}},
		Signed: "{timestamp}.{body}", Timestamp: hmacverify.Timestamp{ListKey: "t"},
	}
}

func viber() hmacverify.Scheme {
	return hmacverify.Scheme{Name: "viber", Signature: []string{"X-Viber-Content-Signature"}}
}
