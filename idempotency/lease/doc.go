// Package lease runs the work of an event under a lease, for effects that are not in
// the store's own database and for work that takes too long for a transaction.
//
//	events, err := sqlstore.New(db, sqlstore.PostgreSQL, nil)
//	…
//	leases, err := lease.New(events, nil)
//	…
//	endpoint, err := idempotency.NewEndpoint("stripe", verifier, leases, nil)
//	…
//	mux.Handle("POST /webhooks/stripe", endpoint.Handle(
//		func(ctx context.Context, claim lease.Claim, d *hmacverify.Delivery) error {
//			return mail.Send(ctx, claim.Key.Downstream(), d.Body)
//		}))
//
// An event is claimed, worked on, and completed, each in a commit of its own. The
// record is fenced, but the effect is at-least-once: it is repeated if the process
// dies, or loses its lease, between the effect and the completion. Pass
// [idempotency.Key.Downstream] to the other system to close that window.
//
// If the work ends with a transaction of its own, sqlstore's CompleteTx completes the
// record in it, and the effect is exactly-once again.
//
// # Stores
//
// A [Store] keeps the records; sqlstore and memstore have one. [Store], [Terms],
// [Record], [State] and [Failure] are of interest only to those who write another:
// storetest.Run checks it.
package lease
