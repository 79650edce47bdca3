package preset

import (
	"time"

	"github.com/hookonce/hookonce/hmacverify"
)

// Source control, deployment, monitoring and infrastructure.

// GitHub is the scheme of GitHub
// (https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries).
// Hex after "sha256=" over the body. No timestamp. ID: X-GitHub-Delivery, and
// type: X-GitHub-Event; neither is signed. Identity: BodyDigest, because a
// body carries its object, action and times; a redelivery has the same bytes.
// The event "membership" has no time: somebody who is added to a team again
// sends the same bytes again, so give a webhook for it NoIdentity and read the
// team's members. Bodies go up to 25 MB, over the default of Options.MaxBody.
// Nothing is retried unless somebody asks for it. Vector.
func GitHub() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "github",
		Signature: []string{"X-Hub-Signature-256"},
		Prefix:    "sha256=",
		ID:        hmacverify.Field{Header: "X-GitHub-Delivery"},
		Type:      hmacverify.Field{Header: "X-GitHub-Event"},
		Identity:  hmacverify.BodyDigest,
	}
}

// Bitbucket is the scheme of Bitbucket Cloud
// (https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/). Hex
// after "sha256=" over the body, in X-Hub-Signature. No timestamp. ID:
// X-Request-UUID, and type: X-Event-Key; neither is signed. Identity:
// BodyDigest, because a body carries its object and times. Vector of the
// scheme.
func Bitbucket() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "bitbucket",
		Signature: []string{"X-Hub-Signature"},
		Prefix:    "sha256=",
		ID:        hmacverify.Field{Header: "X-Request-UUID"},
		Type:      hmacverify.Field{Header: "X-Event-Key"},
		Identity:  hmacverify.BodyDigest,
	}
}

// Jira is the scheme of Jira Cloud
// (https://developer.atlassian.com/cloud/jira/platform/webhooks/). Hex after
// "sha256=" over the body. No timestamp header. ID:
// X-Atlassian-Webhook-Identifier, not signed. Type: webhookEvent. Identity:
// BodyDigest, because a body carries the event's name and timestamp.
func Jira() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "jira",
		Signature: []string{"X-Hub-Signature"},
		Prefix:    "sha256=",
		ID:        hmacverify.Field{Header: "X-Atlassian-Webhook-Identifier"},
		Type:      hmacverify.Field{JSON: "webhookEvent"},
		Identity:  hmacverify.BodyDigest,
	}
}

// Linear is the scheme of Linear
// (https://linear.app/developers/webhooks#securing-webhooks). Hex over the
// body, which holds the time of sending in milliseconds; tolerance 1 minute.
// ID: Linear-Delivery, not signed; unconfirmed. Type: type. Identity:
// BodyDigest, because a body carries action, object and time; whether a retry
// keeps its bytes is unconfirmed. Registry.
func Linear() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "linear",
		Signature: []string{"Linear-Signature"},
		Timestamp: hmacverify.Timestamp{JSON: "webhookTimestamp", Unit: hmacverify.Milliseconds, Tolerance: time.Minute},
		ID:        hmacverify.Field{Header: "Linear-Delivery"},
		Type:      hmacverify.Field{JSON: "type"},
		Identity:  hmacverify.BodyDigest,
	}
}

// Sentry is the scheme of Sentry
// (https://docs.sentry.io/organization/integrations/integration-platform/webhooks/).
// Hex over the body. Sentry-Hook-Timestamp is not signed, so it is not looked
// at. ID: Request-ID, unconfirmed, and type: Sentry-Hook-Resource; neither is
// signed. Identity: BodyDigest, because a body carries action, object and
// times. Registry.
func Sentry() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "sentry",
		Signature: []string{"Sentry-Hook-Signature"},
		ID:        hmacverify.Field{Header: "Request-ID"},
		Type:      hmacverify.Field{Header: "Sentry-Hook-Resource"},
		Identity:  hmacverify.BodyDigest,
	}
}

