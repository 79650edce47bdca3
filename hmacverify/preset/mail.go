package preset

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
)

// mails are mail, notifications and campaigns.
func mails() []hmacverify.Scheme {
	return []hmacverify.Scheme{
		Airship(), CustomerIO(), Klaviyo(), Knock(), Loops(), MailerSend(), MailgunUnsignedBody(), Mailtrap(),
		Mandrill(), Resend(), SendGrid(),
	}
}

// Airship returns the scheme of Airship
// (https://docs.airship.com/guides/features/). Identity: NoIdentity, because what
// tells its events apart is not confirmed.
func Airship() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "airship",
		Signature: []string{"X-UA-Signature"},
		Signed:    "{timestamp}:{body}",
		Timestamp: hmacverify.Timestamp{Header: "X-UA-Timestamp"},
		Sender: hmacverify.Sender{
			Title: "Airship", Docs: "https://docs.airship.com/guides/features/",
			Facts: []hmacverify.Fact{registry()},
		},
	}
}

// CustomerIO returns the scheme of Customer.io
// (https://docs.customer.io/messaging/webhooks/). Identity: SignedID, the body's
// event_id; unconfirmed.
func CustomerIO() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "customer-io",
		Signature: []string{"X-CIO-Signature"},
		Signed:    "v0:{timestamp}:{body}",
		Timestamp: hmacverify.Timestamp{Header: "X-CIO-Timestamp"},
		ID:        hmacverify.Field{JSON: "event_id"},
		Type:      hmacverify.Field{JSON: "metric"},
		Identity:  hmacverify.SignedID,
		Sender: hmacverify.Sender{
			Title: "Customer.io", Docs: "https://docs.customer.io/messaging/webhooks/",
			Waits:   4 * time.Second,
			Retries: hmacverify.RetriesAll, RetryWindow: 7 * day,
			RetrySchedule: "exponentially for 7 days; after most 4xx, 500 and 502 after an hour",
			Blocks:        true,
			Notes:         "One failing event holds back all later ones, for up to a week. x-cio-idempotency-key is the same in retries, users say.",
			Facts:         []hmacverify.Fact{registry(), unconfirmed("identity"), docs("", "Customer.io, docs/api/webhooks")},
		},
	}
}

// Klaviyo returns the scheme of Klaviyo's system webhooks
// (https://developers.klaviyo.com/en/docs/working_with_system_webhooks). The time
// is an HTTP date. A body is a batch. The identity of an event: its external_id.
// Identity: NoIdentity. Klaviyo-Webhook-Id is the subscription's.
func Klaviyo() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "klaviyo",
		Signature: []string{"Klaviyo-Signature"},
		Signed:    "{body}{timestamp}",
		Timestamp: hmacverify.Timestamp{Header: "Klaviyo-Timestamp", Layout: http.TimeFormat},
		Sender: hmacverify.Sender{
			Title: "Klaviyo", Docs: "https://developers.klaviyo.com/en/docs/working_with_system_webhooks",
			RetrySchedule: "not said; flow webhooks 17 times in 24 h, after 429 and 5xx only",
			RetryTime:     hmacverify.RetryTimeNew,
			Items:         []hmacverify.Items{{JSON: "data.[]", ID: []string{"external_id"}, Type: "topic"}},
			Facts: []hmacverify.Fact{
				copied("signature", skill("klaviyo")), docs("", "Klaviyo, working_with_system_webhooks"),
				byWording("Klaviyo, working_with_system_webhooks"),
			},
		},
	}
}

// Knock returns the scheme of Knock
// (https://docs.knock.app/developer-tools/outbound-webhooks/overview). Identity:
// NoIdentity, because what tells its events apart is not confirmed.
func Knock() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "knock",
		Signature: []string{"X-Knock-Signature"},
		List:      hmacverify.List{Sep: ",", KV: "=", Keys: []string{"s"}},
		Encoding:  hmacverify.Base64,
		Signed:    "{timestamp}.{body}",
		Timestamp: hmacverify.Timestamp{ListKey: "t", Unit: hmacverify.Milliseconds},
		Type:      hmacverify.Field{JSON: "type"},
		Sender: hmacverify.Sender{
			Title: "Knock", Docs: "https://docs.knock.app/developer-tools/outbound-webhooks/overview",
			Retries: hmacverify.RetriesAll, RetrySchedule: "8 times, after 3xx, 4xx and 5xx alike",
			Facts: []hmacverify.Fact{dated("2026-08", docs("", "knocklabs/docs, outbound-webhooks/overview.mdx"))},
		},
	}
}

