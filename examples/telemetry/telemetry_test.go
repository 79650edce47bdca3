package main

import (
	"bufio"
	"database/sql"
	"encoding/json"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/hookonce/hookonce/examples/internal/hooktest"
	"github.com/hookonce/hookonce/examples/internal/local"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/store/sqlstore"
)

func TestMain(m *testing.M) { hooktest.Main(m, main) }

// A world is the example with one of everything that can happen behind it.
type world struct {
	url   string
	spans *tracetest.SpanRecorder
}

func newWorld(t *testing.T) *world {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "test.db")+"?_pragma=busy_timeout(2000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
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
	good.Send(t, `{"eventId":"fail_1"}`).Want(t, 500, "")
	hooktest.NewSender(t, preset.XSignature256(), w.url+"/webhooks", "guessed").Send(t, `{"eventId":"evt_2"}`).Want(t, 401, "")
	if _, err := a.events.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := local.Exec(t.Context(), db, "DROP TABLE "+sqlstore.DefaultTable); err != nil {
		t.Fatal(err)
	}
	good.Send(t, `{"eventId":"evt_3"}`).Want(t, 503, "unavailable")
	return w
}

// samples scrapes /metrics and returns the samples of ours, with their labels.
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

func TestTheMetricsSayWhatHappened(t *testing.T) {
	t.Parallel()
	got := newWorld(t).samples(t)
	maps.DeleteFunc(got, func(name, _ string) bool { return strings.HasPrefix(name, "hookonce_event_duration") })
	const scope = `,scope="x-signature-256"}`
	want := map[string]string{
		`hookonce_events_total{kind="claimed"` + scope:     "2",
		`hookonce_events_total{kind="completed"` + scope:   "1",
		`hookonce_events_total{kind="duplicate"` + scope:   "1",
		`hookonce_events_total{kind="released"` + scope:    "1",
		`hookonce_events_total{kind="store_error"` + scope: "1",
		`hookonce_refused_total{reason="mismatch"}`:        "1",
		`hookonce_records_purged_total`:                    "0",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("metrics (-want +got)\n%s", diff)
	}
}

var metricName = regexp.MustCompile(`hookonce_[a-z_]+`)

func TestTheDashboardHasExactlyTheMetricsThatThereAre(t *testing.T) {
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

func TestEachDeliveryIsATrace(t *testing.T) {
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
		"POST /webhooks hookonce.claimed hookonce.released exception Error",
		"POST /webhooks exception Error",
		"POST /webhooks hookonce.store_error exception Error",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("traces (-want +got)\n%s", diff)
	}
}

func TestTheCommandThatItPrints(t *testing.T) {
	t.Parallel()
	p := hooktest.Start(t, []string{"-traces"})
	hooktest.CheckOnce(t, p.Try(t), 50, 200, 409)
	samples := (&world{url: p.URL}).samples(t)
	if got := samples[`hookonce_events_total{kind="completed",scope="x-signature-256"}`]; got != "1" {
		t.Errorf("%q completed in the metrics, want 1", got)
	}
	p.Stop(t)
}
