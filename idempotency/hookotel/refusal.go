package hookotel

import (
	"errors"

	"github.com/hookonce/hookonce/hmacverify"
)

// refusals are the errors of hmacverify, as values of error.type.
var refusals = [...]struct {
	err    error
	reason string
}{
	{hmacverify.ErrConfig, "config"},
	{hmacverify.ErrMissing, "missing"},
	{hmacverify.ErrMalformed, "malformed"},
	{hmacverify.ErrTimestamp, "timestamp"},
	{hmacverify.ErrMismatch, "signature_mismatch"},
	{hmacverify.ErrNoKey, "no_key"},
	{hmacverify.ErrMethod, "method"},
	{hmacverify.ErrBodyTooLarge, "body_too_large"},
	{hmacverify.ErrBodyTimeout, "body_timeout"},
	{hmacverify.ErrBodyUnreadable, "body_unreadable"},
	{hmacverify.ErrOverloaded, "too_many_bodies"},
}

// refusal returns why a delivery was refused. Names that are kinds too would count as those.
func refusal(err error) string {
	for _, r := range refusals {
		if errors.Is(err, r.err) {
			return r.reason
		}
	}
	return "_OTHER"
}
