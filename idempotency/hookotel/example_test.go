package hookotel_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/hookotel"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/memstore"
)

func Example() {
	reader := metric.NewManualReader() // yours is an exporter's
	telemetry, err := hookotel.New(&hookotel.Options{MeterProvider: metric.NewMeterProvider(metric.WithReader(reader))})
	if err != nil {
		fmt.Println(err)
		return
	}
	runner, err := lease.New(new(memstore.Store), &lease.Options{Observe: telemetry.Observe})
	if err != nil {
		fmt.Println(err)
		return
	}
	verifier, err := hmacverify.New(preset.GitHub(), nil, "s3cret")
	if err != nil {
		fmt.Println(err)
		return
	}
	github, err := idempotency.NewEndpoint("github", verifier, runner, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := telemetry.Process(github, github.Handle(func(context.Context, lease.Claim, *hmacverify.Delivery) error {
		return nil
	}))

	forged := httptest.NewRequest(http.MethodPost, "/webhooks/github", nil)
	handler.ServeHTTP(httptest.NewRecorder(), forged)

	var collected metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &collected); err != nil {
		fmt.Println(err)
		return
	}
	for _, m := range collected.ScopeMetrics[0].Metrics {
		for _, p := range m.Data.(metricdata.Sum[int64]).DataPoints {
			if p.Value > 0 {
				reason, _ := p.Attributes.Value("error.type")
				fmt.Println(m.Name, reason.AsString(), p.Value)
			}
		}
	}
	// Output:
	// hookonce.events missing 1
}
