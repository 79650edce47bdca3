package hookotel

import (
	"context"

	"go.opentelemetry.io/otel/metric"

	"github.com/hookonce/hookonce/idempotency"
)

// maxNames bounds the values of messaging.destination.name. With all kinds, these are as many
// series as the SDK keeps of a metric by default.
const maxNames = 100

// nameOf returns the endpoint of an event as the value of an attribute. Where a runner
// reports, it knows the key only.
func (t *Telemetry) nameOf(e idempotency.Event) string {
	name := e.Endpoint
	if name == "" && e.Kind != idempotency.KindInvalidKey { // whose parts can be anything
		name = e.Key.Endpoint()
	}
	if name == "" {
		return ""
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.names[name] {
		if len(t.names) == maxNames {
			return "_OTHER"
		}
		t.names[name] = true
	}
	return name
}

// alarming are the kinds that an operator may want to hear of at their first time.
var alarming = [...]idempotency.Kind{
	idempotency.KindDead, idempotency.KindFailed, idempotency.KindInvalidKey, idempotency.KindLeaseLost,
	idempotency.KindMismatch, idempotency.KindOverloaded, idempotency.KindResponseTooLarge,
	idempotency.KindStolen, idempotency.KindStoreError, idempotency.KindTimeout, idempotency.KindUnavailable,
}

// begin has the counters of an endpoint begin at 0. Prometheus sees no increase in a series
// that begins at 1, so that the first event that dies would raise no alert.
func (t *Telemetry) begin(e Endpoint) {
	name := t.nameOf(idempotency.Event{Endpoint: e.Name()})
	for _, kind := range alarming {
		_, class := classify(kind, nil)
		t.events.Add(context.Background(), 0, metric.WithAttributes(eventAttributes(name, string(kind), class)...))
	}
}
