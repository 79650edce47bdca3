package preset

import "github.com/hookonce/hookonce/hmacverify"

// Identity verification.

// Persona is the scheme of Persona (https://docs.withpersona.com/webhooks).
// The signature is a list of t and v1; while keys rotate there is one such
// list for each key, with a space between. Tolerance 5 minutes. ID: data.id
// of the body, signed. Type: data.attributes.name. Identity: SignedID.
// Anything but 2xx is retried; Persona-Webhook-Attempts-Made counts.
func Persona() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "persona",
		Signature: []string{"Persona-Signature"},
		List:      hmacverify.List{Sep: ",", KV: "=", Keys: []string{"v1"}, Group: " "},
		Signed:    "{timestamp}.{body}",
		Timestamp: hmacverify.Timestamp{ListKey: "t"},
		ID:        hmacverify.Field{JSON: "data.id"},
		Type:      hmacverify.Field{JSON: "data.attributes.name"},
		Identity:  hmacverify.SignedID,
	}
}

// Veriff is the scheme of Veriff
// (https://devdocs.veriff.com/docs/hmac-authentication-and-endpoint-security).
// X-HMAC-SIGNATURE, or VRF-HMAC-SIGNATURE, over the body in hex; the key is the
// integration's shared secret. No timestamp. There is no event ID, and the session's ID repeats
// with each decision. Identity: BodyDigest, because a body carries session,
// attempt and time of decision. The older X-SIGNATURE is a plain hash and is
// not accepted. Vector.
func Veriff() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "veriff",
		Signature: []string{"X-HMAC-SIGNATURE", "VRF-HMAC-SIGNATURE"},
		Type:      hmacverify.Field{JSON: "verification.status"},
		Identity:  hmacverify.BodyDigest,
	}
}

// Onfido is the scheme of Onfido, now Entrust
// (https://documentation.onfido.com/api/latest/#webhooks). X-SHA2-Signature
// over the body in hex; the key is the webhook's token. No timestamp. There
// is no event ID. Type: payload.action. Identity: BodyDigest, because a body
// carries object, action and time of completion. Vector.
func Onfido() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "onfido",
		Signature: []string{"X-SHA2-Signature"},
		Type:      hmacverify.Field{JSON: "payload.action"},
		Identity:  hmacverify.BodyDigest,
	}
}

// Sumsub is the scheme of Sumsub (https://docs.sumsub.com/docs/webhooks).
// X-Payload-Digest over the body in hex. The sender names the hash in
// X-Payload-Digest-Alg; this preset is HMAC_SHA256_HEX and looks at nothing
// that a client could downgrade. For HMAC_SHA512_HEX set Algorithm to SHA512.
// No timestamp header. Type: type. Identity: BodyDigest, because a body
// carries applicant, type and createdAtMs.
func Sumsub() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "sumsub",
		Signature: []string{"X-Payload-Digest"},
		Type:      hmacverify.Field{JSON: "type"},
		Identity:  hmacverify.BodyDigest,
	}
}

// Didit is the scheme of Didit (https://docs.didit.me/reference/webhooks).
// X-Signature over the body in hex. X-Timestamp is not signed by it, so it is
// not looked at. X-Signature-V2 signs re-sorted JSON and X-Signature-Simple
// leaves the decision out: neither is accepted. ID: event_id, signed, if there
// is one. Type: webhook_type. Identity: BodyDigest, because a body carries
// session, status and time.
func Didit() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "didit",
		Signature: []string{"X-Signature"},
		ID:        hmacverify.Field{JSON: "event_id"},
		Type:      hmacverify.Field{JSON: "webhook_type"},
		Identity:  hmacverify.BodyDigest,
	}
}

// IDenfy is the scheme of iDenfy (https://documentation.idenfy.com).
// Idenfy-Signature over the body in hex. No timestamp. There is no event ID.
// Identity: BodyDigest, because a body carries the scan's reference and its
// result. From code that receives it; the rest is unconfirmed.
func IDenfy() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "idenfy",
		Signature: []string{"Idenfy-Signature"},
		Identity:  hmacverify.BodyDigest,
	}
}

// Checkr is the scheme of Checkr (https://docs.checkr.com/#section/Webhooks).
// X-Checkr-Signature over the body in hex; the key is the API key. No
// timestamp. ID: id, signed; unconfirmed. Type: type. Identity: SignedID.
// Registry.
func Checkr() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "checkr",
		Signature: []string{"X-Checkr-Signature"},
		ID:        hmacverify.Field{JSON: "id"},
		Type:      hmacverify.Field{JSON: "type"},
		Identity:  hmacverify.SignedID,
	}
}

// StripeIdentity is the scheme of Stripe Identity
// (https://docs.stripe.com/identity/handle-verification-outcomes), signed as
// all of Stripe: see [Stripe]. The types are identity.verification_session.*.
// Identity: SignedID.
func StripeIdentity() hmacverify.Scheme {
	s := Stripe()
	s.Name = "stripe-identity"
	return s
}

// Vanta is the scheme of Vanta (https://developer.vanta.com/docs/webhooks),
// which sends through [Svix]. Identity: SignedID. Registry.
func Vanta() hmacverify.Scheme { return standard("vanta", "svix", "whsec_") }

// Stytch is the scheme of Stytch
// (https://stytch.com/docs/workspace-management/webhooks), which sends
// through [Svix]. What happened is in three fields: source, object_type and
// action. Identity: SignedID. Registry.
func Stytch() hmacverify.Scheme { return standardTyped("stytch", "svix", "whsec_", "") }

// Clerk is the scheme of Clerk (https://clerk.com/docs/webhooks/sync-data),
// which sends through [Svix]. Identity: SignedID. Registry.
func Clerk() hmacverify.Scheme { return standard("clerk", "svix", "whsec_") }
