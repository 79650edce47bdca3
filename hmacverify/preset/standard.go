package preset

import (
	"time"

	"github.com/hookonce/hookonce/hmacverify"
)

// standards are the schemes that many senders share.
func standards() []hmacverify.Scheme {
	return []hmacverify.Scheme{
		StandardWebhooks(), StandardWebhooksEd25519(), Svix(), XSignature256(), XSignature256Timestamp(),
	}
}

// XSignature256 returns the scheme of this project's own callback, and of many
// senders that wrote theirs by hand: X-Signature-256 carries the HMAC-SHA256 of
// the body in hex, with or without "sha256=" before it.
//
// Identity: SignedID, the body's eventId. There is no timestamp, so a captured
// delivery can be replayed at any time; only its ID stops it.
func XSignature256() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:           "x-signature-256",
		Signature:      []string{"X-Signature-256"},
		Prefix:         "sha256=",
		PrefixOptional: true,
		ID:             hmacverify.Field{JSON: "eventId"},
		Identity:       hmacverify.SignedID,
		Sender: hmacverify.Sender{
			Title:     "X-Signature-256",
			Duplicate: hmacverify.Conflict,
			Notes:     "The contract of this project's callback: 409 for a duplicate.",
			Facts:     []hmacverify.Fact{docs("", "the contract of this project's callback")},
		},
	}
}

// XSignature256Timestamp returns XSignature256 as newer senders have it: the
// Unix time of sending is in X-Timestamp, and "<timestamp>.<body>" is signed.
// Identity: SignedID, the body's eventId.
func XSignature256Timestamp() hmacverify.Scheme {
	s := XSignature256()
	s.Name = "x-signature-256-timestamp"
	s.Signed = "{timestamp}.{body}"
	s.Timestamp = hmacverify.Timestamp{Header: "X-Timestamp"}
	s.Sender.Title = "X-Signature-256 with X-Timestamp"
	return s
}

// StandardWebhooks returns the scheme of Standard Webhooks
// (https://www.standardwebhooks.com), which a growing number of senders use. The
// key is base64 after "whsec_". Type: type of the body. Identity: SignedID, the
// header webhook-id, the same for each retry.
func StandardWebhooks() hmacverify.Scheme {
	return standard("standard-webhooks", "webhook", "whsec_", "type", specification(
		"Standard Webhooks", vector("standard-webhooks/standard-webhooks, tests of its libraries")))
}

// StandardWebhooksEd25519 returns the scheme of Standard Webhooks with
// asymmetric keys (https://www.standardwebhooks.com): entries v1a, Ed25519. The
// key of a Verifier is the sender's public key after "whpk_"; that of a Signer
// is the private key, in base64 without its "whsk_". Identity: SignedID, the
// header webhook-id.
func StandardWebhooksEd25519() hmacverify.Scheme {
	s := standard("standard-webhooks-ed25519", "webhook", "whpk_", "type", specification(
		"Standard Webhooks with Ed25519"))
	s.Algorithm = hmacverify.Ed25519
	s.List.Keys = []string{"v1a"}
	return s
}

// Svix returns the scheme of Svix
// (https://docs.svix.com/receiving/verifying-payloads/how): Standard Webhooks
// with headers that start with svix-. The key is base64 after "whsec_".
// Some senders have Svix send webhook- headers instead: for those use
// [StandardWebhooks]. Identity: SignedID, the header svix-id.
func Svix() hmacverify.Scheme {
	return standard("svix", "svix", "whsec_", "type", throughSvix(
		"Svix", "https://docs.svix.com/receiving/verifying-payloads/how",
		code("signature", "svix 1.99.1 on npm")))
}

// standard returns Standard Webhooks under a name. prefix is that of the
// headers, keyPrefix that of the key, and eventType the path of the type.
//
// The specification demands that each attempt is signed anew, so that is
// assumed of a sender of which nothing else is known.
func standard(name, prefix, keyPrefix, eventType string, sender hmacverify.Sender) hmacverify.Scheme {
	if sender.RetryTime == hmacverify.RetryTimeUnknown {
		sender.RetryTime = hmacverify.RetryTimeNew
		sender.Facts = append(sender.Facts,
			hearsay("retry time", "the specification of Standard Webhooks; not checked at this sender"))
	}
	s := signedAsStandard(name, prefix, keyPrefix, eventType)
	s.Sender = sender
	if prefix == "svix" { // whose own packages read both
		s.Signature[0] += ", webhook-signature"
		s.Timestamp.Header += ", webhook-timestamp"
		s.ID.Header += ", webhook-id"
	}
	return s
}

func signedAsStandard(name, prefix, keyPrefix, eventType string) hmacverify.Scheme {
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

// specification returns what Standard Webhooks demands of a sender.
func specification(title string, facts ...hmacverify.Fact) hmacverify.Sender {
	return hmacverify.Sender{
		Title: title, Docs: "https://www.standardwebhooks.com",
		Waits:         15 * time.Second,
		Retries:       hmacverify.RetriesAll,
		RetrySchedule: "exponentially for days, after Retry-After if given",
		RetryTime:     hmacverify.RetryTimeNew,
		Disables:      "410",
		Notes:         "What the specification advises: to wait 15 to 30 s, and bodies under 20 KB. 3xx is a failure.",
		Facts:         append(facts, docs("", "the specification of Standard Webhooks")),
	}
}

// hookdeckSkills is the source of what was read in an account that cites the
// sender's page.
const hookdeckSkills = "hookdeck/webhook-skills, restating the sender's page"

// svixWindow is from the first attempt of Svix to the last.
const svixWindow = 5*time.Second + 5*time.Minute + 30*time.Minute + (2+5+10+10)*time.Hour

// throughSvix returns how those behave that send through Svix.
func throughSvix(title, page string, facts ...hmacverify.Fact) hmacverify.Sender {
	return hmacverify.Sender{
		Title: title, Docs: page,
		Waits:         15 * time.Second,
		Retries:       hmacverify.RetriesAll,
		RetryWindow:   svixWindow,
		RetrySchedule: "with gaps of 5 s, 5 and 30 min, 2, 5, 10 and 10 h; by hand at any age",
		RetryTime:     hmacverify.RetryTimeNew,
		Disables:      "5 days of failure",
		Notes:         "3xx is a failure.",
		Facts: append(facts,
			docs("", "https://docs.svix.com/retries"), code("retry time", "svix/svix-webhooks#93")),
	}
}
