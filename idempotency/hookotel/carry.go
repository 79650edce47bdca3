package hookotel

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// The trace context travels in the headers of the delivery, which a store keeps with it. It
// is in the form of W3C Trace Context, whatever propagator the program uses.
const (
	traceparent = "Traceparent"
	tracestate  = "Tracestate"

	// maxState is how long a tracestate may be, in bytes: as long as W3C asks everyone to
	// pass on at least. A longer one is left out, and the trace is the same without it.
	maxState = 512
)

// inject returns a copy of h with the trace context of sc, or h if there is none.
func inject(h http.Header, sc trace.SpanContext) http.Header {
	if !sc.IsValid() {
		return h
	}
	h = h.Clone()
	h.Del(tracestate)
	ctx := trace.ContextWithSpanContext(context.Background(), sc)
	propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(h))
	if len(h.Get(tracestate)) > maxState {
		h.Del(tracestate)
	}
	return h
}

// extract returns the trace context in h, which is not valid if there is none. Without
// Process or Accept it is the sender's own, and can be of any length.
func extract(h http.Header) trace.SpanContext {
	carrier := propagation.MapCarrier{"traceparent": h.Get(traceparent)}
	if state := h.Get(tracestate); len(state) <= maxState {
		carrier["tracestate"] = state
	}
	return trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), carrier))
}
