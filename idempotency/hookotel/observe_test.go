package hookotel_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
)

func TestTelemetry_Metrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failed := false
		g := newRig(t, func(_ context.Context, _ claim, d *hmacverify.Delivery) error {
			time.Sleep(time.Millisecond)
			switch {
			case strings.HasPrefix(d.ID, "fail"):
				return errors.New("boom")
			case d.ID == "ignore":
				return idempotency.ErrIgnored
			case d.ID == "once" && !failed:
				failed = true
				return errors.New("boom")
			case d.ID == "never":
				return idempotency.Permanent(errors.New("boom"))
			}
			return nil
		})
		g.want(t, g.now, request(t, "evt", nil), 200)
		g.want(t, g.now, request(t, "evt", nil), 200)
		g.want(t, g.now, request(t, "fail", nil), 500)
		g.want(t, g.now, request(t, "ignore", nil), 200)
		forged := request(t, "evt", nil)
		forged.Header.Set("Webhook-Signature", "v1,"+strings.Repeat("A", 43)+"=")
		g.want(t, g.now, forged, 401)
		for _, id := range []string{"once", "never", "good", "good"} {
			g.want(t, g.accepts, request(t, id, nil), 202)
		}
		stop := g.run(t, 2)
		time.Sleep(time.Minute)
		stop()
		want := map[string]float64{
			"hookonce.events {event} hookonce.kind=accepted messaging.destination.name=later":                              3,
			"hookonce.events {event} hookonce.kind=claimed messaging.destination.name=hooks":                               3,
			"hookonce.events {event} hookonce.kind=claimed messaging.destination.name=later":                               4,
			"hookonce.events {event} hookonce.kind=completed messaging.destination.name=hooks":                             1,
			"hookonce.events {event} hookonce.kind=completed messaging.destination.name=later":                             2,
			"hookonce.events {event} hookonce.kind=duplicate messaging.destination.name=hooks":                             1,
			"hookonce.events {event} hookonce.kind=duplicate messaging.destination.name=later":                             1,
			"hookonce.events {event} hookonce.kind=ignored messaging.destination.name=hooks":                               1,
			"hookonce.events {event} error.type=dead hookonce.kind=dead messaging.destination.name=later":                  1,
			"hookonce.events {event} error.type=failed hookonce.kind=failed messaging.destination.name=hooks":              1,
			"hookonce.events {event} error.type=failed hookonce.kind=failed messaging.destination.name=later":              1,
			"hookonce.events {event} error.type=signature_mismatch hookonce.kind=refused messaging.destination.name=hooks": 1,
			"messaging.client.consumed.messages {message} " + process + " messaging.system=hookonce":                       3,
			"messaging.client.consumed.messages {message} " + processLater + " messaging.system=hookonce":                  4,
			"messaging.client.sent.messages {message} " + accept:                                                           3,
			"messaging.client.operation.duration s " + accept:                                                              3,
			"messaging.process.duration s error.type=failed hookonce.kind=failed " + process + typed:                       1,
			"messaging.process.duration s error.type=failed hookonce.kind=failed " + processLater + typed:                  1,
			"messaging.process.duration s hookonce.kind=completed " + process + typed:                                      1,
			"messaging.process.duration s hookonce.kind=completed " + processLater + typed:                                 2,
			"messaging.process.duration s hookonce.kind=ignored " + process + typed:                                        1,
		}
		if diff := cmp.Diff(want, g.metrics(t)); diff != "" {
			t.Errorf("metrics (-want +got)\n%s", diff)
		}
	})
}

const (
	process      = "messaging.destination.name=hooks messaging.operation.name=process"
	processLater = "messaging.destination.name=later messaging.operation.name=process"
	typed        = " messaging.operation.type=process messaging.system=hookonce"
	accept       = "messaging.destination.name=later messaging.operation.name=accept messaging.operation.type=send messaging.system=hookonce"
)

