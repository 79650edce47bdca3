package main

import (
	"bufio"
	"encoding/json"
	"maps"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

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
	if _, err := a.events.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	hooktest.Exec(t, db, "DROP TABLE "+sqlstore.DefaultTable)
	good.Send(t, `{"eventId":"evt_3"}`).Want(t, 503, "unavailable")
	return w
}

// samples scrapes /metrics and returns our samples, with their labels.
func (w *world) samples(t *testing.T) map[string]string {
	t.Helper()
	samples := map[string]string{}
	for lines := bufio.NewScanner(strings.NewReader(hooktest.Get(t, w.url+"/metrics").Body)); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "hookonce_") {
			i := strings.LastIndex(lines.Text(), " ")
			samples[lines.Text()[:i]] = lines.Text()[i+1:]
		}
	}
	return samples
}

func TestTelemetry_Metrics(t *testing.T) {
	t.Parallel()
	got := newWorld(t).samples(t)
	maps.DeleteFunc(got, func(name, _ string) bool { return strings.HasPrefix(name, "hookonce_event_duration") })
	want := map[string]string{
		`hookonce_events_total{endpoint="telemetry",kind="claimed"}`:     "2",
		`hookonce_events_total{endpoint="telemetry",kind="completed"}`:   "1",
		`hookonce_events_total{endpoint="telemetry",kind="duplicate"}`:   "1",
		`hookonce_events_total{endpoint="telemetry",kind="failed"}`:      "1",
		`hookonce_events_total{endpoint="telemetry",kind="invalid_key"}`: "1",
		`hookonce_events_total{endpoint="telemetry",kind="refused"}`:     "1",
		`hookonce_events_total{endpoint="telemetry",kind="unavailable"}`: "1",
		`hookonce_refused_total{reason="mismatch"}`:                      "1",
		`hookonce_records_purged_total`:                                  "0",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("metrics (-want +got)\n%s", diff)
	}
}

var metricName = regexp.MustCompile(`hookonce_[a-z_]+`)

func TestTelemetry_Dashboard(t *testing.T) {
	t.Parallel()
	there := map[string]bool{}
	for sample := range newWorld(t).samples(t) {
		there[metricName.FindString(sample)] = true
	}
	text, err := os.ReadFile("dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	for _, expr := range expressions(t, text) {
		for _, metric := range metricName.FindAllString(expr, -1) {
			shown[metric] = true
		}
	}
	want, got := slices.Sorted(maps.Keys(there)), slices.Sorted(maps.Keys(shown))
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
			if !metricName.MatchString(target.Expr) {
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
		words := []string{span.Name()}
		for _, event := range span.Events() {
			words = append(words, event.Name)
		}
		got = append(got, strings.Join(append(words, span.Status().Code.String()), " "))
	}
	want := []string{
		"POST /webhooks hookonce.claimed hookonce.completed Unset",
		"POST /webhooks hookonce.duplicate Unset",
		"POST /webhooks hookonce.claimed hookonce.failed exception Error",
		"POST /webhooks hookonce.invalid_key exception Error",
		"POST /webhooks hookonce.refused exception Error",
		"POST /webhooks hookonce.unavailable exception Error",
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
	if got := samples[`hookonce_events_total{endpoint="telemetry",kind="completed"}`]; got != "1" {
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
