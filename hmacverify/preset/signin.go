package preset

import (
	"github.com/hookonce/hookonce/hmacverify"
)

// signIns are directories, sign-in and compliance.
func signIns() []hmacverify.Scheme {
	return []hmacverify.Scheme{Clerk(), Deel(), Finch(), Stytch(), Vanta(), WorkOS()}
}

// Clerk returns the scheme of Clerk (https://clerk.com/docs/webhooks/sync-data),
// which sends through [Svix]. The key is base64 after "whsec_". Identity:
// SignedID, the header svix-id.
func Clerk() hmacverify.Scheme {
	return standard("clerk", "svix", "whsec_", "type", throughSvix(
		"Clerk", "https://clerk.com/docs/webhooks/sync-data",
		code("signature", "@clerk/backend 3.25.0 on npm"), dated("2026-08", docs("retries", "clerk/clerk-docs"))))
}

// Vanta returns the scheme of Vanta (https://developer.vanta.com/docs/webhooks),
// which sends through [Svix]. The key is base64 after "whsec_". Identity:
// SignedID, the header svix-id.
func Vanta() hmacverify.Scheme {
	return standard("vanta", "svix", "whsec_", "type", throughSvix(
		"Vanta", "https://developer.vanta.com/docs/webhooks",
		docs("signature", "https://developer.vanta.com/docs/webhooks")))
}

// Stytch returns the scheme of Stytch
// (https://stytch.com/docs/workspace-management/webhooks), which sends through
// [Svix]. The key is base64 after "whsec_". What happened is in three fields:
// source, object_type and action. Identity: SignedID, the header svix-id.
func Stytch() hmacverify.Scheme {
	return standard("stytch", "svix", "whsec_", "", throughSvix(
		"Stytch", "https://stytch.com/docs/workspace-management/webhooks", registry()))
}

// WorkOS returns the scheme of WorkOS
// (https://workos.com/docs/events/data-syncing/webhooks). Identity: SignedID, the
// body's id.
func WorkOS() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "workos",
		Signature: []string{"WorkOS-Signature"},
		List:      hmacverify.List{Sep: ",", KV: "=", Keys: []string{"v1"}, Single: true},
		Signed:    "{timestamp}.{body}",
		Timestamp: hmacverify.Timestamp{ListKey: "t", Unit: hmacverify.Milliseconds},
		ID:        hmacverify.Field{JSON: "id"},
		Type:      hmacverify.Field{JSON: "event"},
		Identity:  hmacverify.SignedID,
		Sender: hmacverify.Sender{
			Title: "WorkOS", Docs: "https://workos.com/docs/events/data-syncing/webhooks",
			Retries: hmacverify.RetriesAll, RetryWindow: 3 * day,
			RetrySchedule: "exponentially for 3 days; for minutes outside production",
			Notes:         "Its SDK accepts 180 s, which speaks for a new time on each retry, but is no proof.",
			Facts:         []hmacverify.Fact{code("signature", "@workos-inc/node 8.13.0 on npm"), docs("", "https://workos.com/docs")},
		},
	}
}

// Deel returns the scheme of Deel (https://developer.deel.com/docs/webhooks),
// which signs "POST" before the body. Identity: NoIdentity, because what tells
// its events apart is not confirmed.
func Deel() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "deel",
		Signature: []string{"X-Deel-Signature"},
		Signed:    "POST{body}",
		Sender: hmacverify.Sender{
			Title: "Deel", Docs: "https://developer.deel.com/docs/webhooks",
			Retries: hmacverify.RetriesAll, Disables: "10 failures in a row",
			Facts: []hmacverify.Fact{
				docs("signature", "https://developer.deel.com/docs/webhooks-get-started"), docs("", "developer.deel.com, webhooks-manage"),
			},
		},
	}
}

// Finch returns the scheme of Finch
// (https://developer.tryfinch.com/implementation-guide/Webhooks): that of
// Standard Webhooks with headers of its own names. The key is bare base64.
// Identity: SignedID, the header Finch-Event-Id.
func Finch() hmacverify.Scheme {
	s := signedAsStandard("finch", "finch", "", "event_type")
	s.ID = hmacverify.Field{Header: "Finch-Event-Id"}
	s.Sender = hmacverify.Sender{
		Title: "Finch", Docs: "https://developer.tryfinch.com/implementation-guide/Webhooks",
		Facts: []hmacverify.Fact{code("", "@tryfinch/finch-api 10.7.0 on npm")},
	}
	return s
}
