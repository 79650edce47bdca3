package hmacverify

import (
	"errors"
	"fmt"
)

// MaxItems is the largest number of events in one request that [Delivery.Items]
// accepts. The largest number that a sender is known to send is a thousand, and an inbox
// on SQLite cannot take more than 5461 in one statement.
const MaxItems = 5000

// maxCopied bounds the memory of the bodies that are not parts of the request's, see
// Items.Inner.
const maxCopied = 32 << 20

// ErrItems: the body does not hold events where Sender.Items says. The error says what
// is wrong and does not hold the body.
var ErrItems = errors.New("hmacverify: events of the request not found")

// Items says where the events of one request are in its JSON body, and what identifies
// each of them. A path is one of Field.JSON's kind.
type Items struct {
	// JSON is the path of the events, in which "[]" is each element of an array:
	// "[]" if the body is the array, "events.[]", "entry.[].changes.[]". It ends with
	// "[]". The name before a "[]" can be several, as "changes|messaging": each element
	// has at least one of these arrays. Required.
	JSON string

	// ID are paths in an event to strings or numbers that identify it together. An
	// event without the first of them has no identity; the others may be absent.
	// Default: the digest of the event's bytes identifies it.
	ID []string

	// Type is the path of an event's type, in the event. Default: none.
	Type string

	// Outer are paths from the body, with the "[]" of JSON, to strings or numbers
	// outside of the events that say whose they are, as "entry.[].id". They are a part
	// of an event's identity, and in Delivery.Outer. Default: none.
	Outer []string

	// Inner are paths in an event to arrays that hold several events after all: Meta
	// puts all messages of a phone number into one change. Where an event has elements
	// there, each of them is an event of its own, identified by its digest. Its body is
	// that of the event around it, which has the one element in these arrays only.
	// Default: none.
	Inner []string
}

// Items returns a delivery for each event in the body, as Sender.Items says where they
// are: with that event's ID and type, and with its bytes as Body, which are a part of
// d's. All else is d's. A body without an event, such as that of a test, has none. A
// scheme without Sender.Items has one event in each request: that is d.
//
// The same event twice in one request is returned twice, under one ID.
//
// The error is [ErrItems]: the body has no array where it should, or more than
// [MaxItems] elements.
func (d *Delivery) Items() ([]*Delivery, error) {
	if d.verifier == nil || d.isItem || len(d.verifier.plan.items) == 0 {
		return []*Delivery{d}, nil
	}
	for i := range d.verifier.plan.items {
		s := splitter{plan: &d.verifier.plan.items[i], whole: d}
		fits, err := s.arrays(0, d.Body, nil)
		switch {
		case err != nil:
			return nil, err
		case fits:
			return s.found, nil
		}
	}
	return nil, fmt.Errorf("%w: the body has no array at %q", ErrItems, d.verifier.plan.scheme.Sender.Items[0].JSON)
}

// Item returns a delivery of one event in d, for senders whose batches Sender.Items
// cannot describe. id and body must be taken from what d's signature covers; body is
// what the handler gets. Without an id, the digest of body identifies the event.
func (d *Delivery) Item(id, eventType string, body []byte) *Delivery {
	item := *d
	item.isItem, item.Ping, item.typePath = true, false, nil
	item.ID, item.IDSigned, item.Identity = id, id != "", SignedID
	if id == "" {
		item.Identity = BodyDigest
	}
	item.eventType, item.Body = eventType, body
	return &item
}
