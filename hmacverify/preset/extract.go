package preset

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/hookonce/hookonce/hmacverify"
)

// The senders whose signed bytes no template describes. Each is a Scheme like
// the others, with a small ExtractFunc.

// TwilioJSON is the scheme of Twilio's callbacks with JSON bodies
// (https://www.twilio.com/docs/usage/webhooks/webhooks-security). HMAC-SHA1 in
// base64 over the URL with bodySHA256, the body's digest, as its last query
// parameter. Set Options.URL, with its query but without bodySHA256: we compute
// it, because what a request says of its own body proves nothing. No
// timestamp. Identity: NoIdentity, as for [Twilio]. Vector.
func TwilioJSON() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "twilio-json",
		Algorithm: hmacverify.SHA1,
		Signature: []string{"X-Twilio-Signature"},
		Encoding:  hmacverify.Base64,
		Extract:   extractTwilio,
	}
}

func extractTwilio(url string, _ http.Header, body []byte) (hmacverify.Extracted, error) {
	if url == "" {
		return hmacverify.Extracted{}, errors.New("Options.URL is not set")
	}
	base, _, _ := strings.Cut(url, "bodySHA256=")
	base = strings.TrimRight(base, "?&")
	separator := "?"
	if strings.Contains(base, "?") {
		separator = "&"
	}
	sum := sha256.Sum256(body)
	return hmacverify.Extracted{Signed: []byte(base + separator + "bodySHA256=" + hex.EncodeToString(sum[:]))}, nil
}

// AdyenStandard is the scheme of Adyen's standard notifications
// (https://docs.adyen.com/development-resources/webhooks/secure-webhooks/verify-hmac-signatures).
// The signature is in the body, base64 over eight of its fields joined by
// colons; the key is hex. A body with more or less than one item is refused.
// No timestamp. Answer 200 with "[accepted]".
//
// Nothing but the eight fields is signed: pspReference, originalReference,
// merchantAccountCode, merchantReference, amount, eventCode and success. Do
// not act on others. Decoders read repeated names, and names in other case,
// differently, so a body in which one of these is repeated or written in
// another way is refused, and every decoder sees what was signed.
//
// ID: pspReference and eventCode, which Adyen says are the same in duplicates
// only; signed. Identity: SignedID. Vector.
func AdyenStandard() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:        "adyen-standard",
		Encoding:    hmacverify.Base64,
		KeyEncoding: hmacverify.HexKey,
		Type:        hmacverify.Field{JSON: "notificationItems.0.NotificationRequestItem.eventCode"},
		Identity:    hmacverify.SignedID,
		Extract:     extractAdyen,
	}
}

type adyenItem struct {
	PSPReference        string `json:"pspReference"`
	OriginalReference   string `json:"originalReference"`
	MerchantAccountCode string `json:"merchantAccountCode"`
	MerchantReference   string `json:"merchantReference"`
	EventCode           string `json:"eventCode"`
	Success             string `json:"success"`
	Amount              struct {
		Value    json.Number `json:"value"`
		Currency string      `json:"currency"`
	} `json:"amount"`
	Additional struct {
		Signature string `json:"hmacSignature"`
	} `json:"additionalData"`
}

func extractAdyen(_ string, _ http.Header, body []byte) (hmacverify.Extracted, error) {
	i, err := adyenItemOf(body)
	if err != nil {
		return hmacverify.Extracted{}, errors.New("body is not an Adyen notification of one item") // err would quote it
	}
	// A colon would let the texts be cut in other places. One of them may have
	// colons: it is what the others leave.
	others := i.PSPReference + i.OriginalReference + i.MerchantAccountCode + i.Amount.Currency + i.EventCode + i.Success
	if i.PSPReference == "" || strings.Contains(others, ":") {
		return hmacverify.Extracted{}, errors.New("reference missing or ambiguous")
	}
	return hmacverify.Extracted{
		Signed: []byte(strings.Join([]string{
			i.PSPReference, i.OriginalReference, i.MerchantAccountCode, i.MerchantReference,
			i.Amount.Value.String(), i.Amount.Currency, i.EventCode, i.Success,
		}, ":")),
		Signatures: []string{i.Additional.Signature},
		ID:         i.PSPReference + ":" + i.EventCode,
	}, nil
}

func adyenItemOf(body []byte) (i adyenItem, err error) {
	root, err := members(body, "notificationItems")
	if err != nil {
		return i, err
	}
	only, err := onlyElement(root["notificationItems"])
	if err != nil {
		return i, err
	}
	wrapper, err := members(only, "NotificationRequestItem")
	if err != nil {
		return i, err
	}
	item := wrapper["NotificationRequestItem"]
	fields, err := members(item, "pspReference", "originalReference", "merchantAccountCode", "merchantReference",
		"amount", "eventCode", "success", "additionalData")
	if err != nil {
		return i, err
	}
	if _, err := members(fields["amount"], "value", "currency"); err != nil {
		return i, err
	}
	if _, err := members(fields["additionalData"], "hmacSignature"); err != nil {
		return i, err
	}
	return i, json.Unmarshal(item, &i)
}

var errAmbiguous = errors.New("not one object or element, or a name that is not written in one way")

// members returns the members of an object that have one of the names. It is an
// error if one of those is there twice, also in another case, in which
// encoding/json and others take it for the same.
func members(object []byte, names ...string) (map[string]json.RawMessage, error) {
	found := make(map[string]json.RawMessage, len(names))
	d := json.NewDecoder(bytes.NewReader(object))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errAmbiguous
	}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		name, _ := t.(string)
		for _, wanted := range names {
			if !strings.EqualFold(name, wanted) {
				continue
			}
			if name != wanted || found[wanted] != nil {
				return nil, errAmbiguous
			}
			found[wanted] = value
		}
	}
	return found, atEnd(d)
}

// onlyElement returns the element of an array of one. It reads no further.
func onlyElement(array []byte) (element json.RawMessage, err error) {
	d := json.NewDecoder(bytes.NewReader(array))
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return nil, errAmbiguous
	}
	if err := d.Decode(&element); err != nil {
		return nil, err
	}
	return element, atEnd(d)
}

// atEnd reads the bracket that closes, after which there must be nothing. What
// stands there instead of a bracket leaves more to read.
func atEnd(d *json.Decoder) error {
	if _, err := d.Token(); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errAmbiguous
	}
	return nil
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
func MailgunUnsignedBody() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:     "mailgun",
		Type:     hmacverify.Field{JSON: "event-data.event"},
		Identity: hmacverify.SignedID,
		Extract:  extractMailgun,
	}
}

func extractMailgun(_ string, _ http.Header, body []byte) (hmacverify.Extracted, error) {
	var m struct {
		Signature struct{ Timestamp, Token, Signature string }
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return hmacverify.Extracted{}, errors.New("body is not a Mailgun event")
	}
	s := m.Signature
	if s.Timestamp == "" || s.Token == "" {
		return hmacverify.Extracted{}, errors.New("timestamp or token missing")
	}
	return hmacverify.Extracted{
		Signed:     []byte(s.Timestamp + s.Token),
		Signatures: []string{s.Signature},
		Timestamp:  s.Timestamp,
		ID:         s.Token,
	}, nil
}
