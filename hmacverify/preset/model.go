package preset

import (
	"time"

	"github.com/hookonce/hookonce/hmacverify"
)

// models are language models, and the platforms that run them and apps.
func models() []hmacverify.Scheme {
	return []hmacverify.Scheme{
		OpenAI(), Anthropic(), Browserbase(), Cursor(), ElevenLabs(), Gemini(), Replicate(), Retell(), Supabase(),
	}
}

// OpenAI returns the scheme of OpenAI
// (https://platform.openai.com/docs/guides/webhooks): Standard Webhooks. The key
// is base64 after "whsec_". Identity: SignedID, the header webhook-id.
func OpenAI() hmacverify.Scheme {
	return standard("openai", "webhook", "whsec_", "type", hmacverify.Sender{
		Title: "OpenAI", Docs: "https://platform.openai.com/docs/guides/webhooks",
		Retries: hmacverify.RetriesAll, RetryWindow: 72 * time.Hour, RetrySchedule: "exponentially for 72 h",
		Notes: "Wants an answer within a few seconds. 3xx is a failure. Bodies are thin: fetch the object. Its SDK accepts 300 s.",
		Facts: []hmacverify.Fact{
			code("signature", "openai 6.49.0 on npm"),
			copied("", "Hookdeck's guide, which restates the sender's page"),
		},
	})
}

// Anthropic returns the scheme of Anthropic, whose SDK verifies with the
// Standard Webhooks library. The key is base64 after "whsec_". Type: data.type,
// because type is always "event". Identity: SignedID, the header webhook-id.
func Anthropic() hmacverify.Scheme {
	return standard("anthropic", "webhook", "whsec_", "data.type", hmacverify.Sender{
		Title:   "Anthropic",
		Retries: hmacverify.RetriesAll, RetrySchedule: "at least once",
		Instead:  map[int]int{301: 500, 302: 500, 303: 500, 307: 500, 308: 500},
		Disables: "3xx at once; about 20 failures in a row",
		Notes:    "A redirect of a handler is answered 500. Bodies are thin: fetch the object. The documented key for duplicates is the body's id, the same in each retry.",
		Facts: []hmacverify.Fact{
			code("signature", "@anthropic-ai/sdk 1.14.0 on npm, which uses the Standard Webhooks library"),
			hearsay("", "Hookdeck's skill for agents"),
		},
	})
}

// Gemini returns the scheme of the Gemini API with a static secret
// (https://ai.google.dev/gemini-api/docs/webhooks): Standard Webhooks. The key is
// base64 after "whsec_". Identity: SignedID, the header webhook-id. Webhooks of
// single jobs are JWTs with RS256 and do not suit this preset.
func Gemini() hmacverify.Scheme {
	return standard("gemini", "webhook", "whsec_", "type", hmacverify.Sender{
		Title: "Gemini API", Docs: "https://ai.google.dev/gemini-api/docs/webhooks",
		Retries: hmacverify.RetriesAll, RetryWindow: day, RetrySchedule: "exponentially for 24 h",
		Notes: "Wants an answer within a few seconds. Bodies are thin: fetch the object.",
		Facts: []hmacverify.Fact{copied("", "Hookdeck's guide, which restates the sender's page")},
	})
}

// Replicate returns the scheme of Replicate
// (https://replicate.com/docs/topics/webhooks/verify-webhook): Standard Webhooks.
// The key is base64 after "whsec_". A body is a prediction, without a type;
// status says how far it is. Identity: SignedID, the header webhook-id.
func Replicate() hmacverify.Scheme {
	return standard("replicate", "webhook", "whsec_", "", hmacverify.Sender{
		Title: "Replicate", Docs: "https://replicate.com/docs/topics/webhooks/verify-webhook",
		Retries: hmacverify.RetriesSome, RetryWindow: time.Minute,
		RetrySchedule: "the final event only, until 1 min after; intermediate ones never",
		RetryTime:     hmacverify.RetryTimeNew,
		Notes:         "Wants an answer within a few seconds. An intermediate event that fails once is lost.",
		Facts: []hmacverify.Fact{
			code("signature", "replicate 1.4.0 on npm"),
			docs("", "https://replicate.com/docs/topics/webhooks, receive-webhook and verify-webhook"),
		},
	})
}

// Supabase returns the scheme of Supabase auth hooks
// (https://supabase.com/docs/guides/auth/auth-hooks): Standard Webhooks. The key
// is base64 after "v1,whsec_". Each hook has its own URL, and bodies no type.
// Identity: SignedID, the header webhook-id.
//
// The response decides over the login, so a duplicate must get the first one.
func Supabase() hmacverify.Scheme {
	return standard("supabase", "webhook", "v1,whsec_", "", hmacverify.Sender{
		Title: "Supabase auth hooks", Docs: "https://supabase.com/docs/guides/auth/auth-hooks",
		Waits: 5 * time.Second, Success: []int{200, 202, 204},
		Retries: hmacverify.RetriesSome, RetryWindow: 5 * time.Second,
		RetrySchedule: "429 and 503 with any Retry-After, within the 5 s",
		Duplicate:     hmacverify.Replay,
		Notes:         "The response is the reply to the login. 5 s are for all attempts together. 204 only where no body is due. After 400 or 403 the user gets a 500.",
		Facts: []hmacverify.Fact{
			docs("signature", "https://supabase.com/docs/guides/auth/auth-hooks/send-sms-hook"),
			docs("", "https://supabase.com/docs/guides/auth/auth-hooks; supabase/supabase#38141"),
		},
	})
}

