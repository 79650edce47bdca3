package idempotency

import (
	"errors"
	"net/http"

	"github.com/hookonce/hookonce/hmacverify"
)

var (
	errNotVerified = errors.New("idempotency: request did not come through hmacverify")
	errNoID        = errors.New("idempotency: delivery without an event ID")
)

// DeliveryKey returns the key of a request that hmacverify has verified. It rests
// on nothing but what the sender signed: the event ID if that was signed, else
// the body's digest if the sender never sends equal bodies for different events.
// Where neither can be had it returns an error, see
// [hmacverify.Delivery.IdempotencyID].
//
// Its scope is [hmacverify.Delivery.Scope].
func DeliveryKey(r *http.Request) (Key, error) {
	d, ok := hmacverify.FromContext(r.Context())
	if !ok {
		return Key{}, errNotVerified
	}
	id, err := d.IdempotencyID()
	if err != nil {
		return Key{}, err
	}
	return Key{Scope: d.Scope(), ID: id}, nil
}

// ReplayableDeliveryKey is [DeliveryKey] with the delivery's ID as it is, signed
// or not. Where the ID is not signed it gives up the protection from replay:
// whoever captures a delivery can send it again under another ID and have its
// work done again.
//
// Use it for senders whose bodies repeat for different events and that sign no
// ID, if such a replay does no harm.
func ReplayableDeliveryKey(r *http.Request) (Key, error) {
	d, ok := hmacverify.FromContext(r.Context())
	if !ok {
		return Key{}, errNotVerified
	}
	if d.ID == "" {
		return Key{}, errNoID
	}
	return Key{Scope: d.Scope(), ID: d.ID}, nil
}
