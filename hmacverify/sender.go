package hmacverify

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"time"
)

// Sender describes how a sender behaves, beyond how it signs: how long it waits,
// what it retries and how it takes a response. Defaults follow from it: the
// response to a duplicate, the largest body, the tolerance of the timestamp and the
// shortest retention. In the zero Sender nothing is known.
//
// Package preset sets it for the senders that it knows. Change a field if your
// account behaves differently.
type Sender struct {
	// Title is the sender's name for people, such as "Stripe". Default: the
	// scheme's Name.
	Title string

	// Docs is the address of the sender's own page on its webhooks. Default none.
	Docs string

	// Waits is how long the sender waits for a response. Default 0, not known.
	Waits time.Duration

	// Success lists the status codes that the sender takes for success. Default
	// any 2xx.
	Success []int

	// Retries says which failed deliveries the sender retries. Default
	// RetriesUnknown.
	Retries Retries

	// RetryWindow is the time from the first attempt to the last, at most ten
	// years. Default 0, not known.
	RetryWindow time.Duration

	// RetrySchedule describes the attempts in the sender's words. Default not
	// known.
	RetrySchedule string

	// RetryTime says whether a retry carries a new signed time or the first
	// attempt's. With RetryTimeFirst the tolerance of the timestamp covers
	// RetryWindow, see Timestamp.Tolerance. Default RetryTimeUnknown.
	RetryTime RetryTime

	// Duplicate is the response that suits the sender for an event that was
	// processed before. Default Acknowledge.
	Duplicate Response

	// Instead replaces the status of a refusal or a failure by one that this sender
	// takes better: {401: 403} where a 401 ends all deliveries, {500: 503} where a
	// 500 is never retried. Both are between 300 and 599. Default none.
	Instead map[int]int

	// NoBody reports that the sender takes a response with a body for a failure. No
	// response has one then. Default false.
	NoBody bool

	// Blocks reports that a failing delivery holds back later ones: for RetryWindow,
	// unless the store has a bound on attempts. Default false.
	Blocks bool

	// Disables describes what makes the sender stop sending altogether, such as
	// "8 failures in a row". Default not known.
	Disables string

	// MaxBody is the size in bytes of the largest body that it sends, at most
	// 1 GiB. [New] accepts bodies of that size, and of 1 MiB in any case. Default
	// 0, not known.
	MaxBody int64

	// BodyType is the media type of its bodies. Default "application/json".
	BodyType string

	// Setup describes what it sends when an endpoint is set up or tested. Default
	// not known.
	Setup string

	// Pings are deliveries without an event, such as tests of the endpoint. They are
	// acknowledged, and no work is done. Default none.
	Pings []Ping

	// Items says where the events are in a request that can carry several, see
	// [Delivery.Items]. If there is more than one, the first whose outermost array is in
	// the body counts. Default: one event in a request, or Batch says why there is no
	// data for it.
	Items []Items

	// Batch says in words what Items cannot of requests with several events: how
	// many there are, or why the events cannot be told apart. Default none.
	Batch string

	// Order reports that the sender delivers in order. Default false.
	Order bool

	// Notes are cautions that fit no other field. Default none.
	Notes string

	// Facts are the sources of the above, and of how the sender signs. Default
	// none.
	Facts []Fact
}

// Ping recognizes a delivery without an event, by its signed body.
type Ping struct {
	// JSON is a path in the body, see Field.JSON.
	JSON string

	// Value is what stands there, as JSON: `"ping"`, `0`, `[]`.
	Value string
}

// Retries says which failed deliveries a sender retries.
type Retries int

// What a sender retries.
const (
	RetriesUnknown Retries = iota // not known
	RetriesAll                    // anything but success
	RetriesSome                   // some failures only, see RetrySchedule
	RetriesNone                   // nothing: a delivery that fails is lost
)

// RetryTime says which signed time a retry carries.
type RetryTime int

