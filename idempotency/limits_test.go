package idempotency_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
)

// The tests of this file stand on the limits, where a < for a <= would not be seen
// elsewhere.

// 400 and 599 are the first and the last status that an error can carry.
func TestStatus_FirstAndLast(t *testing.T) {
	t.Parallel()
	for _, want := range []int{400, 599} {
		if got := idempotency.Status(foreignError(want)); got != want {
			t.Errorf("an error that carries %d: got %d", want, got)
		}
	}
}

// A 400 is the first status by which a handler reports its failure.
func TestEndpoint_Writes400AndFails(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	h := newEndpoint(t, g.runner, idempotency.Options{}).WrapFunc(func(w http.ResponseWriter, r *http.Request, _ lease.Claim) error {
		w.WriteHeader(http.StatusBadRequest)
		return errBoom
	})
	checkEmpty(t, deliver(h, "evt", ""), 400, "")
	checkState(t, g.store, evt, lease.Released)
}

// 100 and 999 are the first and the last status that net/http takes. 100 is
// informational, and dropped.
func TestEndpoint_FirstAndLastStatus(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]int{100: 200, 999: 999} {
		h := newEndpoint(t, newRig(t).runner, idempotency.Options{}).Wrap(writing(status, ""))
		checkEmpty(t, deliver(h, "evt", ""), want, "")
	}
}

// A response without a body has no Write: a writer around the endpoint, such as one
// that compresses, would take it for a body.
func TestEndpoint_EmptyResponseHasNoWrite(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t, newRig(t).runner, idempotency.Options{})
	for what, h := range map[string]http.Handler{
		"a wrapped handler's": e.Wrap(noop),
		"Handle's":            e.Handle(func(context.Context, lease.Claim, *hmacverify.Delivery) error { return nil }),
	} {
		for _, kind := range []idempotency.Kind{"", "duplicate"} {
			w := &writeCounter{ResponseRecorder: httptest.NewRecorder()}
			h.ServeHTTP(w, newDelivery(what, ""))
			checkEmpty(t, w.ResponseRecorder, 200, kind)
			if w.writes != 0 {
				t.Errorf("%s response of kind %q: %d calls of Write, want none", what, kind, w.writes)
			}
		}
	}
}

type writeCounter struct {
	*httptest.ResponseRecorder
	writes int
}

func (w *writeCounter) Write(p []byte) (int, error) {
	w.writes++
	return w.ResponseRecorder.Write(p)
}

// A body that is announced to be as long as it may be is read.
func TestEndpoint_MaxBodyAnnounced(t *testing.T) {
	t.Parallel()
	h := newEndpoint(t, newRig(t).runner, idempotency.Options{MaxBody: 4}).Wrap(noop)
	checkEmpty(t, deliver(h, "evt", "1234"), 200, "")
}

// A name may not even begin with what is not printable.
func TestNewEndpoint_NameBegins(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, preset.XSignature256(), nil)
	for _, name := range []string{" mine", "\x7fmine"} {
		if _, err := idempotency.NewEndpoint(name, v, forgetful(0), nil); err == nil || !strings.Contains(err.Error(), "its name must be") {
			t.Errorf("%q: got %v, want that the name is refused", name, err)
		}
	}
}

// A record that is kept for as long as its timestamp is accepted stops all replays.
func TestNewEndpoint_RetentionOfTolerance(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, preset.XSignature256Timestamp(), &hmacverify.Options{Tolerance: 100 * time.Hour})
	if _, err := idempotency.NewEndpoint("mine", v, forgetful(100*time.Hour), nil); err != nil {
		t.Error(err)
	}
}

// A refusal is the client's fault, and logged as a warning, unless it is a 5xx: then
// the keys could not be found, say. Not parallel: it sets slog's default.
func TestLogFailures_LevelOfRefusal(t *testing.T) {
	buf := captureLog(t)
	for status, want := range map[int]string{499: "WARN", 500: "ERROR", 503: "ERROR"} {
		buf.Reset()
		idempotency.LogFailures(t.Context(), idempotency.Event{Kind: "refused", Status: status, Err: hmacverify.ErrNoKey})
		if got := buf.String(); !strings.HasPrefix(got, "level="+want+" ") {
			t.Errorf("%d: logged %q, want the level %s", status, got, want)
		}
	}
}

// Stores refuse and default by these, and the documentation names them.
func TestRetention_Documented(t *testing.T) {
	t.Parallel()
	if got, want := idempotency.MinRetention.String(), "72h0m0s"; got != want {
		t.Errorf("MinRetention is %s, want %s", got, want)
	}
	if got, want := idempotency.DefaultRetention.String(), "720h0m0s"; got != want {
		t.Errorf("DefaultRetention is %s, want %s", got, want)
	}
}
