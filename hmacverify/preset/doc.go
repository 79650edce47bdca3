// Package preset holds the webhook senders that are known here: for each a
// function that returns its [hmacverify.Scheme].
//
//	stripe, err := hmacverify.New(preset.Stripe(), nil, os.Getenv("STRIPE_WEBHOOK_SECRET"))
//
// A scheme says how the sender signs and, in its Sender field, how it behaves:
// how long it waits, what it retries and for how long, what it makes of a
// response. Defaults of package hmacverify follow from that, and
// .github/SENDERS.md lists it for all senders.
//
// # Which one to use
//
// Use the function that has the sender's name. If there is none, look at the
// headers of a delivery: webhook-id, webhook-timestamp and webhook-signature are
// [StandardWebhooks], the same with svix- are [Svix]. Otherwise write a
// [hmacverify.Scheme] from the sender's page. [ByName] finds a preset by its
// Scheme.Name, for those who keep it in configuration, and [All] lists them.
//
// Read the doc comment before you use a preset. It says what the key looks like,
// whether Options.URL must be set, and on what the identity of an event rests:
//
//   - SignedID: on an ID inside the signed bytes.
//   - BodyDigest: on the body, because no two events of this sender have equal
//     ones.
//   - NoIdentity: on nothing that is signed. There is no default key, and the
//     comment says what to use instead.
//
// Sender.Notes, Sender.Setup and Sender.Batch say what else to prepare for. If the
// sender puts many events into one request, the comment tells the identity of an event
// besides that of a body: idempotency.Endpoint.Handle goes by that of the event.
//
// # Changing a preset
//
// Each call returns a new Scheme, so change what differs for your account:
//
//	s := preset.Slack()
//	s.Name = "slack-commands"
//	s.ID, s.Identity = hmacverify.Field{}, hmacverify.BodyDigest
//	s.Sender.Duplicate = hmacverify.Replay
//
// Give a changed scheme a name of its own if both are in use: deliveries carry it.
//
// # How facts are known
//
// No sender was called to write this package. Sender.Facts names the source of
// each statement and when it was read: a delivery that the sender published and
// that the tests verify, its code, its page, a copy of its page, a registry, or
// hearsay. A Fact whose About is empty is the source of all that no other Fact
// names. "unconfirmed" as a source is general knowledge: look at the sender's page
// before you rely on it. What was not found is the zero value; nothing is guessed.
// RetriesAll means that no exception was found.
package preset
