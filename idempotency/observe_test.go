package idempotency_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
)

// A scene makes a delivery end in one kind of outcome.
type scene struct {
	kind    idempotency.Kind
	status  int
	key     idempotency.Key
	attempt int
	options idempotency.Options
	lease   lease.Options
	fails   string // the method of the store that fails
	err     error
	work    idempotency.Func[lease.Claim]
	before  func(t *testing.T, h http.Handler, g *rig) // what happens first
	id      string                                     // default "evt"
	nested  bool                                       // the delivery arrives while another is processed
}

func done(context.Context, lease.Claim, *hmacverify.Delivery) error { return nil }

func returning(err error) idempotency.Func[lease.Claim] {
	return func(context.Context, lease.Claim, *hmacverify.Delivery) error { return err }
}

func untilItsEnd(ctx context.Context, _ lease.Claim, _ *hmacverify.Delivery) error {
	<-ctx.Done()
	return ctx.Err()
}

func once(_ *testing.T, h http.Handler, _ *rig) { deliver(h, "evt", "body") }

// scenes are all kinds of outcomes.
var scenes = []scene{
	{kind: "completed", status: 200, key: evt, attempt: 1, work: done},
	{kind: "ignored", status: 200, key: evt, attempt: 1, work: returning(idempotency.ErrIgnored)},
	{kind: "duplicate", status: 200, key: evt, attempt: 1, work: done, before: once},
	{kind: "in_flight", status: 503, key: evt, attempt: 1, work: done, before: func(t *testing.T, _ http.Handler, g *rig) { look(t, g.store, evt) }},
	{kind: "mismatch", status: 422, key: evt, attempt: 1, work: done, options: idempotency.Options{CheckContent: true},
		before: func(_ *testing.T, h http.Handler, _ *rig) { deliver(h, "evt", "other") }},
	{kind: "failed", status: 500, key: evt, attempt: 1, work: returning(errBoom)},
	{kind: "failed", status: 404, key: evt, attempt: 1, work: returning(idempotency.WithStatus(404, errBoom))},
	{kind: "timeout", status: 503, key: evt, attempt: 1, work: untilItsEnd},
	{kind: "dead", status: 200, key: evt, attempt: 1, work: returning(idempotency.Permanent(errBoom))},
	{kind: "dead", status: 409, key: evt, attempt: 1, work: returning(errBoom), lease: lease.Options{MaxAttempts: 1},
		options: idempotency.Options{Sender: answering(hmacverify.Conflict)}},
	{kind: "invalid_key", status: 400, work: done, id: strings.Repeat("x", 256)},
	{kind: "refused", status: 413, work: done, options: idempotency.Options{MaxBody: 1}},
	{kind: "unavailable", status: 503, key: evt, work: done, fails: "Claim", err: errBoom},
	{kind: "unavailable", status: 503, work: done, options: idempotency.Options{
		ID: func(*http.Request, *hmacverify.Delivery) (string, error) { return "", errors.New("connection refused") }}},
	{kind: "lease_lost", status: 503, key: evt, attempt: 1, work: done, fails: "Complete", err: idempotency.ErrLeaseLost},
	{kind: "overloaded", status: 503, work: done, options: idempotency.Options{MaxInFlight: 1}, nested: true, id: "other"},
}

// play plays s and returns what was observed of its last delivery, whose response it
// checks.
func (s scene) play(t *testing.T) (got []idempotency.Event) {
	t.Helper()
	g := newRigWith(t, s.lease)
	if s.fails != "" {
		g.failing(s.fails, s.err)
	}
	e := newEndpoint(t, g.runner, s.options)
	h := e.Handle(s.work)
	if s.before != nil {
		s.before(t, h, g)
	}
	if s.id == "" {
		s.id = "evt"
	}
	send := func() {
		t.Helper()
		from := len(g.observed())
		if w := deliver(h, s.id, "body"); w.Code != s.status {
			t.Errorf("%s: got %d, want %d", s.kind, w.Code, s.status)
		}
		got = g.observed()[from:]
	}
	if s.nested {
		deliver(e.Handle(func(context.Context, lease.Claim, *hmacverify.Delivery) error {
			send()
			return nil
		}), "outer", "")
		return got
	}
	send()
	return got
}

