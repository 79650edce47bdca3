package hookotel_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
)

// describe returns all of a span but its times and IDs.
func describe(s sdktrace.ReadOnlySpan) string {
	status := s.Status().Code.String()
	if s.Status().Code == codes.Error {
		status += "(" + s.Status().Description + ")"
	}
	return fmt.Sprintf("%s %s %s events=%d %s", s.Name(), s.SpanKind(), status, len(s.Events()), text(s.Attributes()))
}

func descriptions(spans []sdktrace.ReadOnlySpan) (all []string) {
	for _, s := range spans {
		all = append(all, describe(s))
	}
	return all
}

const secretText = "the body said 4111-1111"

func TestProcess_SpanOfARequest(t *testing.T) {
	t.Parallel()
	g := newRig(t, func(_ context.Context, _ claim, d *hmacverify.Delivery) error {
		if d.ID == "fail" {
			return errors.New(secretText)
		}
		return nil
	})
	g.want(t, g.now, request(t, "evt", nil), 200)
	g.want(t, g.now, request(t, "evt", nil), 200)
	g.want(t, g.now, request(t, "fail", nil), 500)
	forged := request(t, "evt", nil)
	forged.Header.Set("Webhook-Timestamp", "1")
	g.want(t, g.now, forged, 401)
	const rest = process + typed
	want := []string{
		"process hooks consumer Unset events=0 hookonce.attempt=1 hookonce.kind=completed " + rest,
		"process hooks consumer Unset events=0 hookonce.attempt=1 hookonce.kind=duplicate " + rest,
		"process hooks consumer Error(failed) events=0 error.type=failed hookonce.attempt=1 hookonce.kind=failed " + rest,
		"process hooks consumer Unset events=0 error.type=timestamp hookonce.kind=refused " + rest,
	}
	for i, id := range []string{"evt", "evt", "fail"} {
		want[i] = strings.Replace(want[i], "messaging.operation.name", "messaging.message.id="+id+" messaging.operation.name", 1)
	}
	spans := g.ended("process")
	if diff := cmp.Diff(want, descriptions(spans)); diff != "" {
		t.Errorf("spans (-want +got)\n%s", diff)
	}
	servers := g.ended("POST")
	for i, s := range spans {
		if s.Parent().SpanID() != servers[i].SpanContext().SpanID() {
			t.Errorf("%s is no child of the server's span", s.Name())
		}
	}
}

// An event is accepted in one trace. Its work is done in others, one for each attempt, that
// link to it.
func TestWork_LinksToTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		var within trace.SpanContext
		g := newRig(t, func(ctx context.Context, _ claim, _ *hmacverify.Delivery) error {
			within = trace.SpanContextFromContext(ctx)
			if calls++; calls == 1 {
				return errors.New(secretText)
			}
			return nil
		})
		g.want(t, g.accepts, request(t, "evt", nil), 202)
		stop := g.run(t, 1)
		time.Sleep(time.Minute)
		stop()
		want := []string{
			"accept later producer Unset events=0 hookonce.kind=accepted " +
				strings.Replace(accept, "messaging.operation.name", "messaging.message.id=evt messaging.operation.name", 1),
			"process later consumer Error(failed) events=0 error.type=failed hookonce.attempt=1 hookonce.kind=failed " +
				"messaging.destination.name=later messaging.message.id=evt messaging.operation.name=process" + typed,
			"process later consumer Unset events=0 hookonce.attempt=2 hookonce.kind=completed " +
				"messaging.destination.name=later messaging.message.id=evt messaging.operation.name=process" + typed,
		}
		accepted, works, server := g.ended("accept"), g.ended("process"), g.ended("POST")[0]
		if diff := cmp.Diff(want, descriptions(append(accepted, works...))); diff != "" {
			t.Fatalf("spans (-want +got)\n%s", diff)
		}
		origin := accepted[0].SpanContext()
		if accepted[0].Parent().SpanID() != server.SpanContext().SpanID() {
			t.Error("the span of the request is no child of the server's")
		}
		traces := map[trace.TraceID]bool{origin.TraceID(): true}
		for _, s := range works {
			links := s.Links()
			if len(links) != 1 || links[0].SpanContext.TraceID() != origin.TraceID() || links[0].SpanContext.SpanID() != origin.SpanID() {
				t.Errorf("links %v, want one to %v", links, origin)
			}
			if s.Parent().IsValid() || traces[s.SpanContext().TraceID()] {
				t.Error("an attempt does not begin a trace of its own")
			}
			traces[s.SpanContext().TraceID()] = true
		}
		if within.SpanID() != works[1].SpanContext().SpanID() {
			t.Error("the work does not run within its span")
		}
	})
}

// Work that is early is neither an error of the span nor of the metrics.
func TestWork_RetryInIsNoError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		g := newRig(t, func(context.Context, claim, *hmacverify.Delivery) error {
			if calls++; calls == 1 {
				return fmt.Errorf("work: %w", idempotency.RetryIn(time.Hour, errors.New(secretText)))
			}
			return nil
		})
		g.want(t, g.accepts, request(t, "evt", nil), 202)
		stop := g.run(t, 1)
		time.Sleep(2 * time.Hour)
		stop()
		first := describe(g.ended("process")[0])
		if !strings.Contains(first, " Unset ") || !strings.Contains(first, "hookonce.kind=postponed") {
			t.Errorf("got %s", first)
		}
		for point := range g.metrics(t) {
			if strings.Contains(point, "error") || strings.Contains(point, "failed") {
				t.Errorf("counted as an error: %s", point)
			}
		}
	})
}

