package senders_test

import (
	"cmp"
	"maps"
	"net/http"

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
		{name: "@easypost/api", scheme: easyPost(), not: noEmpty},
		{name: "@kontent-ai/webhook-helper", scheme: kontent(), signs: true},
		{name: "@liveblocks/node", scheme: preset.StandardWebhooks(), key: "whsec_" + base64Key, not: noEmpty},
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
		{name: "crisp-api", scheme: crisp(), not: ownJSON},
		{name: "cronofy", scheme: preset.Cronofy(), not: noEmpty},
		{name: "discord-interactions", scheme: preset.Discord(), key: ed25519Public, private: ed25519Seed},
		{name: "gocardless-nodejs", scheme: preset.GoCardless()},
		{name: "imagekit", scheme: imageKit(), not: noEmpty},
		{name: "mailtrap", scheme: mailtrap(), not: noEmpty},
		{name: "modern-treasury", scheme: modernTreasury(), signs: true},
		{name: "pusher", scheme: pusher(), signs: true, not: noEmpty, header: http.Header{"X-Pusher-Key": {"key"}}},
		{name: "razorpay", scheme: preset.Razorpay()},
		{name: "replicate", scheme: preset.Replicate(), key: "whsec_" + base64Key, not: noEmpty},
		{name: "resend", scheme: preset.Resend(), key: "whsec_" + base64Key},
		{name: "smartcar", scheme: smartcar(), signs: true, not: ownJSON},
		{name: "standardwebhooks", scheme: preset.StandardWebhooks(), key: "whsec_" + base64Key, signs: true},
		{name: "stripe", scheme: preset.Stripe(), signs: true},
		{name: "svix", scheme: preset.Svix(), key: "whsec_" + base64Key, signs: true, not: noEmpty},
	})
}

// complete fills the defaults in.
func complete(packages []sdk) []sdk {
	for i := range packages {
		p := &packages[i]
		p.key = cmp.Or(p.key, textKey)
		if p.body == nil {
			p.body = jsonBody
		}
		header := http.Header{"Content-Type": {"application/json"}}
		if id := p.scheme.ID.Header; id != "" {
			header.Set(id, "msg_1")
		}
		maps.Copy(header, p.header)
		p.header = header
	}
	return packages
}

// A pair of keys in hex.
const (
	ed25519Seed   = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
	ed25519Public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
)

// Schemes that have no preset yet, as their packages have them.

func cord() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name: "cord", Signature: []string{"X-Cord-Signature"}, Encoding: hmacverify.Base64,
		Signed: "{timestamp}:{body}", Timestamp: hmacverify.Timestamp{Header: "X-Cord-Timestamp", Unit: hmacverify.Milliseconds},
	}
}

func crisp() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name: "crisp", Signature: []string{"X-Crisp-Signature"},
		Signed: "[{timestamp};{body}]", Timestamp: hmacverify.Timestamp{Header: "X-Crisp-Request-Timestamp", Unit: hmacverify.Milliseconds},
	}
}

func easyPost() hmacverify.Scheme {
	return hmacverify.Scheme{Name: "easypost", Signature: []string{"X-Hmac-Signature"}, Prefix: "hmac-sha256-hex="}
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

func mailtrap() hmacverify.Scheme {
	return hmacverify.Scheme{Name: "mailtrap", Signature: []string{"Mailtrap-Signature"}}
}

func modernTreasury() hmacverify.Scheme {
	return hmacverify.Scheme{Name: "modern-treasury", Signature: []string{"X-Signature"}}
}

func nango() hmacverify.Scheme {
	return hmacverify.Scheme{Name: "nango", Signature: []string{"X-Nango-Hmac-Sha256"}}
}

func pusher() hmacverify.Scheme {
	return hmacverify.Scheme{Name: "pusher", Signature: []string{"X-Pusher-Signature"}}
}

func smartcar() hmacverify.Scheme {
	return hmacverify.Scheme{Name: "smartcar", Signature: []string{"Sc-Signature"}}
}

func big() []sdk { return complete(nil) }
