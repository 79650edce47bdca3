package preset

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
)

// telephony is calls and text messages.
func telephony() []hmacverify.Scheme {
	return []hmacverify.Scheme{Plivo(), Sinch(), Surge(), Telnyx(), Twilio(), TwilioJSON()}
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
				code("signature", "telnyx 7.24.0, lib/webhooks"),
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
			Notes:         "Numbers, Verification and Voice sign otherwise.",
			Facts: []hmacverify.Fact{
				code("signature", "@sinch/sdk-client 1.5.0"), docs("", "https://developers.sinch.com"),
				code("retries", "Sinch's code or staff, on SMS"),
			},
		},
	}
}

// Plivo returns the scheme of Plivo's form callbacks, V3
// (https://www.plivo.com/docs/voice/concepts/signature-validation). The key is the
// auth token. Set Options.URL, with its query. Identity: NoIdentity: the fields are
// signed without the edges between them, and the nonce tells deliveries apart and not
// events.
func Plivo() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "plivo",
		Signature: []string{"X-Plivo-Signature-V3"},
		List:      hmacverify.List{Sep: ","},
		Encoding:  hmacverify.Base64,
		Signed:    "{url}{params}",
		Extract:   extractPlivo,
		Sender: hmacverify.Sender{
			Title: "Plivo", Docs: "https://www.plivo.com/docs/voice/concepts/signature-validation",
			Duplicate: hmacverify.Replay,
			BodyType:  "application/x-www-form-urlencoded",
			Notes:     "The response is the reply: XML; that is general knowledge. X-Plivo-Signature-Ma-V3, under the main account's token, is not read.",
			Facts:     []hmacverify.Fact{code("signature", "plivo 4.79.0, validateV3Signature"), unconfirmed("responses")},
		},
	}
}

// extractPlivo puts together what Plivo signs: the URL with its parameters sorted and
// decoded, the fields of the body sorted, and the nonce, with a dot between them.
func extractPlivo(r hmacverify.Received) (hmacverify.Extracted, error) {
	fields, err := url.ParseQuery(string(r.Body))
	if err != nil {
		return hmacverify.Extracted{}, errors.New("body is not a form")
	}
	address, query, _ := strings.Cut(r.URL, "?")
	parameters, err := url.ParseQuery(query)
	if err != nil {
		return hmacverify.Extracted{}, errors.New("the query of Options.URL is not a form")
	}
	asked, sent := sortedPairs(parameters, "=", "&"), sortedPairs(fields, "", "")
	if len(parameters)+len(fields) > 0 {
		address += "?" + asked
	}
	if len(parameters) > 0 && len(fields) > 0 {
		address += "."
	}
	return hmacverify.Extracted{Signed: []byte(address + sent + "." + r.Header.Get("X-Plivo-Signature-V3-Nonce"))}, nil
}

// sortedPairs joins names and values, sorted by both.
func sortedPairs(values url.Values, equals, and string) string {
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		for _, value := range slices.Sorted(slices.Values(values[name])) {
			pairs = append(pairs, name+equals+value)
		}
	}
	return strings.Join(pairs, and)
}

// Surge returns the scheme of Surge
// (https://docs.surge.app/api-reference/webhooks/signature-validation). The list holds one
// v1 for each key while keys are changed. Identity: SignedID, the body's id; that a retry
// repeats it is unconfirmed.
func Surge() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "surge",
		Signature: []string{"Surge-Signature"},
		List:      hmacverify.List{Sep: ",", KV: "=", Keys: []string{"v1"}},
		Signed:    "{timestamp}.{body}",
		Timestamp: hmacverify.Timestamp{ListKey: "t"},
		ID:        hmacverify.Field{JSON: "id"},
		Type:      hmacverify.Field{JSON: "type"},
		Identity:  hmacverify.SignedID,
		Sender: hmacverify.Sender{
			Title: "Surge", Docs: "https://docs.surge.app/api-reference/webhooks/signature-validation",
			Facts: []hmacverify.Fact{
				docs("", "https://docs.surge.app/api-reference/webhooks/signature-validation"), unconfirmed("identity"),
			},
		},
	}
}
