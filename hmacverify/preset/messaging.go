package preset

import (
	"net/http"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
)

// Chat, mail, telephony, social networks and support desks.

// Slack is the scheme of Slack
// (https://docs.slack.dev/authentication/verifying-requests-from-slack). Hex
// after "v0=". Tolerance 5 minutes. ID: event_id, signed, for the Events API;
// commands and interactions are forms without it: for those set Identity to
// BodyDigest, because each carries its own trigger_id. Type: event.type.
// Identity: SignedID. Anything but 2xx is retried three times within an hour.
// For url_verification see [SlackChallenge]. Vector.
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
	}
}

// Twilio is the scheme of Twilio's form callbacks
// (https://www.twilio.com/docs/usage/webhooks/webhooks-security). HMAC-SHA1
// in base64 over the URL and the sorted form fields; the key is the auth
// token. Set Options.URL, with its query. No timestamp. Identity: NoIdentity:
// the fields are signed without the edges between them, and the same digits
// may be pressed twice. For JSON bodies see [TwilioJSON]. Vector.
func Twilio() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "twilio",
		Algorithm: hmacverify.SHA1,
		Signature: []string{"X-Twilio-Signature"},
		Encoding:  hmacverify.Base64,
		Signed:    "{url}{params}",
	}
}

// Mandrill is the scheme of Mandrill
// (https://mailchimp.com/developer/transactional/guides/track-respond-activity-webhooks/).
// HMAC-SHA1 in base64 over the URL and the sorted form fields. Set
// Options.URL. No timestamp. Identity: NoIdentity: the fields are signed, not
// the body's bytes. Registry.
func Mandrill() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "mandrill",
		Algorithm: hmacverify.SHA1,
		Signature: []string{"X-Mandrill-Signature"},
		Encoding:  hmacverify.Base64,
		Signed:    "{url}{params}",
	}
}

// Zoom is the scheme of Zoom (https://developers.zoom.us/docs/api/webhooks/).
// Hex after "v0=". Tolerance 5 minutes. There is no event ID. Type: event.
// Identity: BodyDigest, because a body carries event_ts and its object.
// Anything but 200 and 204 is retried three times. For
// endpoint.url_validation see [ZoomChallenge]. Registry.
func Zoom() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "zoom",
		Signature: []string{"X-Zm-Signature"},
		Prefix:    "v0=",
		Signed:    "v0:{timestamp}:{body}",
		Timestamp: hmacverify.Timestamp{Header: "X-Zm-Request-Timestamp"},
		Type:      hmacverify.Field{JSON: "event"},
		Identity:  hmacverify.BodyDigest,
	}
}

// Intercom is the scheme of Intercom
// (https://developers.intercom.com/docs/webhooks). HMAC-SHA1 in hex after
// "sha1=" over the body. No timestamp. ID: id, signed; unconfirmed. Type:
// topic. Identity: SignedID. Registry.
func Intercom() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "intercom",
		Algorithm: hmacverify.SHA1,
		Signature: []string{"X-Hub-Signature"},
		Prefix:    "sha1=",
		ID:        hmacverify.Field{JSON: "id"},
		Type:      hmacverify.Field{JSON: "topic"},
		Identity:  hmacverify.SignedID,
	}
}

// LINE is the scheme of LINE
// (https://developers.line.biz/en/docs/messaging-api/verify-webhook-signature/).
// Base64 over the body; the key is the channel secret. No timestamp header. A
// body is a batch. Identity: NoIdentity, because a redelivered body says that
// it is one, so its bytes change: key on each event's webhookEventId.
func LINE() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "line",
		Signature: []string{"X-Line-Signature"},
		Encoding:  hmacverify.Base64,
	}
}

// Meta is the scheme of Meta: Messenger, Instagram, WhatsApp
// (https://developers.facebook.com/docs/graph-api/webhooks/getting-started).
// Hex after "sha256=" over the body; the key is the app secret. No timestamp
// header. A body is a batch. Type: object. Identity: BodyDigest, because
// entries carry IDs and times; a retry may regroup them, so key on those to
// be sure. Anything but 200 is retried for a day and a half, by WhatsApp for
// seven days. Bodies of WhatsApp go up to 3 MB, over the default of
// Options.MaxBody. For hub.challenge see [MetaChallenge]. Registry.
func Meta() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "meta",
		Signature: []string{"X-Hub-Signature-256"},
		Prefix:    "sha256=",
		Type:      hmacverify.Field{JSON: "object"},
		Identity:  hmacverify.BodyDigest,
	}
}

