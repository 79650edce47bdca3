// Command telemetry makes metrics and traces of what happens to deliveries, with
// OpenTelemetry, and serves the metrics to Prometheus.
//
//	go -C examples run ./telemetry
//
// It prints a command that sends it an event, and serves the metrics at /metrics;
// with -traces it prints each trace. dashboard.json is a Grafana dashboard of
// these metrics: import it and choose your Prometheus.
//
// All of it is made from the hooks that the library has, in telemetry.go, and the
// library knows of no telemetry.
package main

import (
	"context"
	"database/sql"
	"flag"
	"net/http"
	"os"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	_ "modernc.org/sqlite"

	"github.com/hookonce/hookonce/examples/internal/local"
	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/sqlstore"
)

func main() {
	traces := flag.Bool("traces", false, "print each trace")
	local.Main(func(m *local.Machine) (http.Handler, error) {
		secret := m.Secret("WEBHOOK_SECRET")
		m.Try("-secret", secret, "-url", m.URL+"/webhooks", "-n", "50")
		m.See("/metrics")
		db, err := sql.Open("sqlite", m.SQLite())
		if err != nil {
			return nil, err
		}
		m.Defer(db.Close)
		tracers := sdktrace.NewTracerProvider()
		if *traces {
			exporter, err := stdouttrace.New(stdouttrace.WithWriter(os.Stdout), stdouttrace.WithPrettyPrint())
			if err != nil {
				return nil, err
			}
			tracers = sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter))
		}
		m.Defer(func() error { return tracers.Shutdown(context.Background()) })
		a, err := newApp(m.Context, db, secret, tracers)
		if err != nil {
			return nil, err
		}
		return a.routes(), nil
	})
}

// An app is an endpoint that is observed.
type app struct {
	registry  *prometheus.Registry
	telemetry *telemetry
	verifier  *hmacverify.Verifier
	events    *sqlstore.Store
}

func newApp(ctx context.Context, db *sql.DB, secret string, tracers *sdktrace.TracerProvider) (a *app, err error) {
	a = &app{registry: prometheus.NewRegistry()}
	if a.telemetry, err = newTelemetry(a.registry, tracers); err != nil {
		return nil, err
	}
	options := &hmacverify.Options{ErrorHandler: a.telemetry.refused}
	if a.verifier, err = hmacverify.New(preset.XSignature256(), options, secret); err != nil {
		return nil, err
	}
	a.events, err = sqlstore.New(db, sqlstore.SQLite, &sqlstore.Options{
		RecordFailures: true, // or nobody knows how often an event has failed
		Observe:        a.telemetry.observe,
	})
	if err != nil {
		return nil, err
	}
	return a, a.events.CreateTables(ctx)
}

func (a *app) routes() http.Handler {
	// The store tells of the deliveries that reach it, and the middleware of
	// those that it holds back: of no delivery do both.
	once := &idempotency.Middleware{Runner: a.events.Transactional(), Observe: a.telemetry.observe}
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks", a.telemetry.traced(a.verifier.Handler(once.Handler(http.HandlerFunc(work)))))
	mux.Handle("GET /metrics", promhttp.HandlerFor(a.registry, promhttp.HandlerOpts{}))
	return mux
}

// work fails for events whose ID begins with fail.
func work(w http.ResponseWriter, r *http.Request) {
	d, _ := hmacverify.FromContext(r.Context())
	if strings.HasPrefix(d.ID, "fail") {
		http.Error(w, "failed, as you wish", http.StatusInternalServerError)
	}
}
