package preset

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
)

// MercadoPagoUnsignedBody returns the scheme of Mercado Pago
// (https://www.mercadopago.com/developers/en/docs/your-integrations/notifications/webhooks).
// Its signature covers the object's ID, a request ID and a time, and nothing else
// of the body: an attacker who captures a delivery can send it with another action
// or type. Hence the name. Fetch the object by data.id, which is verified: where
// the URL has it too, the two must agree. Identity: NoIdentity, because data.id is
// the same each time that the object changes.
//
// Its time comes in seconds or in milliseconds, and of any age: it proves only that
// the object once had news.
func MercadoPagoUnsignedBody() hmacverify.Scheme {
	const page = "https://www.mercadopago.com/developers/en/docs/your-integrations/notifications/webhooks"
	return hmacverify.Scheme{
		Name:    "mercado-pago",
		Type:    hmacverify.Field{JSON: "action"},
		Extract: extractMercadoPago,
		Sender: hmacverify.Sender{
			Title: "Mercado Pago", Docs: page,
			Waits: 22 * time.Second, Success: []int{200, 201},
			Retries: hmacverify.RetriesAll, RetrySchedule: "every 15 min, then more rarely",
			Notes: "The body is not signed. Notifications of QR codes are not signed at all, its SDK says.",
			Facts: []hmacverify.Fact{
				code("signature", "mercadopago 3.6.1 on npm"), registry(), unconfirmed("waits"), unconfirmed("responses"), unconfirmed("retries"),
			},
		},
	}
}

func extractMercadoPago(r hmacverify.Received) (found hmacverify.Extracted, err error) {
	values := r.Header["X-Signature"]
	if len(values) != 1 {
		return found, errors.New("want one X-Signature")
	}
	entries, ok := uniqueEntries(values[0])
	if !ok || entries["ts"] == "" || entries["v1"] == "" {
		return found, errors.New("X-Signature has no ts and v1, or an entry twice")
	}
	id, err := mercadoPagoID(r)
	if err != nil {
		return found, err
	}
	manifest := "id:" + strings.ToLower(id) + ";"
	requestID := ""
	switch values := r.Header["X-Request-Id"]; len(values) {
	case 0: // then it is not signed either
	case 1:
		requestID = values[0]
		manifest += "request-id:" + requestID + ";"
	default:
		return found, errors.New("X-Request-Id given more than once")
	}
	if strings.Contains(id+requestID+entries["ts"], ";") {
		return found, errors.New("a separator in a signed value") // the text could be cut in other places
	}
	manifest += "ts:" + entries["ts"] + ";"
	found.Signed, found.Signatures = []byte(manifest), []string{entries["v1"]}
	return found, nil
}

// mercadoPagoID returns the body's data.id, which the one in the URL must equal.
func mercadoPagoID(r hmacverify.Received) (string, error) {
	root, err := members(withoutMark(r.Body), "data")
	if err != nil {
		return "", errors.New("body is not an object with one data") // err would quote it
	}
	data, err := members(root["data"], "id")
	if err != nil {
		return "", errors.New("data is not an object with one id")
	}
	var id string
	if json.Unmarshal(data["id"], &id) != nil {
		id = string(data["id"]) // a number
	}
	query, err := url.ParseQuery(r.Query)
	if err != nil || query.Has("data.id") && (len(query["data.id"]) != 1 || !strings.EqualFold(query.Get("data.id"), id)) {
		return "", errors.New("data.id of URL and body differ")
	}
	if id == "" {
		return "", errors.New("no data.id")
	}
	return id, nil
}
