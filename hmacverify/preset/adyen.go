package preset

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
)

// Adyen returns the scheme of Adyen notifications that are signed in a header,
// such as those of Platforms
// (https://docs.adyen.com/development-resources/webhooks/secure-webhooks/verify-hmac-signatures).
// The key is hex. For standard payment notifications see [AdyenStandard].
// Identity: BodyDigest, because a body holds its object and time.
func Adyen() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:        "adyen",
		Signature:   []string{"HmacSignature"},
		Encoding:    hmacverify.Base64,
		KeyEncoding: hmacverify.HexKey,
		Type:        hmacverify.Field{JSON: "type"},
		Identity:    hmacverify.BodyDigest,
		Sender:      adyenSender("Adyen", code("signature", "@adyen/api-library 32.1.0 on npm")),
	}
}

// AdyenStandard returns the scheme of Adyen's standard notifications
// (https://docs.adyen.com/development-resources/webhooks/secure-webhooks/verify-hmac-signatures).
// The signature is in the body; the key is hex. A body with more or less than
// one item is refused. Answer 200 with "[accepted]". Identity: SignedID, the
// item's pspReference, originalReference, eventCode and success, which Adyen's own
// plugins tell duplicates by. Its page names pspReference and eventCode only; but a
// payment can fail and then succeed under one pspReference, and the second is no
// duplicate.
//
// # What is signed
//
// Only eight fields: pspReference, originalReference, merchantAccountCode,
// merchantReference, amount.value, amount.currency, eventCode and success. Do not
// act on others. Decoders read repeated names, and names in another case,
// differently, so a body in which one of these is repeated or written in another
// way is refused, and every decoder sees what was signed.
func AdyenStandard() hmacverify.Scheme {
	sender := adyenSender("Adyen standard notifications", vector(adyenDocs),
		code("identity", "Adyen/adyen-magento2#607, Adyen/adyen-commercetools#1324"),
		hearsay("batch", "docs.newstore.net, private-api/payments/psp_adyen_api"))
	sender.Batch = "an array, but of one item; a body with more is refused, because each item is signed by itself"
	return hmacverify.Scheme{
		Name:        "adyen-standard",
		Encoding:    hmacverify.Base64,
		KeyEncoding: hmacverify.HexKey,
		Type:        hmacverify.Field{JSON: "notificationItems.0.NotificationRequestItem.eventCode"},
		Identity:    hmacverify.SignedID,
		Sender:      sender,
		Extract:     extractAdyen,
	}
}

const adyenDocs = "https://docs.adyen.com/development-resources/webhooks/secure-webhooks/verify-hmac-signatures"

func adyenSender(title string, facts ...hmacverify.Fact) hmacverify.Sender {
	return hmacverify.Sender{
		Title: title, Docs: adyenDocs,
		Waits: 10 * time.Second, Success: []int{200, 202},
		Retries: hmacverify.RetriesAll, RetryWindow: 30 * day,
		RetrySchedule: "with gaps of 9, 18 and 27 s; then from a queue after 2, 5, 10, 15 and 30 min, 1, 2, 4 and 8 h, and every 8 h to 30 days",
		Blocks:        true,
		Notes:         "Redirects are failures. One failing event holds back all of its endpoint.",
		Facts:         append(facts, dated("2026-05", docs("", "https://docs.adyen.com, troubleshooting"))),
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

func extractAdyen(r hmacverify.Received) (hmacverify.Extracted, error) {
	i, err := adyenItemOf(withoutMark(r.Body))
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
		ID:         strings.Join([]string{i.PSPReference, i.OriginalReference, i.EventCode, i.Success}, ":"),
	}, nil
}

// withoutMark removes a byte order mark, which some senders put before their JSON.
func withoutMark(body []byte) []byte { return bytes.TrimPrefix(body, []byte("\xEF\xBB\xBF")) }

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