// A panic passes, and its text, which can hold anything, is in no span.
func TestTelemetry_Panics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		g := newRig(t, func(context.Context, claim, *hmacverify.Delivery) error {
			if calls++; calls < 3 {
				panic(secretText)
			}
			return nil
		})
		func() {
			defer func() {
				if got := recover(); got != secretText {
					t.Errorf("recovered %v", got)
				}
			}()
			g.deliver(g.now, request(t, "evt", nil))
		}()
		g.want(t, g.accepts, request(t, "evt", nil), 202)
		stop := g.run(t, 1)
		time.Sleep(time.Minute)
		stop()
		want := []string{
			"process hooks consumer Error(failed) events=0 error.type=failed " + process + typed,
			"process later consumer Error(panic) events=0 error.type=panic hookonce.attempt=1 " +
				"messaging.destination.name=later messaging.message.id=evt messaging.operation.name=process" + typed,
		}
		if diff := cmp.Diff(want, descriptions(g.ended("process")[:2])); diff != "" {
			t.Errorf("spans (-want +got)\n%s", diff)
		}
	})
}

const (
	senders = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	sendID  = "0af7651916cd43dd8448eb211c80319c"
)

func TestAccept_TraceContext(t *testing.T) {
	t.Parallel()
	state := func(n int) string { // three members, since one may have 256 bytes
		long := strings.Repeat("x", 200)
		return "a=" + long + ",b=" + long + ",c=" + strings.Repeat("x", n-408)
	}
	tests := []struct {
		name   string
		header http.Header // of the request
		state  string      // of the server's span
		bare   bool        // without Accept
		want   func(stored http.Header, links []sdktrace.Link) bool
	}{
		{
			name:   "ours replaces the sender's",
			header: http.Header{"Traceparent": {senders}, "Tracestate": {"sender=1"}},
			want: func(stored http.Header, links []sdktrace.Link) bool {
				return stored.Get("Traceparent") != senders && stored.Get("Tracestate") == "" && len(links) == 1
			},
		},
		{
			name:  "a tracestate of 512 bytes is kept",
			state: state(512),
			want: func(stored http.Header, links []sdktrace.Link) bool {
				return stored.Get("Tracestate") == state(512) && links[0].SpanContext.TraceState().String() == state(512)
			},
		},
		{
			name:  "a longer one is left out",
			state: state(513),
			want: func(stored http.Header, links []sdktrace.Link) bool {
				return len(stored.Values("Tracestate")) == 0 && len(links) == 1
			},
		},
		{
			name:   "without Accept there is the sender's",
			header: http.Header{"Traceparent": {senders}, "Tracestate": {state(512)}},
			bare:   true,
			want: func(_ http.Header, links []sdktrace.Link) bool {
				return len(links) == 1 && links[0].SpanContext.TraceID().String() == sendID && links[0].SpanContext.TraceState().Len() == 3
			},
		},
		{
			name:   "whose tracestate is bounded too",
			header: http.Header{"Traceparent": {senders}, "Tracestate": {state(513)}},
			bare:   true,
			want: func(_ http.Header, links []sdktrace.Link) bool {
				return len(links) == 1 && links[0].SpanContext.TraceState().Len() == 0
			},
		},
		{
			name: "without any there is no link",
			bare: true,
			want: func(_ http.Header, links []sdktrace.Link) bool { return len(links) == 0 },
		},
		{
			name:   "nor with one that is malformed",
			header: http.Header{"Traceparent": {senders + strings.Repeat("x", 10_000)}},
			bare:   true,
			want:   func(_ http.Header, links []sdktrace.Link) bool { return len(links) == 0 },
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := newRig(t, succeed)
				parsed, err := trace.ParseTraceState(tt.state)
				if err != nil {
					t.Fatal(err)
				}
				r := request(t, "evt", tt.header.Clone())
				before := r.Header.Clone()
				if tt.state != "" {
					r = r.WithContext(trace.ContextWithSpanContext(r.Context(), trace.NewSpanContext(trace.SpanContextConfig{
						TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}, TraceFlags: trace.FlagsSampled, TraceState: parsed,
					})))
				}
				h := g.accepts
				if tt.bare {
					h = g.bare
				}
				g.want(t, h, r, 202)
				if diff := cmp.Diff(before, r.Header); diff != "" {
					t.Errorf("the caller's request has changed (-want +got)\n%s", diff)
				}
				stored, err := g.box.Payload(t.Context(), idempotency.Key{Scope: "later", ID: "evt"})
				if err != nil {
					t.Fatal(err)
				}
				stop := g.run(t, 1)
				time.Sleep(time.Second)
				stop()
				links := g.ended("process")[0].Links()
				if !tt.want(stored.Header, links) {
					t.Errorf("stored %v, links %v", stored.Header, links)
				}
			})
		})
	}
}