// Vercel is the scheme of Vercel
// (https://vercel.com/docs/webhooks/webhooks-api#securing-webhooks).
// HMAC-SHA1 in hex over the body. No timestamp header. ID: id, signed. Type:
// type. Identity: SignedID. Registry.
func Vercel() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "vercel",
		Algorithm: hmacverify.SHA1,
		Signature: []string{"X-Vercel-Signature"},
		ID:        hmacverify.Field{JSON: "id"},
		Type:      hmacverify.Field{JSON: "type"},
		Identity:  hmacverify.SignedID,
	}
}

// PagerDuty is the scheme of PagerDuty v3
// (https://developer.pagerduty.com/docs/verifying-webhook-signatures). A list
// with one v1 for each key. No timestamp. ID: event.id, signed. Type:
// event.event_type. Identity: SignedID. Registry.
func PagerDuty() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "pagerduty",
		Signature: []string{"X-PagerDuty-Signature"},
		List:      hmacverify.List{Sep: ",", KV: "=", Keys: []string{"v1"}},
		ID:        hmacverify.Field{JSON: "event.id"},
		Type:      hmacverify.Field{JSON: "event.event_type"},
		Identity:  hmacverify.SignedID,
	}
}

// Buildkite is the scheme of Buildkite
// (https://buildkite.com/docs/apis/webhooks/pipelines#webhook-signature). A
// list of timestamp and signature. Tolerance 5 minutes. Type: event.
// Identity: BodyDigest, because a body carries event, object and its times.
// Registry.
func Buildkite() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "buildkite",
		Signature: []string{"X-Buildkite-Signature"},
		List:      hmacverify.List{Sep: ",", KV: "=", Keys: []string{"signature"}},
		Signed:    "{timestamp}.{body}",
		Timestamp: hmacverify.Timestamp{ListKey: "timestamp"},
		Type:      hmacverify.Field{JSON: "event"},
		Identity:  hmacverify.BodyDigest,
	}
}

// CircleCI is the scheme of CircleCI
// (https://circleci.com/docs/outbound-webhooks/). A list with v1 over the
// body. No timestamp header. ID: id, signed; unconfirmed. Type: type.
// Identity: SignedID. Registry.
func CircleCI() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "circleci",
		Signature: []string{"Circleci-Signature"},
		List:      hmacverify.List{Sep: ",", KV: "=", Keys: []string{"v1"}},
		ID:        hmacverify.Field{JSON: "id"},
		Type:      hmacverify.Field{JSON: "type"},
		Identity:  hmacverify.SignedID,
	}
}

// CloudflareStream is the scheme of Cloudflare Stream
// (https://developers.cloudflare.com/stream/manage-video-library/using-webhooks/).
// A list of time and sig1. Tolerance 5 minutes. Identity: BodyDigest, because
// a body carries the video's state and time of change. Registry.
func CloudflareStream() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "cloudflare-stream",
		Signature: []string{"Webhook-Signature"},
		List:      hmacverify.List{Sep: ",", KV: "=", Keys: []string{"sig1"}},
		Signed:    "{timestamp}.{body}",
		Timestamp: hmacverify.Timestamp{ListKey: "time"},
		Identity:  hmacverify.BodyDigest,
	}
}

// Mux is the scheme of Mux
// (https://www.mux.com/docs/core/verify-webhook-signatures). A list of t and
// v1. Tolerance 5 minutes. ID: id, signed. Type: type. Identity: SignedID.
// Vector.
func Mux() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "mux",
		Signature: []string{"Mux-Signature"},
		List:      hmacverify.List{Sep: ",", KV: "=", Keys: []string{"v1"}},
		Signed:    "{timestamp}.{body}",
		Timestamp: hmacverify.Timestamp{ListKey: "t"},
		ID:        hmacverify.Field{JSON: "id"},
		Type:      hmacverify.Field{JSON: "type"},
		Identity:  hmacverify.SignedID,
	}
}

