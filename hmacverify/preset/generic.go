package preset

import "github.com/hookonce/hookonce/hmacverify"

// The presets are one file for each field of business. Each says what a
// receiver has to know, and what that knowledge rests on. Unless it says
// otherwise it rests on the sender's own pages or source:
//
//   - "Registry": a public registry of webhook schemes, not the sender's page.
//   - "Unconfirmed": general knowledge; check it before you rely on it.
//
// "Vector" means that a published signature is checked in our tests, "Vector of
// the scheme" that it is another sender's of the same scheme.

// XSignature256 is this project's own scheme, and that of many senders that
// wrote theirs by hand: X-Signature-256 carries the HMAC-SHA256 of the body in
// hex, with or without "sha256=" before it.
//
// ID: eventId of the body, signed. Identity: SignedID. There is no timestamp: a
// captured delivery can be replayed for ever, and only its ID stops it.
func XSignature256() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:           "x-signature-256",
		Signature:      []string{"X-Signature-256"},
		Prefix:         "sha256=",
		PrefixOptional: true,
		ID:             hmacverify.Field{JSON: "eventId"},
		Identity:       hmacverify.SignedID,
	}
}

// XSignature256Timestamp is XSignature256 as newer senders have it: the Unix
// time of sending is in X-Timestamp, and "<timestamp>.<body>" is signed.
// Tolerance 5 minutes. Identity: SignedID.
func XSignature256Timestamp() hmacverify.Scheme {
	s := XSignature256()
	s.Name = "x-signature-256-timestamp"
	s.Signed = "{timestamp}.{body}"
	s.Timestamp = hmacverify.Timestamp{Header: "X-Timestamp"}
	return s
}

// StandardWebhooks is https://www.standardwebhooks.com, which a growing number
// of senders use. webhook-id, webhook-timestamp and the body are signed; the
// secret is base64 after "whsec_"; several signatures while keys rotate.
// Tolerance 5 minutes.
//
// ID: webhook-id, signed, the same for each retry. Type: type of the body.
// Identity: SignedID. Anything but 2xx is retried; 410 asks the sender to
// stop. Vector.
func StandardWebhooks() hmacverify.Scheme { return standard("standard-webhooks", "webhook", "whsec_") }

// standard returns Standard Webhooks under a name, with the headers' prefix.
func standard(name, prefix, keyPrefix string) hmacverify.Scheme {
	return standardTyped(name, prefix, keyPrefix, "type")
}

// standardTyped is standard for those whose bodies have the type elsewhere, or
// nowhere.
func standardTyped(name, prefix, keyPrefix, eventType string) hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:        name,
		Signature:   []string{prefix + "-signature"},
		List:        hmacverify.List{Sep: " ", KV: ",", Keys: []string{"v1"}},
		Encoding:    hmacverify.Base64,
		Signed:      "{id}.{timestamp}.{body}",
		Timestamp:   hmacverify.Timestamp{Header: prefix + "-timestamp"},
		KeyEncoding: hmacverify.Base64Key,
		KeyPrefix:   keyPrefix,
		ID:          hmacverify.Field{Header: prefix + "-id"},
		Type:        hmacverify.Field{JSON: eventType},
		Identity:    hmacverify.SignedID,
	}
}
