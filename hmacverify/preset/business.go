package preset

import (
	"strconv"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
)

// Documents, forms, calendars, tasks and sales.

// Box is the scheme of Box
// (https://developer.box.com/guides/webhooks/v2/signatures-v2/). Base64 over
// the body and box-delivery-timestamp, with nothing between. Each of the two
// keys has a header: give both. Tolerance 10 minutes. ID: id of the body,
// signed; the header box-delivery-id is another in each retry. Type: trigger.
// Identity: SignedID. Anything but 2xx is retried. Vector.
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
	}
}

// Dropbox is the scheme of Dropbox
// (https://www.dropbox.com/developers/reference/webhooks). Hex over the body;
// the key is the app secret. No timestamp. Identity: NoIdentity: a body lists
// the accounts that changed and nothing else, so each change of an account
// sends the same bytes, and a duplicate cannot be told from news. Ask for the
// changes since your cursor, which makes duplicates harmless. For the GET
// challenge see [DropboxChallenge]. Registry.
func Dropbox() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "dropbox",
		Signature: []string{"X-Dropbox-Signature"},
	}
}

// HubSpot is the scheme of HubSpot v3
// (https://developers.hubspot.com/docs/apps/legacy-apps/authentication/validating-requests).
// Base64 over method, URL, body and time. Set Options.URL, with its query.
// Tolerance 5 minutes of milliseconds. A body is a batch. Identity:
// NoIdentity, because each event says which attempt it is, so a retry has
// other bytes: key on each eventId. v1 and v2 are a plain hash of secret and
// text, not HMAC, and are not accepted.
func HubSpot() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "hubspot",
		Signature: []string{"X-HubSpot-Signature-V3"},
		Encoding:  hmacverify.Base64,
		Signed:    "{method}{url}{body}{timestamp}",
		Timestamp: hmacverify.Timestamp{Header: "X-HubSpot-Request-Timestamp", Unit: hmacverify.Milliseconds},
	}
}

// DocuSign is the scheme of DocuSign Connect
// (https://developers.docusign.com/platform/webhooks/connect/hmac/). Base64
// over the body; each key has a header, X-DocuSign-Signature-1 to -100. No
// timestamp header. Type: event. Identity: NoIdentity, because a body says
// how often it was retried, so its bytes change: key on data.envelopeId and
// event. Registry.
func DocuSign() hmacverify.Scheme {
	s := hmacverify.Scheme{Name: "docusign", Encoding: hmacverify.Base64, Type: hmacverify.Field{JSON: "event"}}
	for i := range 100 {
		s.Signature = append(s.Signature, "X-DocuSign-Signature-"+strconv.Itoa(i+1))
	}
	return s
}

// Calendly is the scheme of Calendly
// (https://developer.calendly.com/api-docs/ZG9jOjM2MzE2MDM4-webhook-signatures).
// A list of t and v1. Tolerance 3 minutes. There is no event ID. Type: event.
// Identity: BodyDigest, because a body carries event, invitee and created_at.
// Registry.
func Calendly() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "calendly",
		Signature: []string{"Calendly-Webhook-Signature"},
		List:      hmacverify.List{Sep: ",", KV: "=", Keys: []string{"v1"}},
		Signed:    "{timestamp}.{body}",
		Timestamp: hmacverify.Timestamp{ListKey: "t", Tolerance: 3 * time.Minute},
		Type:      hmacverify.Field{JSON: "event"},
		Identity:  hmacverify.BodyDigest,
	}
}

// Typeform is the scheme of Typeform
// (https://www.typeform.com/developers/webhooks/secure-your-webhooks/).
// Base64 after "sha256=" over the body. No timestamp. ID: event_id, signed.
// Type: event_type. Identity: SignedID. 404 and 410 switch the webhook off;
// other failures are retried. Registry.
func Typeform() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "typeform",
		Signature: []string{"Typeform-Signature"},
		Prefix:    "sha256=",
		Encoding:  hmacverify.Base64,
		ID:        hmacverify.Field{JSON: "event_id"},
		Type:      hmacverify.Field{JSON: "event_type"},
		Identity:  hmacverify.SignedID,
	}
}