// The times of retries. If it is not known, [New] assumes the first attempt's: a
// longer tolerance then costs little, because the event's record stops a replay, and
// a shorter one could lose the event.
const (
	RetryTimeUnknown RetryTime = iota // not known
	RetryTimeNew                      // each attempt is signed anew
	RetryTimeFirst                    // each attempt carries the first one's time
)

// Response is a response to a duplicate.
type Response int

// The responses to duplicates.
const (
	// Acknowledge is an empty 2xx. Nearly all senders take anything else for a
	// failure, and retry or give up.
	Acknowledge Response = iota

	// Conflict is 409 with a problem document, for senders that agreed to it.
	Conflict

	// Replay is the first response again, for senders that read it.
	Replay
)

// Fact is the source of something that is known about a sender.
type Fact struct {
	// About is the subject: "signature", "identity", "waits", "retries", "retry
	// time", "responses", "limits", "setup", "items", "batch". Default: everything
	// that no other Fact is about.
	About string

	// Source is the kind of source. Default SourceUnknown.
	Source Source

	// Where is the source itself: an address, or a package with its version.
	Where string

	// Read is the month in which it was read, as "2026-11". Default not recorded.
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

// sender checks the facts that defaults follow from.
func (p *plan) sender(*Options) error {
	s := &p.scheme.Sender
	switch {
	case s.MaxBody < 0 || s.MaxBody > maxMaxBody:
		return p.wrong("Sender.MaxBody", "%d is not between 0 and 1 GiB", s.MaxBody)
	case s.RetryWindow < 0 || s.RetryWindow > maxRetryWindow:
		return p.wrong("Sender.RetryWindow", "%v is not between 0 and ten years", s.RetryWindow)
	case s.RetryTime < RetryTimeUnknown || s.RetryTime > RetryTimeFirst:
		return p.wrong("Sender.RetryTime", "%d is not one of RetryTimeUnknown, RetryTimeNew and RetryTimeFirst", s.RetryTime)
	}
	for _, status := range s.Success {
		if status/100 != 2 {
			return p.wrong("Sender.Success", "%d is not between 200 and 299", status)
		}
	}
	for from, to := range s.Instead {
		if min(from, to) < 300 || max(from, to) > 599 {
			return p.wrong("Sender.Instead", "%d and %d: both must be between 300 and 599", from, to)
		}
	}
	// The caller could still change them.
	s.Success, s.Instead, s.Pings = slices.Clone(s.Success), maps.Clone(s.Instead), slices.Clone(s.Pings)
	s.Items = slices.Clone(s.Items)
	return cmp.Or(p.pings(), p.itemsOf())
}

// pings resolves the paths.
func (p *plan) pings() error {
	pings := p.scheme.Sender.Pings
	if len(pings) > 0 && !p.signsBody() {
		return p.wrong("Sender.Pings", "the signature does not cover the bytes of the body")
	}
	for _, ping := range pings {
		path, err := p.path("Sender.Pings", ping.JSON)
		if err != nil {
			return err
		}
		if path == nil || !json.Valid([]byte(ping.Value)) {
			return p.wrong("Sender.Pings", "%q at %q: Value must be JSON, at a path", ping.Value, ping.JSON)
		}
		p.pingPaths = append(p.pingPaths, path)
	}
	return nil
}

// isPing reports whether a signed body carries no event.
func (p *plan) isPing(body []byte) bool {
	for i, path := range p.pingPaths {
		if at := jsonAt(body, path); at != nil && string(at) == p.scheme.Sender.Pings[i].Value {
			return true
		}
	}
	return false
}

// StatusOf returns the status to send to the sender for one that HTTP would suggest:
// Instead's, or one of Success for another 2xx.
func (s *Sender) StatusOf(status int) int {
	to := s.Instead[status]
	switch {
	case status >= 300 && to >= 300: // a failure stays one
		return to
	case status/100 != 2 || len(s.Success) == 0 || slices.Contains(s.Success, status):
		return status
	case s.Success[0]/100 != 2 || slices.Contains(s.Success, http.StatusOK):
		return http.StatusOK
	}
	return s.Success[0]
}
