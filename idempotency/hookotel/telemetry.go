package hookotel

import (
	"errors"
	"sync"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/hookonce/hookonce/idempotency"
)

// scope is the name of the instrumentation.
const scope = "github.com/hookonce/hookonce/idempotency/hookotel"

// Options configures a [Telemetry]. The zero value and nil use the defaults.
type Options struct {
	// MeterProvider makes the metrics. Default: the global one, otel.GetMeterProvider.
	MeterProvider metric.MeterProvider

	// TracerProvider makes the traces. Default: the global one, otel.GetTracerProvider.
	TracerProvider trace.TracerProvider
}

// A Telemetry makes metrics and traces. Create one with [New]. It is safe for concurrent
// use.
type Telemetry struct {
	tracer trace.Tracer
	meter  metric.Meter

	events   metric.Int64Counter
	purged   metric.Int64Counter
	consumed metric.Int64Counter
	sent     metric.Int64Counter
	process  metric.Float64Histogram
	accept   metric.Float64Histogram

	inInbox metric.Int64ObservableGauge
	oldest  metric.Float64ObservableGauge

	mu    sync.Mutex
	names map[string]bool // of endpoints
}

var _ idempotency.Observer = (*Telemetry)(nil).Observe

// seconds are the buckets that the conventions advise, and some for slow work.
var seconds = metric.WithExplicitBucketBoundaries(
	.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10, 30, 60, 300)

// New returns a Telemetry. It fails if the MeterProvider refuses an instrument. o may be
// nil.
func New(o *Options) (*Telemetry, error) {
	if o == nil {
		o = new(Options)
	}
	meters, tracers := o.MeterProvider, o.TracerProvider
	if meters == nil {
		meters = otel.GetMeterProvider()
	}
	if tracers == nil {
		tracers = otel.GetTracerProvider()
	}
	t := &Telemetry{meter: meters.Meter(scope), tracer: tracers.Tracer(scope), names: make(map[string]bool)}
	return t, t.instruments()
}

func (t *Telemetry) instruments() error {
	var errs [8]error
	t.events, errs[0] = t.meter.Int64Counter("hookonce.events", metric.WithUnit("{event}"),
		metric.WithDescription("What happened to deliveries and events, by kind."))
	t.purged, errs[1] = t.meter.Int64Counter("hookonce.records.purged", metric.WithUnit("{record}"),
		metric.WithDescription("Records deleted after their retention."))
	t.consumed, errs[2] = t.meter.Int64Counter("messaging.client.consumed.messages", metric.WithUnit("{message}"),
		metric.WithDescription("Attempts at the work of an event."))
	t.sent, errs[3] = t.meter.Int64Counter("messaging.client.sent.messages", metric.WithUnit("{message}"),
		metric.WithDescription("Events that an inbox has accepted."))
	t.process, errs[4] = t.meter.Float64Histogram("messaging.process.duration", metric.WithUnit("s"), seconds,
		metric.WithDescription("Time of the work that ended, the commit included."))
	t.accept, errs[5] = t.meter.Float64Histogram("messaging.client.operation.duration", metric.WithUnit("s"), seconds,
		metric.WithDescription("Time until an inbox has accepted a delivery."))
	t.inInbox, errs[6] = t.meter.Int64ObservableGauge("hookonce.inbox.events", metric.WithUnit("{event}"),
		metric.WithDescription("Events in an inbox, by state; counted up to 10,000."))
	t.oldest, errs[7] = t.meter.Float64ObservableGauge("hookonce.inbox.oldest.age", metric.WithUnit("s"),
		metric.WithDescription("Time since the oldest event that waits in an inbox was accepted."))
	return errors.Join(errs[:]...)
}

// Attributes of metrics and spans.
const (
	system      = attribute.Key("messaging.system")
	operation   = attribute.Key("messaging.operation.name")
	operates    = attribute.Key("messaging.operation.type")
	destination = attribute.Key("messaging.destination.name")
	messageID   = attribute.Key("messaging.message.id") // of spans only
	batchCount  = attribute.Key("messaging.batch.message_count")
	errorType   = attribute.Key("error.type")
	eventKind   = attribute.Key("hookonce.kind")
	eventState  = attribute.Key("hookonce.state")
	attempt     = attribute.Key("hookonce.attempt") // of spans only
)