// Browserbase returns the scheme of Browserbase
// (https://docs.browserbase.com/platform/webhooks/verifying-deliveries): Standard
// Webhooks. The key is base64 after "whsec_". Identity: SignedID, the header
// webhook-id.
func Browserbase() hmacverify.Scheme {
	return standard("browserbase", "webhook", "whsec_", "type", hmacverify.Sender{
		Title: "Browserbase", Docs: "https://docs.browserbase.com/platform/webhooks/verifying-deliveries",
		Waits:   15 * time.Second,
		Retries: hmacverify.RetriesAll, RetryWindow: svixWindow,
		RetrySchedule: "at once, then with Svix's gaps: 5 s, 5 and 30 min, 2, 5, 10 and 10 h",
		Notes:         "Comes out of order: go by type and by the state in data. The body's id is the same in retries.",
		Facts:         []hmacverify.Fact{docs("", "https://docs.browserbase.com/platform/webhooks/verifying-deliveries")},
	})
}

// Cursor returns the scheme of Cursor's cloud agents
// (https://docs.cursor.com/account/cloud-agent-webhooks). Identity: BodyDigest,
// because a body holds agent, status and time; unconfirmed.
func Cursor() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "cursor",
		Signature: []string{"X-Webhook-Signature"},
		Prefix:    "sha256=",
		Type:      hmacverify.Field{JSON: "event"},
		Identity:  hmacverify.BodyDigest,
		Sender: hmacverify.Sender{
			Title: "Cursor", Docs: "https://docs.cursor.com/account/cloud-agent-webhooks",
			Facts: []hmacverify.Fact{copied("", hookdeckSkills), unconfirmed("identity")},
		},
	}
}

// ElevenLabs returns the scheme of ElevenLabs
// (https://elevenlabs.io/docs/overview/administration/webhooks). Identity:
// BodyDigest, because a body holds type, event_timestamp and the conversation;
// unconfirmed.
func ElevenLabs() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "elevenlabs",
		Signature: []string{"ElevenLabs-Signature"},
		List:      hmacverify.List{Sep: ",", KV: "=", Keys: []string{"v0"}, Single: true},
		Signed:    "{timestamp}.{body}",
		Timestamp: hmacverify.Timestamp{ListKey: "t", Tolerance: 30 * time.Minute},
		Type:      hmacverify.Field{JSON: "type"},
		Identity:  hmacverify.BodyDigest,
		Sender: hmacverify.Sender{
			Title: "ElevenLabs", Docs: "https://elevenlabs.io/docs/overview/administration/webhooks",
			Success: []int{200},
			Retries: hmacverify.RetriesNone, Disables: "10 failures in a row, if none succeeded for 7 days",
			Notes: "What fails once is lost: store first, answer, then work. The tolerance is its SDK's.",
			Facts: []hmacverify.Fact{
				code("signature", "@elevenlabs/elevenlabs-js 2.73.0 on npm"), unconfirmed("identity"),
				dated("2025-08", docs("", "https://elevenlabs.io/docs, webhooks")),
			},
		},
	}
}

// Retell returns the scheme of Retell AI
// (https://docs.retellai.com/features/secure-webhook). The key is the API key with
// the webhook badge. Identity: BodyDigest, because a body holds the event's name
// and its call with times; unconfirmed.
func Retell() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "retell",
		Signature: []string{"X-Retell-Signature"},
		List:      hmacverify.List{Sep: ",", KV: "=", Keys: []string{"d"}, Single: true},
		Signed:    "{body}{timestamp}",
		Timestamp: hmacverify.Timestamp{ListKey: "v", Unit: hmacverify.Milliseconds},
		Type:      hmacverify.Field{JSON: "event"},
		Identity:  hmacverify.BodyDigest,
		Sender: hmacverify.Sender{
			Title: "Retell AI", Docs: "https://docs.retellai.com/features/secure-webhook",
			Waits:   10 * time.Second,
			Retries: hmacverify.RetriesAll, RetrySchedule: "up to 3 times",
			Notes: "For duplicates, Hookdeck's account of its page names the pair of event and call_id.",
			Facts: []hmacverify.Fact{
				code("signature", "retell-sdk 5.66.1 on npm"), unconfirmed("identity"), copied("", hookdeckSkills),
			},
		},
	}
}
