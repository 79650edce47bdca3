package hookotel

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/inbox"
)

// An Endpoint has a name: it is an idempotency.Endpoint.
type Endpoint interface {
	Name() string
}

// Process returns a handler that calls next within a span "process" of the endpoint. next is
// e.Handle or e.Wrap. A verifier's Handler, if there is one, belongs inside.
func (t *Telemetry) Process(e Endpoint, next http.Handler) http.Handler {
	return t.spanned(e, next, trace.SpanKindConsumer, operation.String("process"), operates.String("process"))
}

// Accept returns a handler that calls next within a span "accept" of the endpoint. next is
// what inbox.Handle returned. A verifier's Handler, if there is one, belongs inside.
func (t *Telemetry) Accept(e Endpoint, next http.Handler) http.Handler {
	return t.spanned(e, next, trace.SpanKindProducer, operation.String("accept"), operates.String("send"))
}

func (t *Telemetry) spanned(e Endpoint, next http.Handler, kind trace.SpanKind, op, opType attribute.KeyValue) http.Handler {
	t.begin(e)
	name := op.Value.AsString() + " " + e.Name()
	o := []trace.SpanStartOption{trace.WithSpanKind(kind),
		trace.WithAttributes(system.String("hookonce"), op, opType, destination.String(e.Name()))}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, span := t.tracer.Start(r.Context(), name, o...)
		defer func() { span.End() }() // which, deferred itself, would record the text of a panic
		r = r.WithContext(context.WithValue(ctx, requestSpan{}, span))
		r.Header = inject(r.Header, span.SpanContext())
		next.ServeHTTP(w, r)
	})
}

// requestSpan is the key of the span in a request's context, which is not always the
// innermost.
type requestSpan struct{}

// noteOn adds what happened to the span of the request. In a request with several events,
// each of them is observed, without a status.
func noteOn(ctx context.Context, e idempotency.Event, kind, class string) {
	span, ok := ctx.Value(requestSpan{}).(trace.Span)
	if !ok {
		return
	}
	if e.Status != 0 {
		span.SetAttributes(eventKind.String(kind))
		if e.Key.ID != "" && e.Kind != idempotency.KindInvalidKey {
			span.SetAttributes(messageID.String(e.Key.ID))
		}
		if e.Attempt > 0 {
			span.SetAttributes(attempt.Int(e.Attempt))
		}
		if e.Count > 1 {
			span.SetAttributes(batchCount.Int(e.Count))
		}
	}
	// A request that is refused is its sender's error, as for the span of the server.
	fail(span, class, e.Kind == idempotency.KindRefused && e.Status/100 == 4)
}

func fail(span trace.Span, class string, theirs bool) {
	if class == "" {
		return
	}
	span.SetAttributes(errorType.String(class))
	if !theirs {
		span.SetStatus(codes.Error, class)
	}
}

// Work calls next within a span "process" that begins a trace, with a link to the request
// that delivered the event, if [Telemetry.Accept] or [Telemetry.Process] has seen it. Set
// it as Around in the options of an inbox.
func (t *Telemetry) Work(ctx context.Context, j inbox.Job, d *hmacverify.Delivery, next func(context.Context) idempotency.Outcome) idempotency.Outcome {
	name := j.Key.Endpoint()
	o := []trace.SpanStartOption{trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
		system.String("hookonce"), operation.String("process"), operates.String("process"),
		destination.String(name), messageID.String(j.Key.ID), attempt.Int(j.Attempts))}
	if from := extract(d.Header); from.IsValid() {
		o = append(o, trace.WithLinks(trace.Link{SpanContext: from}))
	}
	ctx, span := t.tracer.Start(ctx, "process "+name, o...)
	class := "panic" // unless next returns
	defer func() {
		fail(span, class, false)
		span.End() // within this function, see spanned
	}()
	outcome := next(ctx)
	var kind string
	kind, class = classify(outcome.Kind, outcome.Err)
	span.SetAttributes(eventKind.String(kind))
	return outcome
}