// Notion is the scheme of Notion
// (https://developers.notion.com/reference/webhooks). Hex after "sha256="
// over the body; the key is the verification token, which arrives once in an
// unsigned request and is stored by hand. No timestamp header. ID: id,
// signed. Type: type. Identity: SignedID. Vector.
func Notion() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "notion",
		Signature: []string{"X-Notion-Signature"},
		Prefix:    "sha256=",
		ID:        hmacverify.Field{JSON: "id"},
		Type:      hmacverify.Field{JSON: "type"},
		Identity:  hmacverify.SignedID,
	}
}

// Asana is the scheme of Asana
// (https://developers.asana.com/docs/webhooks-guide). Hex over the body. No
// timestamp. A body is a batch. Identity: BodyDigest, because events carry
// their times; only heartbeats, which are empty, repeat. For X-Hook-Secret
// see [AsanaHandshake]. Registry.
func Asana() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "asana",
		Signature: []string{"X-Hook-Signature"},
		Identity:  hmacverify.BodyDigest,
	}
}

// Trello is the scheme of Trello
// (https://developer.atlassian.com/cloud/trello/guides/rest-api/webhooks/).
// HMAC-SHA1 in base64 over the body and the callback URL. Set Options.URL. No
// timestamp. ID: action.id, signed. Type: action.type. Identity: SignedID.
// 410 deletes the webhook; other failures are retried. Registry.
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
	}
}

// ClickUp is the scheme of ClickUp
// (https://developer.clickup.com/docs/webhooksignature). Hex over the body.
// No timestamp. Type: event. Identity: NoIdentity: an event of a goal says
// only which one, so each change of it sends the same bytes. Events of tasks
// carry history items with their IDs and times; for a webhook of those alone
// set Identity to BodyDigest. Registry.
func ClickUp() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "clickup",
		Signature: []string{"X-Signature"},
		Type:      hmacverify.Field{JSON: "event"},
	}
}

// Dub is the scheme of Dub
// (https://dub.co/docs/concepts/webhooks/verify-webhook-requests). Hex over
// the body. No timestamp header. ID: id, signed; unconfirmed. Type: event.
// Identity: SignedID. Registry.
func Dub() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "dub",
		Signature: []string{"Dub-Signature"},
		ID:        hmacverify.Field{JSON: "id"},
		Type:      hmacverify.Field{JSON: "event"},
		Identity:  hmacverify.SignedID,
	}
}

// CalCom is the scheme of Cal.com
// (https://cal.com/docs/developing/guides/automation/webhooks). Hex over the
// body, in X-Cal-Signature-256. No timestamp header. Type: triggerEvent.
// Identity: BodyDigest, because a body carries its trigger, booking and
// createdAt. Registry.
func CalCom() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "cal-com",
		Signature: []string{"X-Cal-Signature-256"},
		Type:      hmacverify.Field{JSON: "triggerEvent"},
		Identity:  hmacverify.BodyDigest,
	}
}

// Webflow is the scheme of Webflow
// (https://developers.webflow.com/data/docs/working-with-webhooks). Hex over
// time, colon and body. Tolerance 5 minutes of milliseconds; the unit is
// unconfirmed. Type: triggerType. Identity: NoIdentity, because what tells
// its events apart is not confirmed. Registry.
func Webflow() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "webflow",
		Signature: []string{"X-Webflow-Signature"},
		Signed:    "{timestamp}:{body}",
		Timestamp: hmacverify.Timestamp{Header: "X-Webflow-Timestamp", Unit: hmacverify.Milliseconds},
		Type:      hmacverify.Field{JSON: "triggerType"},
	}
}

