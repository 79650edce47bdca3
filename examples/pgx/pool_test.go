package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/hookonce/hookonce/examples/internal/hooktest"
	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
)

// The server takes the parameters, in the units that they are meant in.
func TestNewPool_Parameters(t *testing.T) {
	t.Parallel()
	pool, err := newPool(context.WithoutCancel(t.Context()), hooktest.NewPostgreSQL(t), false)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	want := map[string]string{ // as SHOW writes them
		"statement_timeout":                   "15s",
		"lock_timeout":                        "5s",
		"idle_in_transaction_session_timeout": "1min",
	}
	got := make(map[string]string)
	for parameter := range want {
		var value string
		if err := pool.QueryRow(t.Context(), "SELECT current_setting($1)", parameter).Scan(&value); err != nil {
			t.Fatal(err)
		}
		got[parameter] = value
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("parameters (-want +got)\n%s", diff)
	}
}

// PgBouncer refuses connections that ask for most parameters, and loses prepared statements.
func TestNewPool_PgBouncer(t *testing.T) {
	t.Parallel()
	pool, err := newPool(context.WithoutCancel(t.Context()), "postgres://127.0.0.1:1/none", true)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	c := pool.Config().ConnConfig
	if c.DefaultQueryExecMode != pgx.QueryExecModeExec {
		t.Errorf("mode %v, want exec", c.DefaultQueryExecMode)
	}
	if diff := cmp.Diff(map[string]string{"application_name": "payments"}, c.RuntimeParams); diff != "" {
		t.Errorf("parameters (-want +got)\n%s", diff)
	}
}

// A trace shows hookonce's statements, sqlc's and River's beside each other.
func TestTraces(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	otel.SetTracerProvider(provider) // which newPool uses
	s := newTestService(t)
	signer, err := hmacverify.NewSigner(preset.Stripe(), nil, secret)
	if err != nil {
		t.Fatal(err)
	}
	ctx, span := provider.Tracer("test").Start(t.Context(), "POST /webhooks/stripe")
	defer span.End()
	r, err := signer.NewRequest(ctx, "http://example.com/webhooks/stripe", nil, []byte(payment("evt_1", 100)))
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	s.routes("").ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("responded %d, want 200", w.Code)
	}
	var names []string
	for _, ended := range spans.Ended() {
		if ended.SpanContext().TraceID() == span.SpanContext().TraceID() {
			names = append(names, ended.Name())
		}
	}
	for _, want := range []string{"HookonceClaim", "HookonceKeepPayload", "Credit", "JobInsertFastMany", "COMMIT"} {
		if !slices.Contains(names, want) {
			t.Errorf("no span %s in %q", want, names)
		}
	}
}