// Loops returns the scheme of Loops (https://loops.so/docs/webhooks): Standard
// Webhooks. The key is base64 after "whsec_". Identity: SignedID, the header
// webhook-id.
func Loops() hmacverify.Scheme {
	return standard("loops", "webhook", "whsec_", "eventName", hmacverify.Sender{
		Title: "Loops", Docs: "https://loops.so/docs/webhooks",
		RetryTime: hmacverify.RetryTimeNew,
		Setup:     "An event testing.testEvent.",
		Notes:     "Sends up to 10 requests a second, to one endpoint.",
		Facts:     []hmacverify.Fact{registry(), docs("", "https://loops.so/docs"), byWording("https://loops.so/docs")},
	})
}

// Mandrill returns the scheme of Mandrill
// (https://mailchimp.com/developer/transactional/guides/track-respond-activity-webhooks/).
// Set Options.URL. Identity: NoIdentity: a body is a batch, and the fields are
// signed, not the body's bytes.
func Mandrill() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "mandrill",
		Algorithm: hmacverify.SHA1,
		Signature: []string{"X-Mandrill-Signature"},
		Encoding:  hmacverify.Base64,
		Signed:    "{url}{params}",
		Sender: hmacverify.Sender{
			Title: "Mandrill", Docs: "https://mailchimp.com/developer/transactional/guides/track-respond-activity-webhooks/",
			Retries: hmacverify.RetriesAll, RetrySchedule: "the failed batch, until it is given up; not said how often",
			Blocks:   true,
			BodyType: "application/x-www-form-urlencoded",
			Setup:    "HEAD wants 200, which Setup gives; otherwise a POST of [] signed with the key test-webhook.",
			Batch:    "up to 1000 events a minute, in one form field of JSON, which is not divided here",
			Notes:    "That newer events wait for a failed batch is by its wording.",
			Facts:    []hmacverify.Fact{registry(), docs("", "Mandrill help")},
		},
	}
}

// MailgunUnsignedBody returns the scheme of Mailgun
// (https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks),
// for bodies in JSON. Its signature covers a timestamp and a random token in the
// body, and nothing else: an attacker who captures a delivery before you have
// processed it can send any event in its place. Hence the name. Ask the API for
// what matters. Retries carry the first signature, so the tolerance must cover
// them.
//
// Identity: SignedID, the token: once used, it is a duplicate, whatever came with
// it. The type is not signed.
func MailgunUnsignedBody() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:     "mailgun",
		Type:     hmacverify.Field{JSON: "event-data.event"},
		Identity: hmacverify.SignedID,
		Extract:  extractMailgun,
		Sender: hmacverify.Sender{
			Title: "Mailgun", Docs: "https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks",
			Success: []int{200},
			Retries: hmacverify.RetriesSome, RetryWindow: 8 * time.Hour,
			RetrySchedule: "all but 406: after 5, 10 and 15 min, 1, 2 and 4 h; delivery notices not at all",
			RetryTime:     hmacverify.RetryTimeFirst,
			Notes:         "The body is not signed. Routes send inbound mail as forms with the signature at the top, which this preset does not read.",
			Facts: []hmacverify.Fact{
				code("signature", "mailgun/mailgun-go v4.23.0"), hearsay("retry time", "PostHog/posthog#103057"),
				docs("", "Mailgun, webhook-retries; help 202236504"),
			},
		},
	}
}

func extractMailgun(r hmacverify.Received) (hmacverify.Extracted, error) {
	var m struct {
		Signature struct{ Timestamp, Token, Signature string }
	}
	if err := json.Unmarshal(withoutMark(r.Body), &m); err != nil {
		return hmacverify.Extracted{}, errors.New("body is not a Mailgun event")
	}
	s := m.Signature
	if s.Timestamp == "" || s.Token == "" {
		return hmacverify.Extracted{}, errors.New("timestamp or token missing")
	}
	return hmacverify.Extracted{
		Signed:     []byte(s.Timestamp + s.Token),
		Signatures: []string{s.Signature},
		Timestamp:  s.Timestamp,
		ID:         s.Token,
	}, nil
}

