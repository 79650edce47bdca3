package preset

import (
	"github.com/hookonce/hookonce/hmacverify"
)

// relays are gateways that pass on the webhooks of others, and services of realtime
// messages.
func relays() []hmacverify.Scheme {
	return []hmacverify.Scheme{Convoy(), Hookdeck(), Liveblocks(), Pusher(), Stream(), TriggerDev()}
}

// Convoy returns the scheme of a Convoy gateway with advanced signatures in its usual
// form, SHA-256 in hex (https://www.getconvoy.io/docs/product-manual/signatures). Who
// runs the gateway may choose another header, hash or encoding, and may sign with
// several of them, v1 and v2: change what differs. Simple signatures are of the body
// alone, without time. Identity: NoIdentity, because the body is another sender's.
func Convoy() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "convoy",
		Signature: []string{"X-Convoy-Signature"},
		List:      hmacverify.List{Sep: ",", KV: "=", Keys: []string{"v1"}},
		Signed:    "{timestamp},{body}",
		Timestamp: hmacverify.Timestamp{ListKey: "t"},
		Sender: hmacverify.Sender{
			Title: "Convoy", Docs: "https://www.getconvoy.io/docs/product-manual/signatures",
			Notes: "What it retries is the choice of who runs it.",
			Facts: []hmacverify.Fact{code("signature", "frain-dev/convoy, pkg/signature/signature.go")},
		},
	}
}

// Hookdeck returns the scheme of Hookdeck, which passes on the webhooks of others
// (https://hookdeck.com/docs/authentication). The key is the project's signing secret;
// while it is changed, a second header has the other key's signature: give both.
// Identity: NoIdentity, because the body is another sender's: key on its ID.
// X-Hookdeck-EventID, the same in retries, is not signed.
func Hookdeck() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "hookdeck",
		Signature: []string{"X-Hookdeck-Signature", "X-Hookdeck-Signature-2"},
		Encoding:  hmacverify.Base64,
		Sender: hmacverify.Sender{
			Title: "Hookdeck", Docs: "https://hookdeck.com/docs/authentication",
			Notes: "Only a destination with Hookdeck's own signature as its authentication is signed. X-Hookdeck-Verified, which is not signed, says whether the first sender's signature held. A project can change the prefix of the other headers.",
			Facts: []hmacverify.Fact{
				code("signature", "@hookdeck/sdk 0.4.0, webhooks/helpers"), copied("", "trigger.dev's SDK 4.8.3, on Hookdeck"),
			},
		},
	}
}

// Liveblocks returns the scheme of Liveblocks
// (https://liveblocks.io/docs/platform/webhooks): Standard Webhooks. The key is base64
// after "whsec_". Identity: SignedID, the header webhook-id.
func Liveblocks() hmacverify.Scheme {
	return standard("liveblocks", "webhook", "whsec_", "type", hmacverify.Sender{
		Title: "Liveblocks", Docs: "https://liveblocks.io/docs/platform/webhooks",
		Facts: []hmacverify.Fact{code("signature", "@liveblocks/node 3.24.2, WebhookHandler")},
	})
}

// Pusher returns the scheme of Pusher Channels
// (https://pusher.com/docs/channels/server_api/webhooks/). The key is the secret of the
// app key that X-Pusher-Key names. Identity: NoIdentity, because a body is a batch of
// events without IDs. Its time_ms is not read: no tolerance for it is known.
func Pusher() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "pusher",
		Signature: []string{"X-Pusher-Signature"},
		Sender: hmacverify.Sender{
			Title: "Pusher Channels", Docs: "https://pusher.com/docs/channels/server_api/webhooks/",
			Batch: "several events without IDs, and without times of their own, so that equal ones cannot be told apart",
			Notes: "While keys are changed, give the secrets of all.",
			Facts: []hmacverify.Fact{vector("pusher 5.3.4, tests/integration/webhook.js; pusher-http-go, its tests")},
		},
	}
}

// Stream returns the scheme of Stream, of chat and feeds
// (https://getstream.io/chat/docs/node/webhooks_overview/). The key is the app's API
// secret. Bodies may be gzip, compressed after they were signed. Identity: NoIdentity,
// because what tells its events apart is not confirmed.
func Stream() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:              "stream",
		Signature:         []string{"X-Signature"},
		Type:              hmacverify.Field{JSON: "type"},
		BeforeCompression: true,
		Sender: hmacverify.Sender{
			Title: "Stream", Docs: "https://getstream.io/chat/docs/node/webhooks_overview/",
			Notes: "The response to a webhook that runs before a message is sent decides on the message: give it an endpoint of its own, with Sender.Duplicate Replay.",
			Facts: []hmacverify.Fact{
				code("signature", "stream-chat 9.53.0, verifyAndParseWebhook"), unconfirmed("responses"),
			},
		},
	}
}

// TriggerDev returns the scheme of Trigger.dev's alerts
// (https://trigger.dev/docs/troubleshooting-alerts). Identity: SignedID, the body's id.
func TriggerDev() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "trigger-dev",
		Signature: []string{"X-Trigger-Signature-HmacSha256"},
		ID:        hmacverify.Field{JSON: "id"},
		Type:      hmacverify.Field{JSON: "type"},
		Identity:  hmacverify.SignedID,
		Sender: hmacverify.Sender{
			Title: "Trigger.dev", Docs: "https://trigger.dev/docs/troubleshooting-alerts",
			Notes: "That a retry has the same id, and each event its own, is unconfirmed.",
			Facts: []hmacverify.Fact{code("signature", "@trigger.dev/sdk 4.8.3, webhooks"), unconfirmed("identity")},
		},
	}
}
