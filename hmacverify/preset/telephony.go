package preset

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
)

// telephony is calls and text messages.
func telephony() []hmacverify.Scheme {
	return []hmacverify.Scheme{Sinch(), Telnyx(), Twilio(), TwilioJSON()}
}

// Twilio returns the scheme of Twilio's form callbacks
// (https://www.twilio.com/docs/usage/webhooks/webhooks-security). The key is the
// auth token. Set Options.URL, with its query. For JSON bodies see [TwilioJSON].
// Identity: NoIdentity: the fields are signed without the edges between them, and
// the same digits may be pressed twice.
func Twilio() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "twilio",
		Algorithm: hmacverify.SHA1,
		Signature: []string{"X-Twilio-Signature"},
		Encoding:  hmacverify.Base64,
		Signed:    "{url}{params}",
		URLForm:   hmacverify.URLAnyPort,
		Sender:    twilioSender("Twilio", "application/x-www-form-urlencoded"),
	}
}

// TwilioJSON returns the scheme of Twilio's callbacks with JSON bodies
// (https://www.twilio.com/docs/usage/webhooks/webhooks-security): the URL is
// signed, with the body's digest bodySHA256 as its last query parameter. The key
// is the auth token. Set Options.URL, with its query but without bodySHA256: we
// compute it, because what a request says of its own body proves nothing.
// Identity: NoIdentity, as for [Twilio].
func TwilioJSON() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "twilio-json",
		Algorithm: hmacverify.SHA1,
		Signature: []string{"X-Twilio-Signature"},
		Encoding:  hmacverify.Base64,
		Signed:    "{url}{body}", // its digest
		URLForm:   hmacverify.URLAnyPort,
		Sender:    twilioSender("Twilio with JSON bodies", ""),
		Extract:   extractTwilio,
	}
}

func twilioSender(title, bodyType string) hmacverify.Sender {
	return hmacverify.Sender{
		Title: title, Docs: "https://www.twilio.com/docs/usage/webhooks/webhooks-security",
		Waits:   15 * time.Second,
		Retries: hmacverify.RetriesSome, RetrySchedule: "once, if it cannot connect; can be set in the URL",
		Duplicate: hmacverify.Replay,
		BodyType:  bodyType,
		Notes:     "The response is the reply: TwiML, or 204 to a status callback; that is general knowledge. Waits 5 s for the connection. Status callbacks come out of order. Event Streams send arrays, wait 5 s and retry for 4 h.",
		Facts: []hmacverify.Fact{
			vector("twilio/twilio-go, client/request_validator_test.go"), copied("", restated), unconfirmed("responses"),
		},
	}
}

func extractTwilio(r hmacverify.Received) (hmacverify.Extracted, error) {
	base, _, _ := strings.Cut(r.URL, "bodySHA256=")
	base = strings.TrimRight(base, "?&")
	separator := "?"
	if strings.Contains(base, "?") {
		separator = "&"
	}
	sum := sha256.Sum256(r.Body)
	return hmacverify.Extracted{Signed: []byte(base + separator + "bodySHA256=" + hex.EncodeToString(sum[:]))}, nil
}

// Telnyx returns the scheme of Telnyx
// (https://developers.telnyx.com/docs/messaging/messages/receiving-webhooks). The
// key is the public key in base64. Identity: SignedID, the body's data.id.
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
		Sender: hmacverify.Sender{
			Title: "Telnyx", Docs: "https://developers.telnyx.com/docs/messaging/messages/receiving-webhooks",
			Success: []int{200},
			Retries: hmacverify.RetriesAll, RetrySchedule: "then to the failover URL; not said how often",
			RetryTime: hmacverify.RetryTimeNew,
			Notes:     bodyDiffers + " (meta.attempt), and may go to the failover URL: use one scope for both.",
			Facts: []hmacverify.Fact{
				docs("", "https://developers.telnyx.com/docs/messaging/messages/receiving-webhooks"),
				byWording("https://developers.telnyx.com, receiving-webhooks"),
			},
		},
	}
}

// Sinch returns the scheme of Sinch
// (https://developers.sinch.com/docs/conversation/callbacks). The signed nonce
// tells deliveries apart and not events, as a retry has another one. Identity:
// BodyDigest, because a body holds its message's ID and time.
func Sinch() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "sinch",
		Signature: []string{"X-Sinch-Webhook-Signature"},
		Encoding:  hmacverify.Base64,
		Signed:    "{body}.{header:X-Sinch-Webhook-Signature-Nonce}.{timestamp}",
		Timestamp: hmacverify.Timestamp{Header: "X-Sinch-Webhook-Signature-Timestamp"},
		Identity:  hmacverify.BodyDigest,
		Sender: hmacverify.Sender{
			Title: "Sinch", Docs: "https://developers.sinch.com/docs/conversation/callbacks",
			Retries:       hmacverify.RetriesSome,
			RetrySchedule: "Conversation: after temporary errors only; SMS: after 5xx and 429 only, with gaps doubling from 5 s to 22 h 45 min",
			Facts:         []hmacverify.Fact{registry(), docs("", "https://developers.sinch.com"), code("retries", "Sinch's code or staff, on SMS")},
		},
	}
}
