package preset

import (
	"strconv"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
)

// documents are files, notes, tasks, mailboxes and calendars.
func documents() []hmacverify.Scheme {
	return []hmacverify.Scheme{
		Airtable(), Asana(), Box(), ClickUp(), Cronofy(), DocuSign(), Dropbox(), Notion(), Nylas(), Signable(), Trello(),
	}
}

// Airtable returns the scheme of Airtable
// (https://airtable.com/developers/web/api/webhooks-overview). The key is base64.
// Identity: NoIdentity, because a body is a ping without content: ask for the
// changes since your cursor.
func Airtable() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:        "airtable",
		Signature:   []string{"X-Airtable-Content-MAC"},
		Prefix:      "hmac-sha256=",
		KeyEncoding: hmacverify.Base64Key,
		Sender: hmacverify.Sender{
			Title: "Airtable", Docs: "https://airtable.com/developers/web/api/webhooks-overview",
			NoBody: true,
			Waits:  25 * time.Second, Success: []int{200, 204},
			Retries: hmacverify.RetriesAll, RetryWindow: day, RetrySchedule: "13 times, from 10 s on, in a day",
			Disables: "a day of failure",
			Setup:    "A webhook lapses after 7 days unless it is renewed.",
			Notes:    "The response must have no body. Some deliveries are spurious.",
			Facts:    []hmacverify.Fact{registry(), copied("", restated)},
		},
	}
}

// Asana returns the scheme of Asana
// (https://developers.asana.com/docs/webhooks-guide). The key arrives in
// X-Hook-Secret, see [AsanaHandshake]. A body is a batch. The identity of an event: its
// digest, because it holds its time to the millisecond and has no ID. Identity:
// BodyDigest; only heartbeats, which are empty, repeat. It is as good as the grouping,
// which is not documented for retries.
func Asana() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "asana",
		Signature: []string{"X-Hook-Signature"},
		Identity:  hmacverify.BodyDigest,
		Sender: hmacverify.Sender{
			Title: "Asana", Docs: "https://developers.asana.com/docs/webhooks-guide",
			Waits:   10 * time.Second,
			Retries: hmacverify.RetriesAll, RetryWindow: day, RetrySchedule: "for 24 h",
			Setup: "X-Hook-Secret, to be echoed while POST /webhooks waits; AsanaHandshake answers.",
			Items: []hmacverify.Items{{JSON: "events.[]", Type: "action"}},
			Notes: "Events may be lost.",
			Facts: []hmacverify.Fact{
				registry(), code("setup", "asana 3.2.0, WebhooksApi"), docs("", "https://developers.asana.com/docs/webhooks-guide"),
				docs("items", "https://developers.asana.com/docs/webhooks-guide"),
			},
		},
	}
}

// Box returns the scheme of Box
// (https://developer.box.com/guides/webhooks/v2/signatures-v2/). Each of the two
// keys has a header: give both. Identity: SignedID, the body's id; the header
// Box-Delivery-Id is another in each retry.
func Box() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "box",
		Signature: []string{"Box-Signature-Primary", "Box-Signature-Secondary"},
		Encoding:  hmacverify.Base64,
		Signed:    "{body}{timestamp}",
		Timestamp: hmacverify.Timestamp{Header: "Box-Delivery-Timestamp", Unit: hmacverify.RFC3339, Tolerance: 10 * time.Minute},
		ID:        hmacverify.Field{JSON: "id"},
		Type:      hmacverify.Field{JSON: "trigger"},
		Identity:  hmacverify.SignedID,
		Sender: hmacverify.Sender{
			Title: "Box", Docs: "https://developer.box.com/guides/webhooks/v2/signatures-v2/",
			Waits:   30 * time.Second,
			Retries: hmacverify.RetriesAll, RetryWindow: 2 * time.Hour, RetrySchedule: "12 times in 2 h",
			RetryTime: hmacverify.RetryTimeNew,
			Disables:  "a last success 30 days old and 14 behind the last event: the webhook is deleted, as WEBHOOK.DELETED says",
			Facts: []hmacverify.Fact{
				vector("box/box-node-sdk, webhooks-test.js; box-python-sdk, test_webhook.py"),
				dated("2026-02", docs("", "Box's repository of its docs")),
			},
		},
	}
}