func TestTelemetry_Observe(t *testing.T) {
	t.Parallel()
	key := idempotency.Key{Scope: "hooks/acme", ID: "evt"}
	tests := []struct {
		name  string
		event idempotency.Event
		want  map[string]float64
	}{
		{
			"a purge counts its records",
			idempotency.Event{Kind: idempotency.KindPurged, Count: 7},
			map[string]float64{"hookonce.records.purged {record} ": 7},
		},
		{
			"a purge that fails is an error of the store too",
			idempotency.Event{Kind: idempotency.KindPurged, Count: 7, Err: errors.New("boom")},
			map[string]float64{
				"hookonce.records.purged {record} ":                                        7,
				"hookonce.events {event} error.type=store_error hookonce.kind=store_error": 1,
			},
		},
		{
			"events that were accepted together are counted",
			idempotency.Event{Kind: idempotency.KindAccepted, Endpoint: "later", Count: 5},
			map[string]float64{
				"hookonce.events {event} hookonce.kind=accepted messaging.destination.name=later": 1,
				"messaging.client.sent.messages {message} " + accept:                              5,
				"messaging.client.operation.duration s " + accept:                                 1,
			},
		},
		{
			"a ping is no work",
			idempotency.Event{Kind: idempotency.KindIgnored, Endpoint: "hooks", Duration: time.Second},
			map[string]float64{"hookonce.events {event} hookonce.kind=ignored messaging.destination.name=hooks": 1},
		},
		{
			"a tenant is no part of the endpoint's name",
			idempotency.Event{Kind: idempotency.KindStolen, Key: key},
			map[string]float64{"hookonce.events {event} hookonce.kind=stolen messaging.destination.name=hooks": 1},
		},
		{
			"an invalid key names nothing",
			idempotency.Event{Kind: idempotency.KindInvalidKey, Key: key},
			map[string]float64{"hookonce.events {event} error.type=invalid_key hookonce.kind=invalid_key": 1},
		},
		{
			"a reason that is not known has one name",
			idempotency.Event{Kind: idempotency.KindRefused, Endpoint: "hooks", Err: errors.New("boom")},
			map[string]float64{"hookonce.events {event} error.type=_OTHER hookonce.kind=refused messaging.destination.name=hooks": 1},
		},
		{
			"work that is early has not failed",
			idempotency.Event{Kind: idempotency.KindPostponed, Key: key, Duration: time.Second, Err: idempotency.RetryIn(time.Hour, nil)},
			map[string]float64{
				"hookonce.events {event} hookonce.kind=postponed messaging.destination.name=hooks": 1,
				"messaging.process.duration s hookonce.kind=postponed " + process + typed:          1,
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := newRig(t, succeed)
			g.telemetry.Observe(t.Context(), tt.event)
			if diff := cmp.Diff(tt.want, g.metrics(t)); diff != "" {
				t.Errorf("metrics (-want +got)\n%s", diff)
			}
		})
	}
}

var kinds = []idempotency.Kind{
	idempotency.KindCompleted, idempotency.KindIgnored, idempotency.KindAccepted, idempotency.KindDuplicate,
	idempotency.KindInFlight, idempotency.KindMismatch, idempotency.KindFailed, idempotency.KindTimeout,
	idempotency.KindResponseTooLarge, idempotency.KindDead, idempotency.KindInvalidKey, idempotency.KindRefused,
	idempotency.KindUnavailable, idempotency.KindLeaseLost, idempotency.KindOverloaded, idempotency.KindClaimed,
	idempotency.KindStolen, idempotency.KindStoreError, idempotency.KindPurged, idempotency.KindForgotten,
	idempotency.KindPostponed,
}

// Whatever is observed, no attribute of a metric tells one event or tenant from another.
func TestTelemetry_NoKeyInMetrics(t *testing.T) {
	t.Parallel()
	g := newRig(t, succeed)
	for _, kind := range kinds {
		for i := range 20 {
			id := fmt.Sprintf("unique-%d", i)
			g.telemetry.Observe(t.Context(), idempotency.Event{
				Kind: kind, Endpoint: "hooks", Key: idempotency.Key{Scope: "hooks/" + id, ID: id},
				Attempt: 1000 + i, Status: 500, Duration: time.Second, Count: i, Err: errors.New(id),
			})
		}
	}
	points := g.metrics(t)
	for point := range points {
		if strings.Contains(point, "unique") || strings.Contains(point, "10") {
			t.Errorf("a metric tells events apart: %s", point)
		}
	}
	if len(points) > 2*len(kinds) {
		t.Errorf("%d time series, want at most %d", len(points), 2*len(kinds))
	}
}

