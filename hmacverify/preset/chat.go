package preset

import (
	"time"

	"github.com/hookonce/hookonce/hmacverify"
)

// chats are chat, meetings and social networks.
func chats() []hmacverify.Scheme {
	return []hmacverify.Scheme{Discord(), DiscordEvents(), LINE(), Meta(), Slack(), TikTok(), Twitch(), X(), Zoom()}
}

// Slack returns the scheme of Slack
// (https://docs.slack.dev/authentication/verifying-requests-from-slack), for the
// Events API. Commands and interactions are forms without an ID: for those set
// Identity to BodyDigest, because each holds its own trigger_id, and
// Sender.Duplicate to Replay. For url_verification see [SlackChallenge].
// Identity: SignedID, the body's event_id.
func Slack() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "slack",
		Signature: []string{"X-Slack-Signature"},
		Prefix:    "v0=",
		Signed:    "v0:{timestamp}:{body}",
		Timestamp: hmacverify.Timestamp{Header: "X-Slack-Request-Timestamp"},
		ID:        hmacverify.Field{JSON: "event_id"},
		Type:      hmacverify.Field{JSON: "event.type"},
		Identity:  hmacverify.SignedID,
		Sender: hmacverify.Sender{
			Title: "Slack", Docs: "https://docs.slack.dev/authentication/verifying-requests-from-slack",
			Waits:   3 * time.Second,
			Retries: hmacverify.RetriesAll, RetryWindow: 6 * time.Minute,
			RetrySchedule: "at once, after 1 min and after 5 min; with the option of delayed events also hourly for 24 h; the response header X-Slack-No-Retry: 1 stops it",
			Disables:      "failure of more than 95 % of events in 60 min, for apps with over 1000 an hour",
			Setup:         "url_verification, which SlackChallenge answers; app_rate_limited, which has no event_id and is acknowledged without work.",
			Pings:         []hmacverify.Ping{{JSON: "type", Value: `"app_rate_limited"`}},
			Notes:         "The response to a command or an interaction is shown to the user, within 3 s and without retries, so a duplicate of one needs the first response (Replay). Two redirects are followed, users say.",
			Facts: []hmacverify.Fact{
				vector("https://docs.slack.dev/authentication/verifying-requests-from-slack"),
				copied("", restated), unconfirmed("responses"),
			},
		},
	}
}

// Discord returns the scheme of Discord interactions
// (https://discord.com/developers/docs/interactions/overview). The key is the
// application's public key in hex. Type: a number; 1 is a PING, to be answered
// with {"type":1}. Identity: SignedID, the body's id.
// For webhook events, which are signed alike, see [DiscordEvents].
func Discord() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:        "discord",
		Algorithm:   hmacverify.Ed25519,
		Signature:   []string{"X-Signature-Ed25519"},
		Signed:      "{timestamp}{body}",
		Timestamp:   hmacverify.Timestamp{Header: "X-Signature-Timestamp"},
		KeyEncoding: hmacverify.HexKey,
		ID:          hmacverify.Field{JSON: "id"},
		Type:        hmacverify.Field{JSON: "type"},
		Identity:    hmacverify.SignedID,
		Sender: hmacverify.Sender{
			Title: "Discord interactions", Docs: "https://discord.com/developers/docs/interactions/overview",
			Waits:     3 * time.Second,
			Retries:   hmacverify.RetriesNone,
			Duplicate: hmacverify.Replay,
			Setup:     "A PING of type 1 wants {\"type\":1}, which DiscordPing answers; wrong signatures on purpose want 401.",
			Notes:     "The response is the reaction. That nothing is retried is unconfirmed.",
			Facts: []hmacverify.Fact{
				code("signature", "discord-interactions 4.4.0"),
				dated("2026-08", docs("", "discord/discord-api-docs")), unconfirmed("retries"),
			},
		},
	}
}

// DiscordEvents returns the scheme of Discord's webhook events
// (https://docs.discord.com/developers/events/webhook-events). The key is the
// application's public key in hex. Identity:
// NoIdentity, because an event has no ID.
func DiscordEvents() hmacverify.Scheme {
	s := Discord()
	s.Name = "discord-events"
	s.ID, s.Identity = hmacverify.Field{}, hmacverify.NoIdentity
	s.Type = hmacverify.Field{JSON: "event.type"}
	s.Sender = hmacverify.Sender{
		Title: "Discord webhook events", Docs: "https://docs.discord.com/developers/events/webhook-events",
		Waits: 3 * time.Second, Success: []int{204}, NoBody: true,
		Retries: hmacverify.RetriesAll, RetryWindow: 10 * time.Minute, RetrySchedule: "exponentially for 10 min",
		Disables: "failing often",
		Setup:    "A PING of type 0 wants 204 with a Content-Type, which DiscordPing answers; wrong signatures on purpose want 401.",
		Facts: []hmacverify.Fact{
			code("signature", "discord-interactions 4.4.0"), dated("2026-08", docs("", "discord/discord-api-docs")),
		},
	}
	return s
}