// Each delivery ends in exactly one Event, with the endpoint, the kind and the
// status of the response.
func TestEndpoint_OneObservation(t *testing.T) {
	t.Parallel()
	for _, s := range scenes {
		t.Run(fmt.Sprint(s.kind, " ", s.status), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var ends []idempotency.Event
				for _, e := range s.play(t) {
					if e.Kind != "claimed" {
						ends = append(ends, e)
					}
				}
				want := []idempotency.Event{{Kind: s.kind, Endpoint: "test", Key: s.key, Attempt: s.attempt, Status: s.status}}
				if diff := cmp.Diff(want, ends, cmpopts.IgnoreFields(idempotency.Event{}, "Err", "Duration")); diff != "" {
					t.Errorf("observed (-want +got):\n%s", diff)
				}
				good := s.kind == "completed" || s.kind == "ignored"
				if len(ends) > 0 && (ends[0].Err == nil) != good {
					t.Errorf("observed the error %v", ends[0].Err)
				}
			})
		})
	}
}

// The response that is too long needs a wrapped handler.
func TestEndpoint_OneObservationOfWrap(t *testing.T) {
	bubble(t, func(t *testing.T, g *rig) {
		h := newEndpoint(t, undoing{g.runner}, idempotency.Options{MaxResponse: 1}).Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Second)
			w.Write([]byte("12"))
		}))
		deliver(h, "evt", "")
		got := g.observed()
		want := []idempotency.Event{
			{Kind: "claimed", Endpoint: "test", Key: evt, Attempt: 1},
			{Kind: "response_too_large", Endpoint: "test", Key: evt, Attempt: 1, Status: 500, Duration: time.Second},
		}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(idempotency.Event{}, "Err")); diff != "" {
			t.Errorf("observed (-want +got):\n%s", diff)
		}
	})
}

// A panic is observed by the runner, once: there is no response.
func TestEndpoint_PanicObserved(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	h := newEndpoint(t, g.runner, idempotency.Options{}).Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(1) }))
	panics(func() { deliver(h, "evt", "") })
	checkKinds(t, g, "claimed", "failed")
}

// captureLog makes slog's default logger write to the buffer that it returns. The
// test cannot run in parallel with others.
func captureLog(t *testing.T) *bytes.Buffer {
	t.Helper()
	was := slog.Default()
	t.Cleanup(func() { slog.SetDefault(was) })
	buf := new(bytes.Buffer)
	slog.SetDefault(slog.New(slog.NewTextHandler(buf, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	})))
	return buf
}

// Each failure is one line; events that were processed, duplicates and events in
// flight are none.
func TestLogFailures_EachFailureOnce(t *testing.T) {
	buf := captureLog(t)
	levels := map[idempotency.Kind]string{"completed": "", "ignored": "", "duplicate": "", "in_flight": "", "refused": "WARN"}
	for _, s := range scenes {
		t.Run(fmt.Sprint(s.kind, " ", s.status), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				buf.Reset()
				for _, e := range s.play(t) {
					idempotency.LogFailures(t.Context(), e)
				}
				want, ok := levels[s.kind]
				if !ok {
					want = "ERROR"
				}
				if s.status == 404 {
					want = "WARN"
				}
				got := buf.String()
				if want == "" && got != "" || want != "" && (strings.Count(got, "\n") != 1 || !strings.Contains(got, "level="+want)) {
					t.Fatalf("logged %q, want one line of level %q, none if empty", got, want)
				}
				if want == "" {
					return
				}
				for _, part := range []string{"endpoint=test", "error=", fmt.Sprint("status=", s.status)} {
					if !strings.Contains(got, part) {
						t.Errorf("%q is not in %q", part, got)
					}
				}
				if strings.Contains(got, "id=evt ") != (s.key == evt) {
					t.Errorf("logged %q, of the key %v", got, s.key)
				}
				if strings.Contains(got, "body=") || strings.Contains(got, "xxx") {
					t.Errorf("the log holds the body or an invalid key: %q", got)
				}
			})
		})
	}
}

