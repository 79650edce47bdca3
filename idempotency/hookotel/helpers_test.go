package hookotel_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/hookotel"
	"github.com/hookonce/hookonce/idempotency/inbox"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/memstore"
)

var secret = "whsec_" + strings.Repeat("c2VjcmV0", 4)

type (
	claim = lease.Claim
	work  = idempotency.Func[lease.Claim]
)

func succeed(context.Context, claim, *hmacverify.Delivery) error { return nil }

// A rig is the endpoint "hooks", which works at once, and the endpoint "later", which has an
// inbox, on a memstore.Store and one Telemetry.
type rig struct {
	telemetry *hookotel.Telemetry
	reader    *metric.ManualReader
	second    *metric.ManualReader // of the same metrics
	spans     *tracetest.SpanRecorder
	tracer    trace.Tracer // of the server

	store   *memstore.Store
	box     *inbox.Inbox
	hooks   *idempotency.Endpoint[claim]
	later   *idempotency.Endpoint[claim]
	now     http.Handler
	accepts http.Handler
	bare    http.Handler // accepts without a span
}

func newRig(t *testing.T, f work) *rig {
	t.Helper()
	g := &rig{reader: metric.NewManualReader(), second: metric.NewManualReader(), spans: tracetest.NewSpanRecorder(), store: new(memstore.Store)}
	tracers := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(g.spans))
	g.tracer = tracers.Tracer("server")
	var err error
	if g.telemetry, err = hookotel.New(&hookotel.Options{
		MeterProvider:  metric.NewMeterProvider(metric.WithReader(g.reader), metric.WithReader(g.second)),
		TracerProvider: tracers,
	}); err != nil {
		t.Fatal(err)
	}
	runner, err := lease.New(g.store, &lease.Options{Observe: g.telemetry.Observe})
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := hmacverify.New(preset.StandardWebhooks(), nil, secret)
	if err != nil {
		t.Fatal(err)
	}
	g.hooks = newEndpoint(t, "hooks", verifier, runner)
	g.later = newEndpoint(t, "later", verifier, runner)
	if g.box, err = inbox.New(g.store, &inbox.Options{Around: g.telemetry.Work}); err != nil {
		t.Fatal(err)
	}
	g.now = g.telemetry.Process(g.hooks, g.hooks.Handle(f))
	g.bare = inbox.Handle(g.box, g.later, f, nil)
	g.accepts = g.telemetry.Accept(g.later, g.bare)
	return g
}

func newEndpoint(t *testing.T, name string, v *hmacverify.Verifier, r *lease.Runner) *idempotency.Endpoint[claim] {
	t.Helper()
	e, err := idempotency.NewEndpoint(name, v, r, nil)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// request returns a signed delivery of an event. header may be nil.
func request(t *testing.T, id string, header http.Header) *http.Request {
	t.Helper()
	signer, err := hmacverify.NewSigner(preset.StandardWebhooks(), nil, secret)
	if err != nil {
		t.Fatal(err)
	}
	if header == nil {
		header = make(http.Header)
	}
	header.Set("Webhook-Id", id)
	r, err := signer.NewRequest(t.Context(), "http://localhost/", header, []byte(`{"type":"order.paid"}`))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// deliver has h serve a delivery within a span of the server, and returns the status of the
// response.
func (g *rig) deliver(h http.Handler, r *http.Request) int {
	ctx, span := g.tracer.Start(r.Context(), "POST /", trace.WithSpanKind(trace.SpanKindServer))
	defer span.End()
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r.WithContext(ctx))
	return rec.Code
}

func (g *rig) want(t *testing.T, h http.Handler, r *http.Request, status int) {
	t.Helper()
	if got := g.deliver(h, r); got != status {
		t.Errorf("responded %d, want %d", got, status)
	}
}

// run runs the inbox until the function that it returns is called.
func (g *rig) run(t *testing.T, workers int) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- g.box.Run(ctx, workers) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

func (g *rig) collect(t *testing.T) []metricdata.Metrics {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := g.reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	if len(all.ScopeMetrics) == 0 {
		return nil
	}
	return all.ScopeMetrics[0].Metrics
}

// metrics returns all points, each as its name, unit and attributes, with its value; of a
// histogram that is the count. Counters of events that are 0 are left out.
func (g *rig) metrics(t *testing.T) map[string]float64 {
	t.Helper()
	points := make(map[string]float64)
	for _, m := range g.collect(t) {
		add := func(attrs attribute.Set, value float64) { points[m.Name+" "+m.Unit+" "+text(attrs.ToSlice())] = value }
		switch data := m.Data.(type) {
		case metricdata.Sum[int64]:
			for _, p := range data.DataPoints {
				if m.Name == "hookonce.events" && p.Value == 0 {
					continue
				}
				add(p.Attributes, float64(p.Value))
			}
		case metricdata.Gauge[int64]:
			for _, p := range data.DataPoints {
				add(p.Attributes, float64(p.Value))
			}
		case metricdata.Gauge[float64]:
			for _, p := range data.DataPoints {
				add(p.Attributes, p.Value)
			}
		case metricdata.Histogram[float64]:
			for _, p := range data.DataPoints {
				add(p.Attributes, float64(p.Count))
			}
		default:
			t.Errorf("%s is a %T", m.Name, m.Data)
		}
	}
	return points
}

func text(attrs []attribute.KeyValue) string {
	words := make([]string, len(attrs))
	for i, a := range attrs {
		words[i] = fmt.Sprintf("%s=%s", a.Key, a.Value)
	}
	slices.Sort(words)
	return strings.Join(words, " ")
}

// ended returns the spans that have ended and whose names begin so.
func (g *rig) ended(prefix string) (spans []sdktrace.ReadOnlySpan) {
	for _, s := range g.spans.Ended() {
		if strings.HasPrefix(s.Name(), prefix) {
			spans = append(spans, s)
		}
	}
	return spans
}
