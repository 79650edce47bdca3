package idempotency

import "github.com/hookonce/hookonce/hmacverify"

// SetBodyReader gives e the limits of b, for tests that cannot wait for the defaults.
func (e *Endpoint[T]) SetBodyReader(b *hmacverify.BodyReader) { e.bodies = b }