// Without any configuration, failures are logged: by a lease.Runner over a store
// that has no observer.
func TestLogFailures_IsTheDefault(t *testing.T) {
	buf := captureLog(t)
	runner, err := lease.New(newRig(t).store, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := newSigned(t, preset.XSignature256())
	h := newVerified(t, "mine", s, runner).Handle(func(_ context.Context, _ lease.Claim, d *hmacverify.Delivery) error {
		if strings.Contains(string(d.Body), "bad") {
			return errBoom
		}
		return nil
	})
	for _, body := range []string{`{"eventId":"1"}`, `{"eventId":"1"}`, `{"eventId":"2","hush":"bad"}`} {
		serve(h, s.request(t, body))
	}
	forged := s.request(t, `{"eventId":"3","hush":"bad"}`)
	forged.Header.Set("X-Signature-256", "sha256="+strings.Repeat("ab", 32))
	serve(h, forged)
	want := `level=ERROR msg="webhook failed" endpoint=mine id=2 attempt=1 status=500 error=boom` + "\n" +
		`level=WARN msg="webhook refused" endpoint=mine status=401 error="` + hmacverify.ErrMismatch.Error() + `"` + "\n"
	if diff := cmp.Diff(want, buf.String()); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

// A panic of the work is logged once, by the runner that sees it.
func TestLogFailures_Panic(t *testing.T) {
	buf := captureLog(t)
	runner, err := lease.New(newRig(t).store, nil)
	if err != nil {
		t.Fatal(err)
	}
	h := newEndpoint(t, runner, idempotency.Options{}).Handle(func(context.Context, lease.Claim, *hmacverify.Delivery) error { panic("secret") })
	if panics(func() { deliver(h, "evt", "") }) == nil {
		t.Error("no panic")
	}
	want := `level=ERROR msg="webhook failed" endpoint=test id=evt attempt=1 error="the work panicked"` + "\n"
	if diff := cmp.Diff(want, buf.String()); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

// What happens on the way is logged only if something went wrong.
func TestLogFailures_OnTheWay(t *testing.T) {
	buf := captureLog(t)
	for _, tt := range []struct {
		event idempotency.Event
		want  string
	}{
		{idempotency.Event{Kind: "claimed", Key: evt, Attempt: 1}, ""},
		{idempotency.Event{Kind: "stolen", Key: evt}, ""},
		{idempotency.Event{Kind: "store_error", Key: evt, Err: errBoom}, `level=WARN msg="webhook store error" .*error=boom`},
		{idempotency.Event{Kind: "failed", Key: evt, Err: errBoom}, `level=ERROR msg="webhook failed" id=evt error=boom`},
		{idempotency.Event{Kind: "failed", Key: evt, Err: idempotency.WithStatus(404, errBoom)}, `level=WARN msg="webhook failed" .*error=boom`},
		{idempotency.Event{Kind: "purged", Count: 3}, ""},
		{idempotency.Event{Kind: "purged", Count: 3, Err: errBoom}, `level=ERROR msg="webhook store error" error=boom`},
		{idempotency.Event{Kind: "invalid_key", Key: testKey("of any length"), Err: errBoom}, `level=ERROR msg="webhook not processed: no usable ID" error=boom`},
		{idempotency.Event{Kind: "unheard_of", Err: errBoom}, `level=ERROR msg="webhook failed" error=boom`},
	} {
		buf.Reset()
		idempotency.LogFailures(t.Context(), tt.event)
		if got := strings.TrimSpace(buf.String()); !regexp.MustCompile("^" + tt.want + "$").MatchString(got) {
			t.Errorf("%s: logged %q, want %q", tt.event.Kind, got, tt.want)
		}
	}
}
