package lease

import (
	"context"
	"crypto/rand"

	"github.com/hookonce/hookonce/idempotency"
)

// A Claim is the right to do the work of an event while its lease lasts. The work
// gets it as an argument.
type Claim struct {
	Key   idempotency.Key
	Owner Owner

	// Token is the fencing token. It grows with every claim of the event while
	// its record is kept, so that the holder of an older claim can be told from
	// the holder of the current one. After the record was purged it starts at 1
	// again: do not keep tokens for longer than the store keeps records.
	Token int64

	// Attempt counts the attempts at the event, this one included, from 1.
	Attempt int
}

// An Owner is 128 random bits that tell one claim from every other.
type Owner [16]byte

// NewOwner returns an Owner that no other claim has.
func NewOwner() Owner {
	var o Owner
	rand.Read(o[:]) // never fails, see crypto/rand
	return o
}

// FromContext returns the claim that ctx belongs to, for handlers under
// [idempotency.Endpoint.Wrap]; ok is false outside of a [Runner].
func FromContext(ctx context.Context) (c Claim, ok bool) {
	c, ok = ctx.Value(claimKey{}).(Claim)
	return c, ok
}

type claimKey struct{}
