package hmacverify

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
)

// The senders whose signed bytes no template describes. Each is a Scheme like
// the others, with a small ExtractFunc.

// TwilioJSON is the scheme of Twilio's callbacks with JSON bodies
// (https://www.twilio.com/docs/usage/webhooks/webhooks-security). HMAC-SHA1 in
// base64 over the URL with bodySHA256, the body's digest, as its last query
// parameter. Set Options.URL, with its query but without bodySHA256: we compute
// it, because what a request says of its own body proves nothing. No
// timestamp. Identity: NoIdentity, as for [Twilio]. Vector.
func TwilioJSON() Scheme {
	return Scheme{
		Name:      "twilio-json",
		Algorithm: SHA1,
		Signature: []string{"X-Twilio-Signature"},
		Encoding:  Base64,
		Extract:   extractTwilio,
	}
}

func extractTwilio(url string, _ http.Header, body []byte) (Extracted, error) {
	if url == "" {
		return Extracted{}, errors.New("Options.URL is not set")
	}
	base, _, _ := strings.Cut(url, "bodySHA256=")
	base = strings.TrimRight(base, "?&")
	separator := "?"
	if strings.Contains(base, "?") {
		separator = "&"
	}
	sum := sha256.Sum256(body)
	return Extracted{Signed: []byte(base + separator + "bodySHA256=" + hex.EncodeToString(sum[:]))}, nil
}

// AdyenStandard is the scheme of Adyen's standard notifications
// (https://docs.adyen.com/development-resources/webhooks/secure-webhooks/verify-hmac-signatures).
// The signature is in the body, base64 over eight of its fields joined by
// colons; the key is hex. A body with more or less than one item is refused.
// No timestamp. Answer 200 with "[accepted]".
//
// Nothing but the eight fields is signed: pspReference, originalReference,
// merchantAccountCode, merchantReference, amount, eventCode and success. Do
// not act on others, and decode the body with encoding/json, as we do: other
// decoders read a body with repeated names differently.
//
// ID: pspReference and eventCode, which Adyen says are the same in duplicates
// only; signed. Identity: SignedID. Vector.
func AdyenStandard() Scheme {
	return Scheme{
		Name:        "adyen-standard",
		Encoding:    Base64,
		KeyEncoding: HexKey,
		Type:        Field{JSON: "notificationItems.0.NotificationRequestItem.eventCode"},
		Identity:    SignedID,
		Extract:     extractAdyen,
	}
}

type adyenNotification struct {
	Items []struct {
		Item struct {
			PSPReference        string `json:"pspReference"`
			OriginalReference   string `json:"originalReference"`
			MerchantAccountCode string `json:"merchantAccountCode"`
			MerchantReference   string `json:"merchantReference"`
			Amount              struct {
				Value    json.Number `json:"value"`
				Currency string      `json:"currency"`
			} `json:"amount"`
			EventCode  string `json:"eventCode"`
			Success    string `json:"success"`
			Additional struct {
				Signature string `json:"hmacSignature"`
			} `json:"additionalData"`
		} `json:"NotificationRequestItem"`
	} `json:"notificationItems"`
}

func extractAdyen(_ string, _ http.Header, body []byte) (Extracted, error) {
	var n adyenNotification
	if err := json.Unmarshal(body, &n); err != nil {
		return Extracted{}, errors.New("body is not an Adyen notification")
	}
	if len(n.Items) != 1 {
		return Extracted{}, errors.New("not exactly one notification item")
	}
	i := &n.Items[0].Item
	// A colon in one of these would let the ID be cut out in another place.
	if i.PSPReference == "" || strings.Contains(i.PSPReference+i.EventCode+i.Success, ":") {
		return Extracted{}, errors.New("reference missing or ambiguous")
	}
	return Extracted{
		Signed: []byte(strings.Join([]string{
			i.PSPReference, i.OriginalReference, i.MerchantAccountCode, i.MerchantReference,
			i.Amount.Value.String(), i.Amount.Currency, i.EventCode, i.Success,
		}, ":")),
		Signatures: []string{i.Additional.Signature},
		ID:         i.PSPReference + ":" + i.EventCode,
	}, nil
}

// MailgunUnsignedBody is the scheme of Mailgun
// (https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks).
// Its signature covers a timestamp and a random token in the body, and nothing
// else: whoever captures one delivery can send whatever event they like in its
// place, once, until the tolerance of 5 minutes ends. Hence the name. Ask the
// API for what matters.
//
// ID: the token, signed. Type: event-data.event, not signed. Identity:
// SignedID: a token that was used is a duplicate, whatever came with it. 406
// ends the retries; most other failures are repeated for eight hours.
// Unconfirmed: whether a retry has a new token and time. If it has not, those
// after 5 minutes are refused, unless the tolerance is longer. Registry.
func MailgunUnsignedBody() Scheme {
	return Scheme{
		Name:     "mailgun",
		Type:     Field{JSON: "event-data.event"},
		Identity: SignedID,
		Extract:  extractMailgun,
	}
}

func extractMailgun(_ string, _ http.Header, body []byte) (Extracted, error) {
	var m struct {
		Signature struct{ Timestamp, Token, Signature string }
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return Extracted{}, errors.New("body is not a Mailgun event")
	}
	s := m.Signature
	if s.Timestamp == "" || s.Token == "" {
		return Extracted{}, errors.New("timestamp or token missing")
	}
	return Extracted{
		Signed:     []byte(s.Timestamp + s.Token),
		Signatures: []string{s.Signature},
		Timestamp:  s.Timestamp,
		ID:         s.Token,
	}, nil
}
