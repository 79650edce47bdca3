package main

import (
	"context"
	"errors"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	exporter "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
)

// A telemetry makes metrics and traces of what the library's hooks are told. Take
// this file over as it is; only newTelemetry knows that metrics go to Prometheus.
type telemetry struct {
	tracer   trace.Tracer
	events   metric.Int64Counter     // by kind and scope
	duration metric.Float64Histogram // by kind and scope
	purged   metric.Int64Counter
	refusals metric.Int64Counter // by reason
}

const name = "github.com/hookonce/hookonce"

func newTelemetry(registry prometheus.Registerer, tracers trace.TracerProvider) (*telemetry, error) {
	reader, err := exporter.New(exporter.WithRegisterer(registry), exporter.WithoutScopeInfo(), exporter.WithoutTargetInfo())
	if err != nil {
		return nil, err
	}
	meter := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Meter(name)
	t := &telemetry{tracer: tracers.Tracer(name)}
	var errs [4]error
	t.events, errs[0] = meter.Int64Counter("hookonce.events",
		metric.WithDescription("What happened to deliveries, by kind."))
	t.duration, errs[1] = meter.Float64Histogram("hookonce.event.duration", metric.WithUnit("s"),
		metric.WithDescription("Time from the delivery's arrival to what happened to it."),
		metric.WithExplicitBucketBoundaries(.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30))
	t.purged, errs[2] = meter.Int64Counter("hookonce.records.purged",
		metric.WithDescription("Records deleted after their retention."))
	t.refusals, errs[3] = meter.Int64Counter("hookonce.refused",
		metric.WithDescription("Deliveries whose signature was not good, by reason."))
	return t, errors.Join(errs[:]...)
}

// observe is an idempotency.Observer. The scope is a label: leave it out if you
// have thousands of tenants. The ID never is one.
func (t *telemetry) observe(ctx context.Context, e idempotency.Event) {
	if e.Kind == idempotency.EventPurged {
		t.purged.Add(ctx, int64(e.Count))
		return
	}
	labels := metric.WithAttributes(attribute.String("kind", string(e.Kind)), attribute.String("scope", e.Key.Scope))
	t.events.Add(ctx, 1, labels)
	t.duration.Record(ctx, e.Duration.Seconds(), labels)

	span := trace.SpanFromContext(ctx) // that of the request, also in work that outlives it
	span.AddEvent("hookonce."+string(e.Kind), trace.WithAttributes(
		attribute.String("hookonce.scope", e.Key.Scope),
		attribute.String("hookonce.id", e.Key.ID),
		attribute.Int("hookonce.attempt", e.Attempt),
	))
	switch e.Kind {
	case idempotency.EventReleased, idempotency.EventDead, idempotency.EventLost, idempotency.EventStoreError:
		span.SetStatus(codes.Error, string(e.Kind))
		if e.Err != nil {
			span.RecordError(e.Err)
		}
	}
}

// refused is an hmacverify.Options.ErrorHandler.
func (t *telemetry) refused(w http.ResponseWriter, r *http.Request, err error) {
	why := reason(err)
	t.refusals.Add(r.Context(), 1, metric.WithAttributes(attribute.String("reason", why)))
	span := trace.SpanFromContext(r.Context())
	span.SetStatus(codes.Error, "refused: "+why)
	span.RecordError(err)
	hmacverify.WriteError(w, err)
}

// reasons are those of hmacverify, as labels.
var reasons = []struct {
	err    error
	reason string
}{
	{hmacverify.ErrConfig, "config"},
	{hmacverify.ErrMissing, "missing"},
	{hmacverify.ErrMalformed, "malformed"},
	{hmacverify.ErrTimestamp, "timestamp"},
	{hmacverify.ErrMismatch, "mismatch"},
	{hmacverify.ErrNoKey, "no_key"},
	{hmacverify.ErrMethod, "method"},
	{hmacverify.ErrBodyTooLarge, "body_too_large"},
	{hmacverify.ErrBodyUnreadable, "body_unreadable"},
}

func reason(err error) string {
	for _, r := range reasons {
		if errors.Is(err, r.err) {
			return r.reason
		}
	}
	return "unavailable" // the key function failed
}

// traced begins a span for each request. otelhttp does this and more.
func (t *telemetry) traced(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, span := t.tracer.Start(r.Context(), r.Pattern, trace.WithSpanKind(trace.SpanKindServer))
		defer span.End()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}
