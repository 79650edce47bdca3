package hmacverify

import (
	"errors"
	"maps"
	"net/http"
	"time"
)

// Stored is a delivery as a store keeps it, to process it later or again. It holds
// everything but what authenticated the delivery. Its JSON omits the body, which a
// store keeps as bytes in a column of its own.
type Stored struct {
	// Scheme, Tenant, Time, ID, IDSigned and Identity are those of the Delivery.
	Scheme   string    `json:"scheme"`
	Tenant   string    `json:"tenant,omitempty"`
	Time     time.Time `json:"time,omitzero"`
	ID       string    `json:"id,omitempty"`
	IDSigned bool      `json:"idSigned,omitempty"`
	Identity Identity  `json:"identity"`

	// Type is what EventType returned. It is kept, because the restored delivery
	// does not know where its scheme has the type.
	Type string `json:"type,omitempty"`

	// Outer is that of the Delivery.
	Outer map[string]string `json:"outer,omitempty"`

	// Header is the request's header without what authenticates a request.
	Header http.Header `json:"header,omitempty"`

	// Body is the body, byte for byte.
	Body []byte `json:"-"`
}

// secretHeaders can authenticate a request by themselves.
var secretHeaders = []string{"Authorization", "Proxy-Authorization", "Cookie"}

// Stored returns what a store keeps of d. It omits the headers that hold the
// signature, and Authorization, Proxy-Authorization and Cookie. Body and header
// values are shared with d.
func (d *Delivery) Stored() Stored {
	header := maps.Clone(d.Header)
	for _, name := range secretHeaders {
		delete(header, name)
	}
	if d.verifier != nil {
		// A stored signature would let a reader of the store replay the delivery.
		for _, name := range d.verifier.plan.headers {
			delete(header, name)
		}
	}
	return Stored{
		Scheme:   d.Scheme,
		Tenant:   d.Tenant,
		Time:     d.Time,
		ID:       d.ID,
		IDSigned: d.IDSigned,
		Identity: d.Identity,
		Type:     d.EventType(),
		Outer:    d.Outer,
		Header:   header,
		Body:     d.Body,
	}
}

var errIncomplete = errors.New("hmacverify: stored delivery has no scheme, so it was not returned by Delivery.Stored")

// RestoreUnverified returns the delivery that s was made from. It verifies nothing:
// s must come from a store that only verified deliveries get into. The restored
// delivery has the same ID, type, time, header and body, but not the headers that
// [Delivery.Stored] omits. Its Key is 0, and Verified reports false for it.
//
// A zero s, or one without a scheme, is an error.
func (s Stored) RestoreUnverified() (*Delivery, error) {
	if s.Scheme == "" {
		return nil, errIncomplete
	}
	return &Delivery{
		Scheme:    s.Scheme,
		Tenant:    s.Tenant,
		Time:      s.Time,
		ID:        s.ID,
		IDSigned:  s.IDSigned,
		Identity:  s.Identity,
		Outer:     s.Outer,
		Header:    s.Header,
		Body:      s.Body,
		eventType: s.Type,
	}, nil
}