// ClickUp returns the scheme of ClickUp
// (https://developer.clickup.com/docs/webhooksignature). Identity: NoIdentity: an
// event of a goal says only which one, so that each change of it sends the same
// bytes. Events of tasks hold history items with their IDs and times; for a
// webhook of those alone set Identity to BodyDigest.
func ClickUp() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "clickup",
		Signature: []string{"X-Signature"},
		Type:      hmacverify.Field{JSON: "event"},
		Sender: hmacverify.Sender{
			Title: "ClickUp", Docs: "https://developer.clickup.com/docs/webhooksignature",
			Instead: map[int]int{401: 403, 410: 403},
			Waits:   7 * time.Second,
			Retries: hmacverify.RetriesAll, RetrySchedule: "5 times",
			Disables: "401 or 410, at once; 100 failed events",
			Notes:    "A wrong key at the first deployment, or one changed late, suspends the webhook with its first delivery, so a refusal is 403 and not 401.",
			Facts: []hmacverify.Fact{
				docs("signature", "https://developer.clickup.com/docs/webhooksignature"),
				docs("", "https://developer.clickup.com, webhook health"),
			},
		},
	}
}

// Cronofy returns the scheme of Cronofy
// (https://docs.cronofy.com/developers/push-notifications/authentication/). The
// header is a bare list with one signature for each client secret. Identity:
// NoIdentity, because a notification says that a calendar changed since a time,
// and may say so again.
func Cronofy() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "cronofy",
		Signature: []string{"Cronofy-HMAC-SHA256"},
		List:      hmacverify.List{Sep: ","},
		Encoding:  hmacverify.Base64,
		Type:      hmacverify.Field{JSON: "notification.type"},
		Sender: hmacverify.Sender{
			Title: "Cronofy", Docs: "https://docs.cronofy.com/developers/push-notifications/authentication/",
			Facts: []hmacverify.Fact{vector("cronofy 3.8.4, test/index.spec.js")},
		},
	}
}

// DocuSign returns the scheme of DocuSign Connect
// (https://developers.docusign.com/platform/webhooks/connect/hmac/). Each key has
// a header, X-DocuSign-Signature-1 to -100. Identity: NoIdentity, because a body
// says how often it was retried, so that its bytes change: key on data.envelopeId
// and event.
func DocuSign() hmacverify.Scheme {
	s := hmacverify.Scheme{
		Name:     "docusign",
		Encoding: hmacverify.Base64,
		Type:     hmacverify.Field{JSON: "event"},
		Sender: hmacverify.Sender{
			Title: "DocuSign Connect", Docs: "https://developers.docusign.com/platform/webhooks/connect/hmac/",
			Retries:       hmacverify.RetriesAll,
			RetrySchedule: "only with \"require acknowledgement\": exponentially from 15 s on, for 45 or 7 days",
			Notes:         "The option \"aggregate\" merges events.",
			Facts:         []hmacverify.Fact{copied("signature", skill("docusign")), hearsay("", "users' reports")},
		},
	}
	for i := range 100 {
		s.Signature = append(s.Signature, "X-DocuSign-Signature-"+strconv.Itoa(i+1))
	}
	return s
}

// Dropbox returns the scheme of Dropbox
// (https://www.dropbox.com/developers/reference/webhooks). The key is the app
// secret. For the GET challenge see [Setup]. Identity: NoIdentity: a
// body lists the accounts that changed and nothing else, so that each change of an
// account sends the same bytes, and a duplicate cannot be told from news. Ask for
// the changes since your cursor, which makes duplicates harmless.
func Dropbox() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "dropbox",
		Signature: []string{"X-Dropbox-Signature"},
		Sender: hmacverify.Sender{
			Title: "Dropbox", Docs: "https://www.dropbox.com/developers/reference/webhooks",
			Waits: 10 * time.Second, Success: []int{200},
			Retries: hmacverify.RetriesAll, RetryWindow: 10 * time.Minute, RetrySchedule: "exponentially for 10 min",
			Setup: "GET with a challenge, which Setup answers.",
			Batch: "several accounts, without IDs of their changes, so that no event can be told from another",
			Facts: []hmacverify.Fact{
				code("signature", "dropbox/mdwebhook, app.py"), docs("", "https://www.dropbox.com/developers, and an old copy"),
			},
		},
	}
}