// Resend returns the scheme of Resend
// (https://resend.com/docs/dashboard/webhooks/verify-webhooks-requests), which
// sends through [Svix]. The key is base64 after "whsec_". Identity: SignedID, the
// header svix-id.
func Resend() hmacverify.Scheme {
	s := standard("resend", "svix", "whsec_", "type", throughSvix(
		"Resend", "https://resend.com/docs/dashboard/webhooks/verify-webhooks-requests",
		docs("signature", "https://resend.com/docs/dashboard/webhooks/verify-webhooks-requests"),
		docs("retries", "Resend, retries-and-replays")))
	s.Sender.Notes += " Deliveries that succeeded can be sent again by hand too."
	return s
}

// MailerSend returns the scheme of MailerSend
// (https://developers.mailersend.com/api/v1/webhooks.html#security). Type: type of the
// body. Identity: NoIdentity, because what tells its events apart is not confirmed.
func MailerSend() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "mailersend",
		Signature: []string{"X-MailerSend-Signature, Signature"},
		Type:      hmacverify.Field{JSON: "type"},
		Sender: hmacverify.Sender{
			Title: "MailerSend", Docs: "https://developers.mailersend.com/api/v1/webhooks.html#security",
			Setup: "An event webhook.test under a key that is public, users say.",
			Notes: "Its SDK's example reads X-MailerSend-Signature, users read Signature: either is accepted.",
			Facts: []hmacverify.Fact{
				code("signature", "mailersend 3.4.0, MailerSendUtils and README"),
				hearsay("signature", "users' reports, on the header Signature"), hearsay("setup", "users' reports"),
			},
		},
	}
}

// Mailtrap returns the scheme of Mailtrap
// (https://docs.mailtrap.io/email-api-smtp/advanced/webhooks). Identity: NoIdentity,
// because a body can be a batch, and what tells its events apart is not confirmed.
func Mailtrap() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "mailtrap",
		Signature: []string{"Mailtrap-Signature"},
		Sender: hmacverify.Sender{
			Title: "Mailtrap", Docs: "https://docs.mailtrap.io/email-api-smtp/advanced/webhooks",
			Batch: "several events, in JSON or as lines of JSON, as the webhook is set; what identifies them is not confirmed",
			Facts: []hmacverify.Fact{code("signature", "mailtrap 4.10.0, webhooks/verify-signature"), unconfirmed("batch")},
		},
	}
}

// SendGrid returns the scheme of SendGrid's signed event webhook
// (https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features).
// The key is the verification key of the dashboard, as it is. A body is a batch.
// The identity of an event: its sg_event_id. Identity: BodyDigest; a retry may
// group the events differently.
func SendGrid() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:        "sendgrid",
		Algorithm:   hmacverify.ECDSAP256,
		Signature:   []string{"X-Twilio-Email-Event-Webhook-Signature"},
		Encoding:    hmacverify.Base64,
		Signed:      "{timestamp}{body}",
		Timestamp:   hmacverify.Timestamp{Header: "X-Twilio-Email-Event-Webhook-Timestamp"},
		KeyEncoding: hmacverify.Base64Key,
		Identity:    hmacverify.BodyDigest,
		Sender: hmacverify.Sender{
			Title:   "SendGrid",
			Docs:    "https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features",
			Retries: hmacverify.RetriesAll, RetryWindow: day, RetrySchedule: "for a rolling 24 h",
			Items: []hmacverify.Items{{JSON: "[]", ID: []string{"sg_event_id"}, Type: "event"}},
			Facts: []hmacverify.Fact{
				vector("sendgrid/sendgrid-nodejs, eventwebhook.spec.js"), copied("", "SendGrid's page"), copied("responses", restated),
				docs("items", "sendgrid.com/docs/for-developers/tracking-events/event; sendgrid/docs#2667"),
			},
		},
	}
}
