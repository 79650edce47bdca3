package main

import (
	"context"
	"errors"
	"net/http"
	"strings"

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

// A telemetry makes metrics, traces and logs of the library's events. Copy this file as
// it is; only newTelemetry knows that the metrics go to Prometheus.
type telemetry struct {
	tracer   trace.Tracer
	events   metric.Int64Counter     // by kind and endpoint
	duration metric.Float64Histogram // by kind and endpoint
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
		metric.WithDescription("What happened to deliveries and events, by kind."))
	t.duration, errs[1] = meter.Float64Histogram("hookonce.event.duration", metric.WithUnit("s"),
		metric.WithDescription("Time from the delivery's arrival."),
		metric.WithExplicitBucketBoundaries(.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30))
	t.purged, errs[2] = meter.Int64Counter("hookonce.records.purged",
		metric.WithDescription("Records deleted after their retention."))
	t.refusals, errs[3] = meter.Int64Counter("hookonce.refused",
		metric.WithDescription("Deliveries that the verifier refused, by reason."))
	return t, errors.Join(errs[:]...)
}

// observe is an idempotency.Observer. The key's ID is not a label, because each event
// has another one; nor is the tenant.
func (t *telemetry) observe(ctx context.Context, e idempotency.Event) {
	idempotency.LogFailures(ctx, e) // which an Observer replaces
	if e.Kind == idempotency.KindPurged {
		t.purged.Add(ctx, int64(e.Count))
		return
	}
	labels := metric.WithAttributes(attribute.String("kind", string(e.Kind)), attribute.String("endpoint", endpoint(e)))
	t.events.Add(ctx, 1, labels)
	t.duration.Record(ctx, e.Duration.Seconds(), labels)
	if e.Kind == idempotency.KindRefused {
		t.refusals.Add(ctx, 1, metric.WithAttributes(attribute.String("reason", reason(e.Err))))
	}

	span := trace.SpanFromContext(ctx) // the request's, also in work that outlives it
	span.AddEvent("hookonce."+string(e.Kind), trace.WithAttributes(
		attribute.String("hookonce.endpoint", endpoint(e)),
		attribute.String("hookonce.key", e.Key.String()),
		attribute.Int("hookonce.attempt", e.Attempt),
	))
	if e.Err != nil && !expected(e.Kind) {
		span.SetStatus(codes.Error, string(e.Kind))
		span.RecordError(e.Err)
	}
}

// endpoint returns the endpoint's name. Where a runner reports, it knows the key only,
// whose scope is that name, and "/" and the tenant where there is one.
func endpoint(e idempotency.Event) string {
	if e.Endpoint != "" {
		return e.Endpoint
	}
	name, _, _ := strings.Cut(e.Key.Scope, "/")
	return name
}

// expected reports whether deliveries meet this outcome without anything being wrong.
func expected(k idempotency.Kind) bool {
	return k == idempotency.KindDuplicate || k == idempotency.KindInFlight
}

// reasons are the errors of hmacverify, as labels.
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
	{hmacverify.ErrBodyTimeout, "body_timeout"},
	{hmacverify.ErrBodyUnreadable, "body_unreadable"},
	{hmacverify.ErrOverloaded, "overloaded"},
}

func reason(err error) string {
	for _, r := range reasons {
		if errors.Is(err, r.err) {
			return r.reason
		}
	}
	return "other"
}

// traced starts a span for each request. Package otelhttp does this and more.
func (t *telemetry) traced(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, span := t.tracer.Start(r.Context(), r.Pattern, trace.WithSpanKind(trace.SpanKindServer))
		defer span.End()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}
