package idempotency

import (
	"errors"
	"net/http"

	"github.com/hookonce/hookonce/hmacverify"
)

// errNotVerified is a mistake in the wiring, and not the sender's.
var errNotVerified = errors.New("idempotency: request did not come through hmacverify")

// DeliveryKey returns the key of a request that hmacverify has verified. It rests
// on nothing but what the sender signed: the event ID if that was signed, else
// the body's digest if the sender never sends equal bodies for different events.
// Where neither can be had it returns an error; whoever wants the ID that is not
// signed sets the scheme's Identity to [hmacverify.InsecureUnsignedID].
//
// Its scope is the scheme and tenant.
//
// A handler that needs the event's ID takes it from [AttemptFrom]: of an ID that
// is twice in a body the first counts here, and decoders take the last.
func DeliveryKey(r *http.Request) (Key, error) {
	d, ok := hmacverify.FromContext(r.Context())
	if !ok {
		return Key{}, errNotVerified
	}
	id, err := d.IdempotencyID()
	if err != nil {
		return Key{}, err
	}
	return Key{Scope: scopeOf(d), ID: id}, nil
}

func scopeOf(d *hmacverify.Delivery) string {
	if d.Tenant == "" {
		return d.Scheme
	}
	return d.Scheme + "/" + d.Tenant
}