// Lob is the scheme of Lob (https://docs.lob.com/#tag/Webhooks). Hex over
// time, dot and body. Tolerance 5 minutes of milliseconds; the unit is
// unconfirmed. ID: id, signed. Type: event_type.id. Identity: SignedID.
// Registry.
func Lob() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "lob",
		Signature: []string{"Lob-Signature"},
		Signed:    "{timestamp}.{body}",
		Timestamp: hmacverify.Timestamp{Header: "Lob-Signature-Timestamp", Unit: hmacverify.Milliseconds},
		ID:        hmacverify.Field{JSON: "id"},
		Type:      hmacverify.Field{JSON: "event_type.id"},
		Identity:  hmacverify.SignedID,
	}
}

// Onfleet is the scheme of Onfleet
// (https://docs.onfleet.com/reference/webhooks). HMAC-SHA512 in hex over the
// body; the key is hex. No timestamp header. Type: triggerName. Identity:
// BodyDigest, because a body carries trigger, task and time. Registry.
func Onfleet() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:        "onfleet",
		Algorithm:   hmacverify.SHA512,
		Signature:   []string{"X-Onfleet-Signature"},
		KeyEncoding: hmacverify.HexKey,
		Type:        hmacverify.Field{JSON: "triggerName"},
		Identity:    hmacverify.BodyDigest,
	}
}

// Cronofy is the scheme of Cronofy
// (https://docs.cronofy.com/developers/push-notifications/authentication/).
// Base64 over the body; a bare list with one for each client secret. No
// timestamp header. Type: notification.type. Identity: NoIdentity, because a
// notification says that a calendar changed since a time, and may say so
// again. Registry.
func Cronofy() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "cronofy",
		Signature: []string{"Cronofy-HMAC-SHA256"},
		List:      hmacverify.List{Sep: ","},
		Encoding:  hmacverify.Base64,
		Type:      hmacverify.Field{JSON: "notification.type"},
	}
}

// Airtable is the scheme of Airtable
// (https://airtable.com/developers/web/api/webhooks-overview). Hex after
// "hmac-sha256=" over the body; the key is base64. No timestamp header.
// Identity: NoIdentity, because a body is a ping without content: ask for the
// changes since your cursor. Registry.
func Airtable() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:        "airtable",
		Signature:   []string{"X-Airtable-Content-MAC"},
		Prefix:      "hmac-sha256=",
		KeyEncoding: hmacverify.Base64Key,
	}
}

// Nylas is the scheme of Nylas
// (https://developer.nylas.com/docs/v3/notifications/). Hex over the body. No
// timestamp header. ID: id, signed; unconfirmed. Type: type. Identity:
// SignedID. Registry.
func Nylas() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "nylas",
		Signature: []string{"X-Nylas-Signature"},
		ID:        hmacverify.Field{JSON: "id"},
		Type:      hmacverify.Field{JSON: "type"},
		Identity:  hmacverify.SignedID,
	}
}

// Deel is the scheme of Deel (https://developer.deel.com/docs/webhooks). Hex
// over "POST" and the body. No timestamp. Identity: NoIdentity, because what
// tells its events apart is not confirmed. Registry.
func Deel() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "deel",
		Signature: []string{"X-Deel-Signature"},
		Signed:    "POST{body}",
	}
}

// Tally is the scheme of Tally (https://tally.so/help/webhooks). Base64 over
// the body. No timestamp header. ID: eventId, signed. Type: eventType.
// Identity: SignedID. Registry.
func Tally() hmacverify.Scheme {
	return hmacverify.Scheme{
		Name:      "tally",
		Signature: []string{"Tally-Signature"},
		Encoding:  hmacverify.Base64,
		ID:        hmacverify.Field{JSON: "eventId"},
		Type:      hmacverify.Field{JSON: "eventType"},
		Identity:  hmacverify.SignedID,
	}
}