// X is the scheme of X, once Twitter
// (https://docs.x.com/x-api/webhooks/introduction). Base64 after "sha256="
// over the body; the key is the app's consumer secret. No timestamp. There is
// no event ID. Identity: BodyDigest, because activities carry IDs and times.
// For the CRC see [XChallenge], whose answers would pass for signed bodies if
// those did not have to be JSON objects. Registry.
func X() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:       "x",
		Signature:  []string{"X-Twitter-Webhooks-Signature"},
		Prefix:     "sha256=",
		Encoding:   hmacverify.Base64,
		Identity:   hmacverify.BodyDigest,
		JSONObject: true,
	}
}

// Twitch is the scheme of Twitch EventSub
// (https://dev.twitch.tv/docs/eventsub/handling-webhook-events/). Hex after
// "sha256=" over ID, time and body. Tolerance 10 minutes. ID:
// Twitch-Eventsub-Message-Id, signed. Type: Twitch-Eventsub-Message-Type, not
// signed; the subscription's is in the body. Identity: SignedID. Registry.
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
	}
}

// Klaviyo is the scheme of Klaviyo
// (https://developers.klaviyo.com/en/docs/working_with_system_webhooks). Hex
// over the body and Klaviyo-Timestamp, an HTTP date, with nothing between.
// Tolerance 5 minutes. Identity: NoIdentity, because a body is a batch and
// what tells batches apart is not confirmed. Registry.
func Klaviyo() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "klaviyo",
		Signature: []string{"Klaviyo-Signature"},
		Signed:    "{body}{timestamp}",
		Timestamp: hmacverify.Timestamp{Header: "Klaviyo-Timestamp", Layout: http.TimeFormat},
	}
}

// Front is the scheme of Front
// (https://dev.frontapp.com/docs/application-webhooks). Base64 over time,
// colon and body. Tolerance 5 minutes of milliseconds. Type: type. Identity:
// NoIdentity, because what tells its events apart is not confirmed. Registry.
func Front() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "front",
		Signature: []string{"X-Front-Signature"},
		Encoding:  hmacverify.Base64,
		Signed:    "{timestamp}:{body}",
		Timestamp: hmacverify.Timestamp{Header: "X-Front-Request-Timestamp", Unit: hmacverify.Milliseconds},
		Type:      hmacverify.Field{JSON: "type"},
	}
}

// Sinch is the scheme of Sinch
// (https://developers.sinch.com/docs/conversation/callbacks). Base64 over
// body, nonce and time, with dots between. Tolerance 5 minutes. The nonce
// tells deliveries apart and not events, as a retry has another one. Identity:
// BodyDigest, because a body carries its message's ID and time. Registry.
func Sinch() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "sinch",
		Signature: []string{"X-Sinch-Webhook-Signature"},
		Encoding:  hmacverify.Base64,
		Signed:    "{body}.{header:X-Sinch-Webhook-Signature-Nonce}.{timestamp}",
		Timestamp: hmacverify.Timestamp{Header: "X-Sinch-Webhook-Signature-Timestamp"},
		Identity:  hmacverify.BodyDigest,
	}
}

// Zendesk is the scheme of Zendesk
// (https://developer.zendesk.com/documentation/webhooks/verifying/). Base64
// over time and body; the secret looks like base64 and is used as it is.
// Tolerance 5 minutes. ID: id, signed. Type: type. Identity: SignedID.
// Webhooks of triggers send what their author wrote: set Identity to
// NoIdentity and ID to nothing for those.
func Zendesk() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "zendesk",
		Signature: []string{"X-Zendesk-Webhook-Signature"},
		Encoding:  hmacverify.Base64,
		Signed:    "{timestamp}{body}",
		Timestamp: hmacverify.Timestamp{Header: "X-Zendesk-Webhook-Signature-Timestamp", Unit: hmacverify.RFC3339},
		ID:        hmacverify.Field{JSON: "id"},
		Type:      hmacverify.Field{JSON: "type"},
		Identity:  hmacverify.SignedID,
	}
}

