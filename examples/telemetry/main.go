// Command telemetry shows metrics, traces and logs of what happens to deliveries, with
// package hookotel, and serves the metrics to Prometheus.
//
//	WEBHOOK_SECRET=example go -C examples run ./telemetry -traces
//
// Send it an event from another terminal, 50 times concurrently, one that an inbox accepts,
// and look at the metrics:
//
//	go run ./hmacverify/send -secret example -url http://127.0.0.1:8080/webhooks -n 50
//	go run ./hmacverify/send -secret example -url http://127.0.0.1:8080/webhooks/later
//	curl http://127.0.0.1:8080/metrics
//
// With -traces it prints each trace. dashboard.json is a Grafana dashboard of these
// metrics: import it and choose your Prometheus.
package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	exporter "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	_ "modernc.org/sqlite"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/hookotel"
	"github.com/hookonce/hookonce/idempotency/inbox"
	"github.com/hookonce/hookonce/store/sqlstore"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "listen on this `address`")
	traces := flag.Bool("traces", false, "print each trace")
	flag.Parse()
	if err := run(*addr, os.Getenv("WEBHOOK_SECRET"), *traces); err != nil {
		log.Fatal(err)
	}
}

func run(addr, secret string, traces bool) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir, err := os.MkdirTemp("", "hookonce-") // you have a database already
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "example.db")+
		"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(2000)")
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(16)

	tracers, err := newTracers(traces)
	if err != nil {
		return err
	}
	defer tracers.Shutdown(context.WithoutCancel(ctx))
	a, err := newApp(ctx, db, secret, tracers)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           a.routes(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      45 * time.Second, // longer than the work may take
		IdleTimeout:       2 * time.Minute,
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	fmt.Printf("listening on http://%s\n", listener.Addr())
	worked, stopped := make(chan error, 1), make(chan error, 1)
	go func() { worked <- a.box.Run(ctx, 4) }()
	context.AfterFunc(ctx, func() { stopped <- server.Shutdown(context.WithoutCancel(ctx)) })
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return errors.Join(<-stopped, <-worked) // what was in flight has ended
}

func newTracers(printed bool) (*sdktrace.TracerProvider, error) {
	if !printed {
		return sdktrace.NewTracerProvider(), nil
	}
	exporter, err := stdouttrace.New(stdouttrace.WithWriter(os.Stdout), stdouttrace.WithPrettyPrint())
	if err != nil {
		return nil, err
	}
	return sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter)), nil
}

// An app is two endpoints that are observed. One works at once, the other has an inbox.
type app struct {
	registry   *prometheus.Registry
	telemetry  *hookotel.Telemetry
	events     *sqlstore.Store
	box        *inbox.Inbox
	now, later *idempotency.Endpoint[*sql.Tx]
}

func newApp(ctx context.Context, db *sql.DB, secret string, tracers *sdktrace.TracerProvider) (*app, error) {
	a := &app{registry: prometheus.NewRegistry()}
	reader, err := exporter.New(exporter.WithRegisterer(a.registry), exporter.WithoutScopeInfo(), exporter.WithoutTargetInfo())
	if err != nil {
		return nil, err
	}
	a.telemetry, err = hookotel.New(&hookotel.Options{
		MeterProvider:  sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)),
		TracerProvider: tracers,
	})
	if err != nil {
		return nil, err
	}
	a.events, err = sqlstore.New(db, sqlstore.SQLite, &sqlstore.Options{
		Observe:        a.telemetry.Observe, // of the verification, the runner and the store
		RecordFailures: true,                // to know the number of attempts
	})
	if err != nil {
		return nil, err
	}
	if err := a.events.CreateTables(ctx); err != nil {
		return nil, err
	}
	a.box, err = inbox.New(a.events, &inbox.Options{Around: a.telemetry.Work})
	if err != nil {
		return nil, err
	}
	verifier, err := hmacverify.New(preset.XSignature256(), nil, secret)
	if err != nil {
		return nil, err
	}
	a.now, err = idempotency.NewEndpoint("now", verifier, a.events, nil)
	if err != nil {
		return nil, err
	}
	a.later, err = idempotency.NewEndpoint("later", verifier, a.events, nil)
	if err != nil {
		return nil, err
	}
	return a, a.telemetry.Watch(a.box, a.later)
}

// routes wants otelhttp's handler around it, for spans and metrics of HTTP.
func (a *app) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks", a.telemetry.Process(a.now, a.now.Handle(work)))
	mux.Handle("POST /webhooks/later", a.telemetry.Accept(a.later, inbox.Handle(a.box, a.later, work, nil)))
	mux.Handle("GET /metrics", promhttp.HandlerFor(a.registry, promhttp.HandlerOpts{}))
	return mux
}

// work fails for events whose ID begins with fail.
func work(_ context.Context, _ *sql.Tx, d *hmacverify.Delivery) error {
	if strings.HasPrefix(d.ID, "fail") {
		return errors.New("failed, as you wish")
	}
	return nil
}
