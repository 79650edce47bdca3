package preset

import "github.com/hookonce/hookonce/hmacverify"

// Those who sign as Standard Webhooks demands, under their own names.
// What [StandardWebhooks] says holds for all of them: ID and timestamp are
// signed, the tolerance is 5 minutes, the identity is the ID.

// Svix is the scheme of Svix
// (https://docs.svix.com/receiving/verifying-payloads/how), whose headers
// start with svix-. It retries for about 28 hours, whatever answer but 2xx it
// gets. Identity: SignedID.
func Svix() hmacverify.Scheme { return standard("svix", "svix", "whsec_") }

// GitLab is the scheme of GitLab from 19.0 on, with a signing token
// (https://docs.gitlab.com/user/project/integrations/webhooks/). The ID
// equals the header Idempotency-Key. Type: object_kind of the body. Identity:
// SignedID. The older X-Gitlab-Token is a password that signs nothing.
func GitLab() hmacverify.Scheme { return standardTyped("gitlab", "webhook", "whsec_", "object_kind") }

// OpenAI is the scheme of OpenAI
// (https://platform.openai.com/docs/guides/webhooks). The secret is base64 after
// "whsec_". Identity: SignedID. Vector of the scheme.
func OpenAI() hmacverify.Scheme { return standard("openai", "webhook", "whsec_") }

// Anthropic is the scheme of Anthropic, whose SDK verifies with the Standard
// Webhooks library. Type: data.type; type is always "event". Identity:
// SignedID.
func Anthropic() hmacverify.Scheme {
	return standardTyped("anthropic", "webhook", "whsec_", "data.type")
}

// Resend is the scheme of Resend
// (https://resend.com/docs/dashboard/webhooks/verify-webhooks-requests),
// which sends through [Svix]. Identity: SignedID.
func Resend() hmacverify.Scheme { return standard("resend", "svix", "whsec_") }

// Replicate is the scheme of Replicate
// (https://replicate.com/docs/topics/webhooks/verify-webhook). A body is a
// prediction, without a type; status says how far it is. Identity: SignedID.
// Registry.
func Replicate() hmacverify.Scheme { return standardTyped("replicate", "webhook", "whsec_", "") }

// Supabase is the scheme of Supabase auth hooks
// (https://supabase.com/docs/guides/auth/auth-hooks). The secret starts with
// "v1,whsec_". Each hook has a URL of its own, and bodies no type. Identity:
// SignedID. Registry.
func Supabase() hmacverify.Scheme { return standardTyped("supabase", "webhook", "v1,whsec_", "") }

// Render is the scheme of Render (https://render.com/docs/webhooks).
// Identity: SignedID. Registry.
func Render() hmacverify.Scheme { return standard("render", "webhook", "whsec_") }

// Brex is the scheme of Brex (https://developer.brex.com/docs/webhooks). The
// secret is bare base64. Type: event_type. Identity: SignedID. Registry.
func Brex() hmacverify.Scheme { return standardTyped("brex", "webhook", "whsec_", "event_type") }

// Etsy is the scheme of Etsy
// (https://developers.etsy.com/documentation/essentials/webhooks). Type:
// event_type. Identity: SignedID. Registry.
func Etsy() hmacverify.Scheme { return standardTyped("etsy", "webhook", "whsec_", "event_type") }

// IncidentIO is the scheme of incident.io (https://docs.incident.io). Type:
// event_type. Identity: SignedID. Registry.
func IncidentIO() hmacverify.Scheme {
	return standardTyped("incident-io", "webhook", "whsec_", "event_type")
}

// Gemini is the scheme of the Gemini API with a static secret
// (https://ai.google.dev/gemini-api/docs/webhooks). Identity: SignedID.
// Registry.
func Gemini() hmacverify.Scheme { return standard("gemini", "webhook", "whsec_") }

// Loops is the scheme of Loops (https://loops.so/docs/webhooks). Type:
// eventName. Identity: SignedID. Registry.
func Loops() hmacverify.Scheme { return standardTyped("loops", "webhook", "whsec_", "eventName") }

// Increase is the scheme of Increase
// (https://increase.com/documentation/webhooks). Type: category; type is always
// "event". Identity: SignedID. Registry.
func Increase() hmacverify.Scheme { return standardTyped("increase", "webhook", "whsec_", "category") }

// Polar is the scheme of Polar
// (https://docs.polar.sh/integrate/webhooks/delivery). Its secret is used as
// it is, not decoded. Identity: SignedID. Registry.
func Polar() hmacverify.Scheme {
	s := standard("polar", "webhook", "")
	s.KeyEncoding = hmacverify.RawKey
	return s
}

// Finch is the scheme of Finch
// (https://developer.tryfinch.com/implementation-guide/Webhooks), with
// headers of its own names and a secret in bare base64. Type: event_type.
// Identity: SignedID. Registry.
func Finch() hmacverify.Scheme {
	s := standardTyped("finch", "finch", "", "event_type")
	s.Signed = "{id}.{timestamp}.{body}"
	s.ID = hmacverify.Field{Header: "Finch-Event-Id"}
	return s
}

// StandardWebhooksEd25519 is the scheme of Standard Webhooks with asymmetric
// keys: entries v1a, Ed25519. The key of a Verifier is the sender's public
// key after "whpk_"; that of a Signer is the private key, in base64 without
// its "whsk_". Identity: SignedID.
func StandardWebhooksEd25519() hmacverify.Scheme {
	s := standard("standard-webhooks-ed25519", "webhook", "whpk_")
	s.Algorithm = hmacverify.Ed25519
	s.List.Keys = []string{"v1a"}
	return s
}