// TikTok is the scheme of TikTok
// (https://developers.tiktok.com/doc/webhooks-verification). A list of t and
// s. Tolerance 5 minutes. Type: event. Identity: BodyDigest, because a body
// carries create_time and its user; unconfirmed. Anything but 200 is retried
// for three days. Registry.
func TikTok() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "tiktok",
		Signature: []string{"TikTok-Signature"},
		List:      hmacverify.List{Sep: ",", KV: "=", Keys: []string{"s"}},
		Signed:    "{timestamp}.{body}",
		Timestamp: hmacverify.Timestamp{ListKey: "t"},
		Type:      hmacverify.Field{JSON: "event"},
		Identity:  hmacverify.BodyDigest,
	}
}

// Knock is the scheme of Knock
// (https://docs.knock.app/developer-tools/outbound-webhooks/overview). A list
// of t and s, in base64. Tolerance 5 minutes of milliseconds. Type: type.
// Identity: NoIdentity, because what tells its events apart is not confirmed.
// Registry.
func Knock() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "knock",
		Signature: []string{"X-Knock-Signature"},
		List:      hmacverify.List{Sep: ",", KV: "=", Keys: []string{"s"}},
		Encoding:  hmacverify.Base64,
		Signed:    "{timestamp}.{body}",
		Timestamp: hmacverify.Timestamp{ListKey: "t", Unit: hmacverify.Milliseconds},
		Type:      hmacverify.Field{JSON: "type"},
	}
}

// CustomerIO is the scheme of Customer.io
// (https://docs.customer.io/messaging/webhooks/). Hex over "v0:", time, colon
// and body. Tolerance 5 minutes. ID: event_id, signed; unconfirmed. Type:
// metric. Identity: SignedID. Registry.
func CustomerIO() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "customer-io",
		Signature: []string{"X-CIO-Signature"},
		Signed:    "v0:{timestamp}:{body}",
		Timestamp: hmacverify.Timestamp{Header: "X-CIO-Timestamp"},
		ID:        hmacverify.Field{JSON: "event_id"},
		Type:      hmacverify.Field{JSON: "metric"},
		Identity:  hmacverify.SignedID,
	}
}

// Airship is the scheme of Airship
// (https://docs.airship.com/guides/features/). Hex over time, colon and body.
// Tolerance 5 minutes. Identity: NoIdentity, because what tells its events
// apart is not confirmed. Registry.
func Airship() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "airship",
		Signature: []string{"X-UA-Signature"},
		Signed:    "{timestamp}:{body}",
		Timestamp: hmacverify.Timestamp{Header: "X-UA-Timestamp"},
	}
}

// Discord is the scheme of Discord interactions
// (https://discord.com/developers/docs/interactions/overview). Ed25519 in hex
// over time and body; the key is the application's public key in hex.
// Tolerance 5 minutes. ID: id, signed. Type: type, a number; 1 is a PING, to
// be answered with {"type":1}. Identity: SignedID.
//
// Webhook events of Discord are signed in the same way, but have other types
// (0 is a PING, to be answered with 204) and no ID: give them an endpoint of
// their own, with NoIdentity and Type event.type.
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
	}
}

// Telnyx is the scheme of Telnyx
// (https://developers.telnyx.com/docs/messaging/messages/receiving-webhooks).
// Ed25519 in base64 over time, bar and body; the key is the public key in
// base64. Tolerance 5 minutes. ID: data.id, signed. Type: data.event_type.
// Identity: SignedID.
func Telnyx() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:        "telnyx",
		Algorithm:   hmacverify.Ed25519,
		Signature:   []string{"Telnyx-Signature-Ed25519"},
		Encoding:    hmacverify.Base64,
		Signed:      "{timestamp}|{body}",
		Timestamp:   hmacverify.Timestamp{Header: "Telnyx-Timestamp"},
		KeyEncoding: hmacverify.Base64Key,
		ID:          hmacverify.Field{JSON: "data.id"},
		Type:        hmacverify.Field{JSON: "data.event_type"},
		Identity:    hmacverify.SignedID,
	}
}
