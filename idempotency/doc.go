// Package idempotency runs the work of an event once, however often the event is
// delivered.
//
// A webhook's sender delivers until it gets a 2xx, so every event comes at least
// once, and sometimes twice at the same moment. Wrap the handler:
//
//	once := &idempotency.Middleware{Runner: events.Transactional()}
//	mux.Handle("POST /webhooks/github", verifier.Handler(once.Handler(handler)))
//
// where verifier is an hmacverify.Verifier and events a sqlstore.Store. The
// handler's response is held back until the record of the event and the handler's
// work are durable. A second delivery of the event is answered without calling
// the handler.
//
// # Keys
//
// A [Key] is a scope and an ID. [DeliveryKey], the default, takes both from what
// the sender has signed and from your configuration, so that a captured delivery
// cannot be replayed under another ID.
//
// # Modes
//
// A [Runner] decides what "durable" means:
//
//   - Transactional (sqlstore's Transactional): the record and the work are one
//     commit. The effect is exactly-once. Use it when the effect is in the same
//     database.
//   - Lease ([Leased], over any [Store]): the event is claimed, worked on, and
//     completed. The record is fenced, but the effect, in another system, is
//     at-least-once: it is repeated if the process dies between the effect and
//     the completion. Pass [Key.Downstream] on to that system.
//
// # What is not promised
//
// Events are not put into order. An effect outside the database is not undone
// when the work fails. A record is forgotten after its retention, and an event
// that is delivered again after that is done again.
package idempotency
