package hmacverify

import "time"

// Sender describes how a sender behaves, beside how it signs: how long it waits,
// what it retries and what it makes of a response. Defaults follow from it: the
// response to a duplicate, the largest body, the timestamp's tolerance and the
// shortest retention. The zero Sender is one that nothing is known of.
//
// Package preset fills it in for the senders that it knows. Change a field if
// your account behaves differently.
type Sender struct {
	// Title is the sender's name for people, such as "Stripe". Default: the
	// scheme's Name.
	Title string

	// Docs is the address of the sender's own page on its webhooks.
	Docs string

	// Waits is how long the sender waits for a response. 0: not known.
	Waits time.Duration

	// Success lists the status codes that the sender takes for success. Empty:
	// any 2xx.
	Success []int

	// Retries says whether the sender retries a failed delivery, and which
	// failures. RetryWindow is the time from the first attempt to the last; 0:
	// not known. RetrySchedule says it in the sender's words, for people.
	Retries       Retries
	RetryWindow   time.Duration
	RetrySchedule string

	// RetryTime says whether a retry carries a new signed time or the first
	// attempt's. It decides the default tolerance, see [Timestamp].
	RetryTime RetryTime

	// Duplicate is what suits the sender as the response to an event that was
	// processed before. Default Acknowledge.
	Duplicate Response

	// Blocks reports that a delivery that fails holds back later ones.
	// Disables says, for people, what makes the sender stop sending altogether,
	// such as "8 failures in a row"; empty: nothing is known to.
	Blocks   bool
	Disables string

	// MaxBody is the size in bytes of the largest body that it sends. 0: not
	// known; [New] then allows 1 MiB.
	MaxBody int64

	// BodyType is the media type of its bodies. Default "application/json".
	BodyType string

	// Setup says, for people, what it sends when an endpoint is set up or
	// tested. Empty: nothing is known of it.
	Setup string

	// Batch says, for people, that a request can carry several events, and
	// where the ID of each is. Empty: one request is one event.
	Batch string

	// Order reports that the sender delivers in order.
	Order bool

	// Notes are cautions that fit no other field, for people.
	Notes string

	// Facts says where the above comes from, and how the sender signs.
	Facts []Fact
}

// Retries says which failed deliveries a sender retries.
type Retries int

// What a sender retries.
const (
	RetriesUnknown   Retries = iota // not known
	RetriesAll                      // anything but success
	RetriesSome                     // some failures only: see RetrySchedule
	RetriesNone                     // nothing: what fails once is lost
)

// RetryTime says which time a retry carries.
type RetryTime int

// The times of retries.
const (
	RetryTimeUnknown RetryTime = iota // not known
	RetryTimeNew                      // signed anew for each attempt
	RetryTimeFirst                    // that of the first attempt
)

// Response is what suits a sender as the response to a duplicate.
type Response int

// The responses to duplicates.
const (
	// Acknowledge is an empty 2xx. Nearly all senders take anything else for
	// a failure, and retry or give up.
	Acknowledge Response = iota

	// Conflict is 409 with a problem document, for senders that were told so.
	Conflict

	// Replay is the first response once more, for senders that act on the
	// response's body.
	Replay
)

// Fact says where something that is known of a sender comes from.
type Fact struct {
	// About names what the source says: "signature", "identity", "waits",
	// "retries", "responses", "limits", "setup". Empty: all that no other Fact
	// names.
	About string

	// Source is the kind of source.
	Source Source

	// Where is the source itself: an address, a package with its version.
	Where string

	// Read is when it was read, as "2026-11".
	Read string
}

// Source is a kind of source, the most reliable first.
type Source int

// The kinds of sources.
const (
	SourceUnknown  Source = iota // not recorded
	SourceVector                 // a delivery that the sender published, verified here
	SourceCode                   // the sender's own code: its SDK, its repository
	SourceDocs                   // the sender's own page
	SourceCopy                   // a copy of the sender's page, or a page that restates it
	SourceRegistry               // a registry of webhook providers
	SourceHearsay                // a user, a third party, memory
)