// WorkOS is the scheme of WorkOS
// (https://workos.com/docs/events/data-syncing/webhooks). A list of t and v1.
// Tolerance 5 minutes of milliseconds. ID: id, signed. Type: event. Identity:
// SignedID. Registry.
func WorkOS() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "workos",
		Signature: []string{"WorkOS-Signature"},
		List:      hmacverify.List{Sep: ",", KV: "=", Keys: []string{"v1"}},
		Signed:    "{timestamp}.{body}",
		Timestamp: hmacverify.Timestamp{ListKey: "t", Unit: hmacverify.Milliseconds},
		ID:        hmacverify.Field{JSON: "id"},
		Type:      hmacverify.Field{JSON: "event"},
		Identity:  hmacverify.SignedID,
	}
}

// Sanity is the scheme of Sanity
// (https://www.sanity.io/docs/content-lake/webhook-best-practices). A list of
// t, in milliseconds, and v1, in base64url. Any time is accepted, as in
// Sanity's own toolkit; set Timestamp.Tolerance to be stricter. Identity:
// NoIdentity, because a body is what the owner's projection makes of a
// document, and the same for each edit that it does not show. Vector.
func Sanity() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "sanity",
		Signature: []string{"Sanity-Webhook-Signature"},
		List:      hmacverify.List{Sep: ",", KV: "=", Keys: []string{"v1"}},
		Encoding:  hmacverify.Base64URL,
		Signed:    "{timestamp}.{body}",
		Timestamp: hmacverify.Timestamp{ListKey: "t", Unit: hmacverify.Milliseconds, Tolerance: hmacverify.InsecureAnyTime},
	}
}

// Heroku is the scheme of Heroku
// (https://devcenter.heroku.com/articles/app-webhooks). Base64 over the body.
// No timestamp header. Identity: NoIdentity, because the body says which
// attempt it is, and its own ID is not confirmed. Registry.
func Heroku() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "heroku",
		Signature: []string{"Heroku-Webhook-Hmac-SHA256"},
		Encoding:  hmacverify.Base64,
	}
}

// ConfigCat is the scheme of ConfigCat
// (https://configcat.com/docs/advanced/notifications-webhooks/). Base64 over
// ID, time and body, with nothing between; a bare list with one for each key.
// Tolerance 5 minutes. ID: X-ConfigCat-Webhook-ID, signed; it stops a replay,
// but may be another in each of up to five retries, and the body is what its
// author wrote. Identity: SignedID. Registry.
func ConfigCat() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "configcat",
		Signature: []string{"X-ConfigCat-Webhook-Signature-V1"},
		List:      hmacverify.List{Sep: ","},
		Encoding:  hmacverify.Base64,
		Signed:    "{id}{timestamp}{body}",
		Timestamp: hmacverify.Timestamp{Header: "X-ConfigCat-Webhook-Timestamp"},
		ID:        hmacverify.Field{Header: "X-ConfigCat-Webhook-ID"},
		Identity:  hmacverify.SignedID,
	}
}

// LaunchDarkly is the scheme of LaunchDarkly
// (https://launchdarkly.com/docs/integrations/webhooks). Hex over the body.
// No timestamp header. ID: _id, signed; unconfirmed. Type: kind. Identity:
// SignedID. Registry.
func LaunchDarkly() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "launchdarkly",
		Signature: []string{"X-LD-Signature"},
		ID:        hmacverify.Field{JSON: "_id"},
		Type:      hmacverify.Field{JSON: "kind"},
		Identity:  hmacverify.SignedID,
	}
}

// Doppler is the scheme of Doppler (https://docs.doppler.com/docs/webhooks).
// Hex after "sha256=" over the body. No timestamp. Identity: NoIdentity,
// because what tells its events apart is not confirmed. Registry.
func Doppler() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "doppler",
		Signature: []string{"X-Doppler-Signature"},
		Prefix:    "sha256=",
	}
}

// MongoDBAtlas is the scheme of MongoDB Atlas alerts
// (https://www.mongodb.com/docs/atlas/tutorial/third-party-service-integrations/).
// HMAC-SHA1 in base64 over the body. No timestamp. Identity: NoIdentity,
// because an open alert is sent again and again. Registry.
func MongoDBAtlas() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "mongodb-atlas",
		Algorithm: hmacverify.SHA1,
		Signature: []string{"X-MMS-Signature"},
		Encoding:  hmacverify.Base64,
	}
}
