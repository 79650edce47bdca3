// Package idempotency processes each event once, however often it is delivered.
//
// A sender delivers an event until it gets a 2xx, so every event arrives at least
// once, and sometimes twice at the same moment. An [Endpoint] receives the
// deliveries of one sender:
//
//	stripe, err := hmacverify.New(preset.Stripe(), nil, secret)
//	…
//	events, err := sqlstore.New(db, sqlstore.PostgreSQL, nil)
//	…
//	endpoint, err := idempotency.NewEndpoint("stripe", stripe, events, nil)
//	…
//	mux.Handle("POST /webhooks/stripe", endpoint.Handle(
//		func(ctx context.Context, tx *sql.Tx, d *hmacverify.Delivery) error {
//			_, err := tx.ExecContext(ctx, "UPDATE orders SET paid = true WHERE …")
//			return err
//		}))
//
// The function's writes on tx commit atomically with the event's record; the
// response is sent after the commit. A duplicate is answered without calling the
// function. An error rolls back, and the sender retries; see [Func]. [ByType] calls a
// function for each type of event, and [Endpoint.Wrap] takes an existing
// [http.Handler].
//
// A request that carries many events is divided into them: each is processed once, however
// a retry groups them. See "Batches" at [Endpoint].
//
// # Modes
//
// A [Runner] decides what commits with what:
//
//   - A sqlstore.Store commits the record and the work together. The effect is
//     exactly-once. Use it when the effect is in the same database.
//   - A lease.Runner, over any store, claims the event, works, and completes it. The
//     record is fenced, but the effect, in another system, is at-least-once:
//     deduplicate downstream with [Key.Downstream]. Its function gets the claim in
//     place of the transaction. If slow work ends with a transaction of its own, the
//     claim can be completed in that, and the effect is exactly-once again.
//
// Work that takes longer than the sender waits is accepted now and done later, by
// package inbox, with the same function and the same runner.
//
// # Without HTTP
//
// Consumers of a queue, functions, and frameworks with their own idea of a response
// call the runner (RunTx of a sqlstore.Store, Do of a lease.Runner) with the key that
// [KeyOf] returns, and [Status] or [WriteError] for the error.
//
// # Failures
//
// What goes wrong is logged through log/slog, once per delivery, without any
// configuration: see [LogFailures]. An [Observer] in the store's options replaces
// that, and sees everything that happens.
//
// # Testing
//
// Package hooktest is the sender: it delivers signed events to the endpoint's handler,
// repeatedly, at once, or with the answer lost. Use a lease.Runner on a memstore.Store, or
// SQLite in memory. storetest.Failing makes a store fail when a test says so.
//
// # What is not promised
//
// Events are processed as they arrive, possibly concurrently: order is the sender's,
// except within the groups of an inbox.
// An effect outside the database is not undone when the work fails. A record is
// purged after its retention, and an event that is delivered after that is processed
// again.
package idempotency