func TestTelemetry_NamesAreBounded(t *testing.T) {
	t.Parallel()
	g := newRig(t, succeed)
	var all sync.WaitGroup
	for part := range 4 {
		all.Go(func() {
			for i := range 250 {
				g.telemetry.Observe(t.Context(), idempotency.Event{
					Kind: idempotency.KindCompleted, Key: idempotency.Key{Scope: fmt.Sprint("customer-", 250*part+i), ID: "evt"},
				})
			}
		})
	}
	all.Wait()
	points := g.metrics(t)
	other := points["hookonce.events {event} hookonce.kind=completed messaging.destination.name=_OTHER"]
	if len(points) != 99 || other != 902 { // the rig has two names
		t.Errorf("%d time series, %v others; want 99, 902", len(points), other)
	}
}

// A counter that begins at 1 shows Prometheus no increase.
func TestTelemetry_CountersBeginAtZero(t *testing.T) {
	t.Parallel()
	g := newRig(t, succeed)
	got := map[string]int64{}
	for _, m := range g.collect(t) {
		for _, p := range m.Data.(metricdata.Sum[int64]).DataPoints {
			if attrs := text(p.Attributes.ToSlice()); strings.HasSuffix(attrs, "=later") {
				got[attrs] = p.Value
			}
		}
	}
	want := map[string]int64{"hookonce.kind=stolen messaging.destination.name=later": 0}
	for kind := range strings.FieldsSeq("dead failed invalid_key lease_lost mismatch overloaded response_too_large store_error timeout unavailable") {
		want["error.type="+kind+" hookonce.kind="+kind+" messaging.destination.name=later"] = 0
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("counters (-want +got)\n%s", diff)
	}
}

// Not parallel: it changes the default logger.
func TestTelemetry_LogsFailures(t *testing.T) {
	var log bytes.Buffer
	before := slog.Default()
	t.Cleanup(func() { slog.SetDefault(before) })
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	g := newRig(t, succeed)
	key := idempotency.Key{Scope: "hooks", ID: "evt"}
	g.telemetry.Observe(t.Context(), idempotency.Event{Kind: idempotency.KindPostponed, Key: key, Err: idempotency.RetryIn(time.Hour, nil)})
	if log.Len() > 0 {
		t.Errorf("work that is early is logged: %s", &log)
	}
	g.telemetry.Observe(t.Context(), idempotency.Event{Kind: idempotency.KindFailed, Key: key, Err: errors.New("boom")})
	if got := log.String(); !strings.Contains(got, "level=ERROR") || !strings.Contains(got, "id=evt error=boom") {
		t.Errorf("logged %q", got)
	}
}

func TestTelemetry_Concurrently(t *testing.T) {
	t.Parallel()
	const n, copies = 50, 4
	g := newRig(t, succeed)
	if err := g.telemetry.Watch(g.box, g.later); err != nil {
		t.Fatal(err)
	}
	stop := g.run(t, 8)
	var all sync.WaitGroup
	for i := range n {
		for range copies {
			all.Go(func() {
				g.deliver(g.accepts, request(t, fmt.Sprint("evt_", i), nil))
				g.deliver(g.now, request(t, fmt.Sprint("evt_", i), nil))
				g.collect(t)
			})
			all.Go(func() { // each reader calls for samples by itself
				if err := g.second.Collect(t.Context(), new(metricdata.ResourceMetrics)); err != nil {
					t.Error(err)
				}
			})
		}
	}
	all.Wait()
	const done = "hookonce.events {event} hookonce.kind=completed messaging.destination.name="
	for deadline := time.Now().Add(30 * time.Second); g.metrics(t)[done+"later"] < n && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	stop()
	got := g.metrics(t)
	if got[done+"later"] != n || got[done+"hooks"] != n {
		t.Errorf("%v and %v completed, want %d each", got[done+"later"], got[done+"hooks"], n)
	}
	if accepted := got["messaging.client.sent.messages {message} "+accept]; accepted < n {
		t.Errorf("%v accepted, want at least %d", accepted, n)
	}
	for _, s := range g.ended("process later") {
		if len(s.Links()) != 1 {
			t.Errorf("a span of work has %d links, want 1", len(s.Links()))
		}
	}
}