// LINE returns the scheme of LINE
// (https://developers.line.biz/en/docs/messaging-api/verify-webhook-signature/).
// The key is the channel secret. A body is a batch. The identity of an event: its
// webhookEventId, with the body's destination, which is the bot. Identity:
// NoIdentity, because one that is sent again says so, so that its bytes change.
func LINE() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "line",
		Signature: []string{"X-Line-Signature"},
		Encoding:  hmacverify.Base64,
		Sender: hmacverify.Sender{
			Title: "LINE", Docs: "https://developers.line.biz/en/docs/messaging-api/verify-webhook-signature/",
			Success: []int{200},
			Retries: hmacverify.RetriesAll, RetrySchedule: "only if switched on; not said how often",
			Disables: "failure for a long time",
			Setup:    "A signed POST without events, which is acknowledged.",
			Pings:    []hmacverify.Ping{{JSON: "events", Value: "[]"}},
			Items: []hmacverify.Items{{
				JSON: "events.[]", ID: []string{"webhookEventId"}, Type: "type", Outer: []string{"destination"},
			}},
			Facts: []hmacverify.Fact{
				code("signature", "@line/bot-sdk 11.0.0, validate-signature"), copied("", "LINE, receiving-messages"),
			},
		},
	}
}

// Meta returns the scheme of Meta: Messenger, Instagram, WhatsApp
// (https://developers.facebook.com/docs/graph-api/webhooks/getting-started). The
// key is the app secret. For hub.challenge see [MetaChallenge]. Identity:
// BodyDigest, because a body is a batch of entries with IDs and times. A retry may group
// them differently, so each change, and each message of Messenger and Instagram, is an
// event of its own. The identity of an event: its digest, with its entry's id, since no ID is
// promised for all kinds. Several messages, or statuses, of WhatsApp in one change are
// events of their own, too: each with the change around it, and without the others.
func Meta() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "meta",
		Signature: []string{"X-Hub-Signature-256"},
		Prefix:    "sha256=",
		Type:      hmacverify.Field{JSON: "object"},
		Identity:  hmacverify.BodyDigest,
		Sender: hmacverify.Sender{
			Title: "Meta", Docs: "https://developers.facebook.com/docs/graph-api/webhooks/getting-started",
			Success: []int{200},
			Retries: hmacverify.RetriesAll, RetryWindow: 7 * day,
			RetrySchedule: "at once, then ever more rarely for 36 h, by WhatsApp for 7 days",
			Disables:      "an hour of failure, for Messenger, users say",
			MaxBody:       3 << 20,
			Setup:         "GET with hub.challenge, which MetaChallenge answers.",
			Items: []hmacverify.Items{{
				JSON: "entry.[].changes|messaging|standby.[]", Type: "field", Outer: []string{"entry.[].id"},
				Inner: []string{"value.messages", "value.statuses"},
			}},
			Batch: "up to 1000 changes, with no ID promised; a retry may group them differently",
			Facts: []hmacverify.Fact{
				copied("signature", skill("whatsapp")), copied("", "developers.facebook.com, docs/graph-api/webhooks"),
				hearsay("batch", "david-lev/pywa#229"),
				docs("items", "developers.facebook.com: WhatsApp, messages webhook reference; Messenger, webhook events; graph-api/webhooks"),
			},
		},
	}
}

// X returns the scheme of X, once Twitter
// (https://docs.x.com/x-api/webhooks/introduction). The key is the app's OAuth 2.0
// client secret, or the consumer secret of OAuth 1.0 where there is one: each signs
// in a header of its own. Give both keys while you move. For the CRC see
// [XChallenge], whose answers would pass for signed bodies if those did not have to
// be JSON objects. Identity: BodyDigest: there is no event ID, and activities hold
// IDs and times.
func X() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:       "x",
		Signature:  []string{"X-Twitter-Webhooks-Signature-OAuth2", "X-Twitter-Webhooks-Signature"},
		Prefix:     "sha256=",
		Encoding:   hmacverify.Base64,
		Identity:   hmacverify.BodyDigest,
		JSONObject: true,
		Sender: hmacverify.Sender{
			Title: "X", Docs: "https://docs.x.com/x-api/webhooks/introduction",
			Waits: 10 * time.Second, Success: []int{200},
			Disables: "a wrong answer to a CRC, or 28 h without a right one",
			Setup:    "CRCs at creation and then at least daily, which XChallenge answers with the client secret if the app has one; X's staff says that it waits 3 s.",
			Notes:    "An app that has only an OAuth 2.0 client secret gets X-Twitter-Webhooks-Signature-OAuth2 alone. Missed events can be replayed by a call of its API.",
			Facts: []hmacverify.Fact{
				docs("", "xdevplatform/docs, x-api/webhooks/introduction.mdx"), hearsay("setup", "X developer forum, thread 113152"),
			},
		},
	}
}

