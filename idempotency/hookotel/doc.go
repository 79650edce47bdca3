// Package hookotel makes metrics and traces of deliveries and events, with OpenTelemetry,
// and keeps the log of what fails.
//
//	telemetry, err := hookotel.New(nil) // with the global providers
//	…
//	events, err := sqlstore.New(db, sqlstore.PostgreSQL, &sqlstore.Options{Observe: telemetry.Observe})
//	…
//	mux.Handle("POST /webhooks/stripe", telemetry.Process(stripe, stripe.Handle(receive)))
//
// For an endpoint with an inbox there are two lines more:
//
//	box, err := inbox.New(events, &inbox.Options{Around: telemetry.Work})
//	…
//	mux.Handle("POST /webhooks/slack", telemetry.Accept(slack, inbox.Handle(box, slack, receive, nil)))
//	err = telemetry.Watch(box, slack)
//
// Each part works without the others: Observe alone makes all counters and histograms.
// examples/telemetry is a server with all of it, Prometheus, and a dashboard for Grafana.
//
// # Metrics
//
// Names are those of OpenTelemetry's semantic conventions for messaging where these have
// one. They are not stable yet.
//
//	hookonce.events                      what happened, by hookonce.kind: an idempotency.Kind
//	hookonce.records.purged              records deleted after their retention
//	messaging.process.duration           s, of work that ended
//	messaging.client.operation.duration  s, until an inbox has accepted a delivery
//	messaging.client.consumed.messages   attempts at the work of an event
//	messaging.client.sent.messages       events that an inbox has accepted
//	hookonce.inbox.events                what is in an inbox, by hookonce.state; see Watch
//	hookonce.inbox.oldest.age            s, since the oldest that waits was accepted; see Watch
//
// Of a request that waits for its work, messaging.process.duration is the time since it
// arrived; of an event of an inbox, that of the attempt. Work that ends as dead is counted
// in hookonce.events only, where a duplicate of a dead event counts as dead too.
//
// Attributes have few values: the endpoint's name (messaging.destination.name), the kind,
// and error.type, which is the kind again, or the reason why a delivery was refused. No
// attribute of a metric holds a key, a tenant, an attempt or the text of an error. After 100
// names of endpoints, which only keys with scopes of your own can reach, others are "_OTHER".
//
// Process, Accept and Watch have hookonce.events of an endpoint begin at 0 for the kinds
// that one alerts on, so that Prometheus sees the first one as an increase.
//
// Work that asks to be done later, by idempotency.RetryIn, has not failed: its kind is
// "postponed", and it has no error.type.
//
// # Traces
//
// [Telemetry.Process] and [Telemetry.Accept] begin a span, a child of the server's, such as
// that of otelhttp, which belongs outside of them. The work of an inbox happens later, in
// another process perhaps, and more than once when it fails: each attempt is a trace of its
// own, with a link to the request that delivered the event. That request's trace context
// is stored with the headers of the delivery. Spans hold the event's ID, and errors as
// error.type only: the text is in the log.
package hookotel
