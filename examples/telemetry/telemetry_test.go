package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/hookonce/hookonce/examples/internal/hooktest"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/sqlstore"
)

func TestMain(m *testing.M) { hooktest.Main(m, main) }

// A world is the example after one of nearly everything has happened.
type world struct {
	url   string
	spans *tracetest.SpanRecorder
}

func newWorld(t *testing.T) *world {
	t.Helper()
	db := hooktest.NewSQLite(t)
	w := &world{spans: tracetest.NewSpanRecorder()}
	a, err := newApp(t.Context(), db, "s3cret", sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(w.spans)))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(a.routes())
	t.Cleanup(server.Close)
	w.url = server.URL

	good := hooktest.NewSender(t, preset.XSignature256(), w.url+"/webhooks", "s3cret")
	good.Send(t, `{"eventId":"evt_1"}`).Want(t, 200, "")
	good.Send(t, `{"eventId":"evt_1"}`).Want(t, 409, "duplicate")
	good.Send(t, `{"eventId":"fail_1"}`).Want(t, 500, "failed")
	good.Send(t, `{}`).Want(t, 400, "invalid_key")
	hooktest.NewSender(t, preset.XSignature256(), w.url+"/webhooks", "guessed").Send(t, `{"eventId":"evt_2"}`).Want(t, 401, "")
	later := hooktest.NewSender(t, preset.XSignature256(), w.url+"/webhooks/later", "s3cret")
	later.Send(t, `{"eventId":"evt_1"}`).Want(t, 202, "")
	w.work(t, a)
	later.Send(t, `{"eventId":"evt_4"}`).Want(t, 202, "")
	if _, err := a.events.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	hooktest.Exec(t, db, "DROP TABLE "+sqlstore.DefaultTable)
	good.Send(t, `{"eventId":"evt_3"}`).Want(t, 503, "unavailable")
	return w
}

// work runs the inbox until it has done its work.
func (w *world) work(t *testing.T, a *app) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- a.box.Run(ctx, 1) }()
	for {
		_, err := a.box.Lookup(ctx, idempotency.Key{Scope: "later", ID: "evt_1"})
		if errors.Is(err, idempotency.ErrNotFound) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// samples scrapes /metrics and returns our samples, with their labels.
func (w *world) samples(t *testing.T) map[string]string {
	t.Helper()
	samples := map[string]string{}
	for lines := bufio.NewScanner(strings.NewReader(hooktest.Get(t, w.url+"/metrics").Body)); lines.Scan(); {
		if line := lines.Text(); line != "" && line[0] != '#' {
			i := strings.LastIndex(line, " ")
			samples[line[:i]] = line[i+1:]
		}
	}
	return samples
}

func TestTelemetry_Metrics(t *testing.T) {
	t.Parallel()
	got := newWorld(t).samples(t)
	maps.DeleteFunc(got, func(name, value string) bool {
		return strings.Contains(name, "_duration_seconds_") || strings.HasPrefix(name, "hookonce_inbox_oldest") ||
			strings.HasPrefix(name, "hookonce_events") && value == "0"
	})
	const messaging = `messaging_destination_name="later",messaging_operation_name="accept",messaging_operation_type="send",messaging_system="hookonce"`
	want := map[string]string{
		`hookonce_events_total{hookonce_kind="accepted",messaging_destination_name="later"}`:                              "2",
		`hookonce_events_total{hookonce_kind="claimed",messaging_destination_name="later"}`:                               "1",
		`hookonce_events_total{hookonce_kind="claimed",messaging_destination_name="now"}`:                                 "2",
		`hookonce_events_total{hookonce_kind="completed",messaging_destination_name="later"}`:                             "1",
		`hookonce_events_total{hookonce_kind="completed",messaging_destination_name="now"}`:                               "1",
		`hookonce_events_total{hookonce_kind="duplicate",messaging_destination_name="now"}`:                               "1",
		`hookonce_events_total{error_type="failed",hookonce_kind="failed",messaging_destination_name="now"}`:              "1",
		`hookonce_events_total{error_type="invalid_key",hookonce_kind="invalid_key",messaging_destination_name="now"}`:    "1",
		`hookonce_events_total{error_type="signature_mismatch",hookonce_kind="refused",messaging_destination_name="now"}`: "1",
		`hookonce_events_total{error_type="unavailable",hookonce_kind="unavailable",messaging_destination_name="now"}`:    "1",
		`hookonce_records_purged_total`: "0",
		`hookonce_inbox_events{hookonce_state="waiting",messaging_destination_name="later"}`:                                                          "1",
		`hookonce_inbox_events{hookonce_state="blocked",messaging_destination_name="later"}`:                                                          "0",
		`hookonce_inbox_events{hookonce_state="dead",messaging_destination_name="later"}`:                                                             "0",
		`messaging_client_sent_messages_total{` + messaging + `}`:                                                                                     "2",
		`messaging_client_consumed_messages_total{messaging_destination_name="later",messaging_operation_name="process",messaging_system="hookonce"}`: "1",
		`messaging_client_consumed_messages_total{messaging_destination_name="now",messaging_operation_name="process",messaging_system="hookonce"}`:   "2",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("metrics (-want +got)\n%s", diff)
	}
}

var (
	served   = regexp.MustCompile(`^[a-z_]+`)
	queried  = regexp.MustCompile(`((?:hookonce|messaging)_[a-z_]+)[{[]`)
	label    = regexp.MustCompile(`[{,]([a-z_]+)=`)
	selected = regexp.MustCompile(`[{ ]([a-z_]+)=~?"`)
	grouped  = regexp.MustCompile(`by \(([a-z_, ]+)\)`)
)

// The dashboard shows all metrics that are served, by labels that they have.
func TestTelemetry_Dashboard(t *testing.T) {
	t.Parallel()
	metrics, labels := map[string]bool{}, map[string]bool{}
	for sample := range newWorld(t).samples(t) {
		metrics[served.FindString(sample)] = true
		for _, match := range label.FindAllStringSubmatch(sample, -1) {
			labels[match[1]] = true
		}
	}
	text, err := os.ReadFile("dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	for _, expr := range expressions(t, text) {
		for _, match := range queried.FindAllStringSubmatch(expr, -1) {
			shown[match[1]] = true
		}
		used := selected.FindAllStringSubmatch(expr, -1)
		for _, match := range grouped.FindAllStringSubmatch(expr, -1) {
			for name := range strings.SplitSeq(match[1], ", ") {
				used = append(used, []string{"", name})
			}
		}
		for _, match := range used {
			if !labels[match[1]] {
				t.Errorf("%s: no metric has a label %q", expr, match[1])
			}
		}
	}
	want, got := slices.Sorted(maps.Keys(metrics)), slices.Sorted(maps.Keys(shown))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("metrics (-served +shown)\n%s", diff)
	}
}

