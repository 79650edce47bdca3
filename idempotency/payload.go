package idempotency

import "context"

// A Payload is a delivery as it came, for stores that keep it beside the record.
type Payload struct {
	Source      string // who sent it; the middleware gives the key's scope
	ContentType string
	Body        []byte // must not be changed
}

// WithPayload returns a context that carries p to the store. The [Middleware]
// does this; it is for those who call a [Runner] themselves.
func WithPayload(ctx context.Context, p Payload) context.Context {
	return context.WithValue(ctx, payloadKey{}, p)
}

// PayloadFrom returns the payload that ctx carries. It is for implementations of
// [Runner] and [Store].
func PayloadFrom(ctx context.Context) (p Payload, ok bool) {
	p, ok = ctx.Value(payloadKey{}).(Payload)
	return p, ok
}

type payloadKey struct{}