// Twitch returns the scheme of Twitch EventSub
// (https://dev.twitch.tv/docs/eventsub/handling-webhook-events/). Type: the
// header Twitch-Eventsub-Message-Type, which is not signed; the subscription's is
// in the body. Identity: SignedID, the header Twitch-Eventsub-Message-Id.
func Twitch() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "twitch",
		Signature: []string{"Twitch-Eventsub-Message-Signature"},
		Prefix:    "sha256=",
		Signed:    "{id}{timestamp}{body}",
		Timestamp: hmacverify.Timestamp{Header: "Twitch-Eventsub-Message-Timestamp", Unit: hmacverify.RFC3339, Tolerance: 10 * time.Minute},
		ID:        hmacverify.Field{Header: "Twitch-Eventsub-Message-Id"},
		Type:      hmacverify.Field{Header: "Twitch-Eventsub-Message-Type"},
		Identity:  hmacverify.SignedID,
		Sender: hmacverify.Sender{
			Title: "Twitch EventSub", Docs: "https://dev.twitch.tv/docs/eventsub/handling-webhook-events/",
			Waits:   time.Second,
			Retries: hmacverify.RetriesAll, RetrySchedule: "not said how often; with the same ID",
			Setup:    "A signed POST with a challenge, which TwitchChallenge echoes.",
			Notes:    "Users report waits of 1 to 2 s. A duplicate wants a 2xx.",
			Disables: "answers that are too slow too often: the subscription is revoked",
			Facts: []hmacverify.Fact{
				registry(), hearsay("signature", "@twurple/eventsub-http 8.1.4, a library of users, which agrees"),
				docs("responses", "https://dev.twitch.tv/docs/eventsub/handling-webhook-events"),
				copied("", "a copy of dev.twitch.tv"), hearsay("waits", "users' reports"),
			},
		},
	}
}

// TikTok returns the scheme of TikTok
// (https://developers.tiktok.com/doc/webhooks-verification). Identity: BodyDigest:
// there is no event ID, and a body holds create_time and its user. That two
// events in one second have different bodies is unconfirmed.
func TikTok() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "tiktok",
		Signature: []string{"TikTok-Signature"},
		List:      hmacverify.List{Sep: ",", KV: "=", Keys: []string{"s"}},
		Signed:    "{timestamp}.{body}",
		Timestamp: hmacverify.Timestamp{ListKey: "t"},
		Type:      hmacverify.Field{JSON: "event"},
		Identity:  hmacverify.BodyDigest,
		Sender: hmacverify.Sender{
			Title: "TikTok", Docs: "https://developers.tiktok.com/doc/webhooks-verification",
			Success: []int{200},
			Retries: hmacverify.RetriesAll, RetryWindow: 72 * time.Hour, RetrySchedule: "exponentially for 72 h",
			Notes: "Do not key on create_time and user: create_time is in seconds. Two events with equal content in a second are one here.",
			Facts: []hmacverify.Fact{
				docs("signature", "https://developers.tiktok.com/doc/webhooks-verification"), unconfirmed("identity"),
				docs("", "https://developers.tiktok.com, webhooks overview"),
			},
		},
	}
}

// Zoom returns the scheme of Zoom (https://developers.zoom.us/docs/api/webhooks/).
// For endpoint.url_validation see [ZoomChallenge]. Identity: BodyDigest: there is
// no event ID, and a body holds event_ts and its object.
func Zoom() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "zoom",
		Signature: []string{"X-Zm-Signature"},
		Prefix:    "v0=",
		Signed:    "v0:{timestamp}:{body}",
		Timestamp: hmacverify.Timestamp{Header: "X-Zm-Request-Timestamp"},
		Type:      hmacverify.Field{JSON: "event"},
		Identity:  hmacverify.BodyDigest,
		Sender: hmacverify.Sender{
			Title: "Zoom", Docs: "https://developers.zoom.us/docs/api/webhooks/",
			Waits: 3 * time.Second, Success: []int{200, 204},
			Retries: hmacverify.RetriesSome, RetryWindow: 85 * time.Minute,
			RetrySchedule: "after 5xx only, with gaps of 5, 20 and 60 min; an older page says after anything but 200 and 204",
			Setup:         "endpoint.url_validation, which ZoomChallenge answers.",
			Notes:         "3xx and 4xx lose the event. Whether a retry is signed anew is not documented; one receiver widened its tolerance to 90 min (nango#7484). Several subscriptions send duplicates.",
			Facts:         []hmacverify.Fact{code("signature", "@zoom/rivet 0.4.0; zoom/webhook-sample"), copied("", restated)},
		},
	}
}