// expressions returns the queries of a dashboard. A panel without one is an error.
func expressions(t *testing.T, text []byte) (all []string) {
	t.Helper()
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	for _, panel := range dashboard.Panels {
		if len(panel.Targets) == 0 {
			t.Errorf("panel %q shows nothing", panel.Title)
		}
		for _, target := range panel.Targets {
			if !queried.MatchString(target.Expr) {
				t.Errorf("panel %q shows no metric of ours: %s", panel.Title, target.Expr)
			}
			all = append(all, target.Expr)
		}
	}
	return all
}

func TestTelemetry_Traces(t *testing.T) {
	t.Parallel()
	var got []string
	for _, span := range newWorld(t).spans.Ended() {
		got = append(got, fmt.Sprintf("%s %s, links: %d", span.Name(), span.Status().Code, len(span.Links())))
	}
	want := []string{
		"process now Unset, links: 0", // completed
		"process now Unset, links: 0", // a duplicate
		"process now Error, links: 0", // failed
		"process now Error, links: 0", // invalid_key
		"process now Unset, links: 0", // refused, which is the sender's error
		"accept later Unset, links: 0",
		"process later Unset, links: 1",
		"accept later Unset, links: 0",
		"process now Error, links: 0", // unavailable
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("traces (-want +got)\n%s", diff)
	}
}

func TestTelemetry_ConcurrentDuplicates(t *testing.T) {
	t.Parallel()
	p := hooktest.Start(t, []string{"-traces"})
	hooktest.CheckOnce(t, p.Try(t), 50, 200, 409)
	samples := (&world{url: p.URL}).samples(t)
	if got := samples[`hookonce_events_total{hookonce_kind="completed",messaging_destination_name="now"}`]; got != "1" {
		t.Errorf("%q completed in the metrics, want 1", got)
	}
	p.Stop(t)
}

// The alerts of the dashboard name kinds: each must be one that the library reports.
func TestTelemetry_DashboardKinds(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	known := map[idempotency.Kind]bool{
		idempotency.KindCompleted: true, idempotency.KindIgnored: true, idempotency.KindDuplicate: true,
		idempotency.KindInFlight: true, idempotency.KindMismatch: true, idempotency.KindFailed: true,
		idempotency.KindTimeout: true, idempotency.KindResponseTooLarge: true, idempotency.KindDead: true,
		idempotency.KindInvalidKey: true, idempotency.KindRefused: true, idempotency.KindUnavailable: true,
		idempotency.KindLeaseLost: true, idempotency.KindOverloaded: true, idempotency.KindClaimed: true,
		idempotency.KindStolen: true, idempotency.KindStoreError: true, idempotency.KindPurged: true,
	}
	selector := regexp.MustCompile(`kind=~?"([a-z_|]+)"`)
	found := 0
	for _, expr := range expressions(t, text) {
		for _, match := range selector.FindAllStringSubmatch(expr, -1) {
			for kind := range strings.SplitSeq(match[1], "|") {
				found++
				if !known[idempotency.Kind(kind)] {
					t.Errorf("%s: there is no kind %q", expr, kind)
				}
			}
		}
	}
	if found == 0 {
		t.Error("the dashboard selects no kind")
	}
}