// Notion returns the scheme of Notion
// (https://developers.notion.com/reference/webhooks). The key is the verification
// token, which arrives once, in a request that nothing else can verify, and is
// stored by hand. Identity: SignedID, the body's id.
func Notion() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "notion",
		Signature: []string{"X-Notion-Signature"},
		Prefix:    "sha256=",
		ID:        hmacverify.Field{JSON: "id"},
		Type:      hmacverify.Field{JSON: "type"},
		Identity:  hmacverify.SignedID,
		Sender: hmacverify.Sender{
			Title: "Notion", Docs: "https://developers.notion.com/reference/webhooks",
			Retries: hmacverify.RetriesAll, RetryWindow: day, RetrySchedule: "8 times, the last after 24 h",
			Setup: "A POST with verification_token, which is the key and which NotionHandshake takes; Notion's SDK says that it is signed with it.",
			Notes: bodyDiffers + " (attempt_number). Events are merged, and delivered at most once.",
			Facts: []hmacverify.Fact{
				vector("https://developers.notion.com/reference/webhooks, as recorded in webhook-verify"),
				code("setup", "@notionhq/client 5.26.0"), copied("", restated),
			},
		},
	}
}

// Nylas returns the scheme of Nylas
// (https://developer.nylas.com/docs/v3/notifications/). Identity: SignedID, the
// body's id.
func Nylas() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "nylas",
		Signature: []string{"X-Nylas-Signature"},
		ID:        hmacverify.Field{JSON: "id"},
		Type:      hmacverify.Field{JSON: "type"},
		Identity:  hmacverify.SignedID,
		Sender: hmacverify.Sender{
			Title: "Nylas", Docs: "https://developer.nylas.com/docs/v3/notifications/",
			Waits:   10 * time.Second,
			Retries: hmacverify.RetriesAll, RetryWindow: 20 * time.Minute,
			RetrySchedule: "3 attempts, the last after 10 to 20 min, to all destinations",
			MaxBody:       1 << 20,
			Setup:         "GET with a challenge, which Setup answers.",
			Notes:         "A retry goes to all of an account's URLs, those that succeeded too: use one scope for them. Duplicates come even after a 2xx. A larger event comes as <type>.truncated. Bodies may be gzip, signed as sent.",
			Facts:         []hmacverify.Fact{registry(), docs("", "https://developer.nylas.com, cookbook and reference")},
		},
	}
}

// Signable returns the scheme of Signable
// (https://developers.signable.app/early-access/ea-signed-webhooks), which is in early
// access. Identity: NoIdentity, because what tells its events apart is not confirmed.
func Signable() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "signable",
		Signature: []string{"Signature"},
		Encoding:  hmacverify.Base64,
		Sender: hmacverify.Sender{
			Title: "Signable", Docs: "https://developers.signable.app/early-access/ea-signed-webhooks",
			Notes: "The time is in the body and, unsigned, in X-Signable-Webhook: under which name in the body is not known, so it is not read.",
			Facts: []hmacverify.Fact{docs("", "https://developers.signable.app/early-access/ea-signed-webhooks")},
		},
	}
}

// Trello returns the scheme of Trello
// (https://developer.atlassian.com/cloud/trello/guides/rest-api/webhooks/). The key is
// the application's OAuth 1.0 secret. Set Options.URL to the callback URL as the webhook
// was created with it. Identity: SignedID, the body's action.id.
func Trello() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "trello",
		Algorithm: hmacverify.SHA1,
		Signature: []string{"X-Trello-Webhook"},
		Encoding:  hmacverify.Base64,
		Signed:    "{body}{url}",
		ID:        hmacverify.Field{JSON: "action.id"},
		Type:      hmacverify.Field{JSON: "action.type"},
		Identity:  hmacverify.SignedID,
		Sender: hmacverify.Sender{
			Title: "Trello", Docs: "https://developer.atlassian.com/cloud/trello/guides/rest-api/webhooks/",
			Retries: hmacverify.RetriesAll, RetrySchedule: "after 30, 60 and 120 s",
			RetryWindow: 2 * time.Minute,
			Disables:    "410: the webhook is deleted",
			Setup:       "HEAD wants 200, which Setup gives.",
			Facts: []hmacverify.Fact{
				copied("signature", skill("trello")), unconfirmed("retries"), dated("2022", docs("", "Atlassian")),
			},
		},
	}
}
