package hookotel

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/hookonce/hookonce/idempotency"
)

// Observe is an [idempotency.Observer]: set it in the options of the store, or of the
// lease.Runner. It calls [idempotency.LogFailures], counts and measures, and completes the
// span of the request, if there is one.
func (t *Telemetry) Observe(ctx context.Context, e idempotency.Event) {
	kind, class := classify(e.Kind, e.Err)
	idempotency.LogFailures(ctx, e)
	if e.Kind == idempotency.KindPurged {
		t.purged.Add(ctx, int64(e.Count))
		if e.Err == nil {
			return
		}
		kind, class = string(idempotency.KindStoreError), string(idempotency.KindStoreError)
	}
	name := t.nameOf(e)
	t.events.Add(ctx, 1, metric.WithAttributes(eventAttributes(name, kind, class)...))
	t.measure(ctx, e, name, kind, class)
	noteOn(ctx, e, kind, class)
}

// eventAttributes returns the attributes of hookonce.events.
func eventAttributes(name, kind, class string) []attribute.KeyValue {
	return append(common(name, class), eventKind.String(kind))
}

// common returns the attributes that all metrics have, without those that are empty.
func common(name, class string) []attribute.KeyValue {
	attrs := make([]attribute.KeyValue, 0, 6)
	if name != "" {
		attrs = append(attrs, destination.String(name))
	}
	if class != "" {
		attrs = append(attrs, errorType.String(class))
	}
	return attrs
}

// measure records the metrics of the conventions.
func (t *Telemetry) measure(ctx context.Context, e idempotency.Event, name, kind, class string) {
	with := func(more ...attribute.KeyValue) metric.MeasurementOption {
		return metric.WithAttributes(append(append(common(name, class), system.String("hookonce")), more...)...)
	}
	switch e.Kind {
	case idempotency.KindClaimed:
		t.consumed.Add(ctx, 1, with(operation.String("process")))
	case idempotency.KindAccepted:
		accepted := with(operation.String("accept"), operates.String("send"))
		t.sent.Add(ctx, int64(max(1, e.Count)), accepted)
		t.accept.Record(ctx, e.Duration.Seconds(), accepted)
	case idempotency.KindCompleted, idempotency.KindIgnored, idempotency.KindFailed, idempotency.KindTimeout,
		idempotency.KindPostponed, idempotency.KindResponseTooLarge, idempotency.KindLeaseLost:
		if e.Key.ID != "" && e.Duration > 0 { // neither a ping nor a note of work that hangs
			t.process.Record(ctx, e.Duration.Seconds(),
				with(operation.String("process"), operates.String("process"), eventKind.String(kind)))
		}
	}
}

// classify returns the values of hookonce.kind and of error.type, "" if nothing is wrong.
func classify(k idempotency.Kind, err error) (kind, class string) {
	switch k {
	case idempotency.KindCompleted, idempotency.KindIgnored, idempotency.KindAccepted, idempotency.KindDuplicate,
		idempotency.KindInFlight, idempotency.KindClaimed, idempotency.KindStolen, idempotency.KindPurged,
		idempotency.KindForgotten, idempotency.KindPostponed:
		return string(k), ""
	case idempotency.KindRefused:
		return string(k), refusal(err)
	}
	return string(k), string(k)
}
