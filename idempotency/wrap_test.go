package idempotency_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
)

// impatient returns a runner that calls work n times, calls after each time, and
// believes the last.
func impatient(n int, after func()) runnerFunc {
	return func(ctx context.Context, _ idempotency.Item, work idempotency.Work[int]) idempotency.Outcome {
		o := idempotency.Outcome{Kind: idempotency.KindCompleted}
		for range n {
			if o.Result, o.Err = work(ctx, 0); o.Err != nil {
				o.Kind = idempotency.KindFailed
			} else {
				o.Kind = idempotency.KindCompleted
			}
			after()
		}
		return o
	}
}

// An observedBy is a runner that reports to a rig.
type observedBy struct {
	runnerFunc
	g *rig
}

func (o observedBy) Observe(ctx context.Context, e idempotency.Event) { o.g.observe(ctx, e) }

// A runner may call the work again. Nothing of the earlier call is left, not even
// what a goroutine of it still does.
func TestEndpoint_WorkCalledAgain(t *testing.T) {
	t.Parallel()
	var leftBehind http.ResponseWriter
	calls := 0
	runner := impatient(2, func() {
		if calls == 2 { // a goroutine of the first call that is still at work
			leftBehind.Header().Set("X-Ghost", "1")
			leftBehind.Write([]byte("ghost"))
		}
	})
	w := deliver(newEndpoint(t, runner, idempotency.Options{}).WrapFunc(func(w http.ResponseWriter, r *http.Request, _ int) error {
		calls++
		body, _ := io.ReadAll(r.Body)
		w.Header().Add("X-Call", fmt.Sprint(calls))
		if calls == 1 {
			leftBehind = w
			w.WriteHeader(500)
			return errBoom
		}
		fmt.Fprintf(w, "call %d read %s", calls, body)
		return nil
	}), "evt", "body")
	if diff := cmp.Diff(http.Header{"X-Call": {"2"}}, w.Header()); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	if got, want := w.Body.String(), "call 2 read body"; w.Code != 200 || got != want {
		t.Errorf("got %d %q, want 200 %q", w.Code, got, want)
	}
}

// The first call ignored the event, the second did not: what counts is the last.
func TestEndpoint_IgnoredThenCompleted(t *testing.T) {
	t.Parallel()
	g, calls := newRig(t), 0
	h := newEndpoint(t, observedBy{impatient(2, func() {}), g}, idempotency.Options{}).WrapFunc(func(w http.ResponseWriter, r *http.Request, _ int) error {
		if calls++; calls == 1 {
			return idempotency.ErrIgnored
		}
		w.WriteHeader(201)
		return nil
	})
	checkEmpty(t, deliver(h, "evt", ""), 201, "")
	checkKinds(t, g, "completed")
}

func TestEndpoint_ResponseWriterLikeNetHTTP(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		handler http.HandlerFunc
	}{
		{"headers of the outer handler are seen and can be removed", func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, w.Header().Get("X-Outer"))
			w.Header().Del("X-Outer")
		}},
		{"headers can be removed before writing", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Del("X-Outer")
		}},
		{"headers set after the first write are not sent", func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, "x")
			w.Header().Set("X-Late", "1")
		}},
		{"headers set by one that writes nothing are sent", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Mine", "1")
		}},
		{"the first status counts", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(201)
			w.WriteHeader(202)
		}},
		{"a 204 has no body", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(204)
			if _, err := w.Write([]byte("x")); err != http.ErrBodyNotAllowed {
				t.Errorf("got %v, want ErrBodyNotAllowed", err)
			}
		}},
		{"a 304 has no body", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(304)
			if _, err := w.Write([]byte("x")); err != http.ErrBodyNotAllowed {
				t.Errorf("got %v, want ErrBodyNotAllowed", err)
			}
		}},
		{"the content type is sniffed", func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, "<html>")
		}},
		{"the right Content-Length is kept", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "5")
			fmt.Fprint(w, "12345")
		}},
		{"a HEAD can have a Content-Length", func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodHead {
				w.Header().Set("Content-Length", "5")
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := newEndpoint(t, newRig(t).runner, idempotency.Options{})
			for _, method := range []string{http.MethodPost, http.MethodHead} {
				want := response(t, method, outer(tt.handler))
				got := response(t, method, outer(e.Wrap(tt.handler)))
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s (-net/http +ours):\n%s", method, diff)
				}
			}
		})
	}
}

// outer sets a header around next.
func outer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Outer", "outer")
		next.ServeHTTP(w, r)
	})
}

// response returns h's response over a real connection.
func response(t *testing.T, method string, h http.Handler) map[string]any {
	t.Helper()
	server := httptest.NewServer(h)
	defer server.Close()
	r, err := http.NewRequestWithContext(t.Context(), method, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Event-Id", method)
	resp, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	resp.Header.Del("Date")
	return map[string]any{"status": resp.StatusCode, "header": resp.Header, "length": resp.ContentLength, "body": string(body)}
}

// With net/http the client would get an error instead of a response, and the sender
// of an event that was processed would take it for failed.
func TestEndpoint_IncorrectContentLength(t *testing.T) {
	t.Parallel()
	for _, written := range []string{"", "123", "1234567"} {
		e := newEndpoint(t, newRig(t).runner, idempotency.Options{})
		got := response(t, http.MethodPost, e.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "5")
			io.WriteString(w, written)
		})))
		if got["body"] != written || got["length"] != int64(len(written)) {
			t.Errorf("got %v, want %q", got, written)
		}
	}
}

// An invalid status panics while the work can still be rolled back.
func TestEndpoint_InvalidStatus(t *testing.T) {
	t.Parallel()
	for _, status := range []int{0, 99, 1000} {
		g := newRig(t)
		h := newEndpoint(t, g.runner, idempotency.Options{}).Wrap(writing(status, ""))
		if panics(func() { deliver(h, "evt", "") }) == nil {
			t.Errorf("no panic for %d", status)
		}
		checkState(t, g.store, evt, lease.Released)
	}
}

func TestEndpoint_ResponseController(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t, newRig(t).runner, idempotency.Options{})
	got := response(t, http.MethodPost, e.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w)
		for what, err := range map[string]error{
			"SetReadDeadline":  c.SetReadDeadline(time.Now().Add(time.Minute)),
			"SetWriteDeadline": c.SetWriteDeadline(time.Now().Add(time.Minute)),
		} {
			if err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
		_, _, hijacked := c.Hijack()
		for what, err := range map[string]error{
			"Flush":            c.Flush(),
			"Hijack":           hijacked,
			"EnableFullDuplex": c.EnableFullDuplex(),
		} {
			if !errors.Is(err, http.ErrNotSupported) {
				t.Errorf("%s: got %v, want ErrNotSupported", what, err)
			}
		}
		w.WriteHeader(http.StatusEarlyHints) // dropped
		w.WriteHeader(http.StatusAccepted)
	})))
	if got["status"] != http.StatusAccepted {
		t.Errorf("got %v, want 202", got)
	}
}

// A response beyond the limit fails with its work. The handler sees it at the write.
func TestEndpoint_MaxResponse(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	size := 9
	h := newEndpoint(t, undoing{g.runner}, idempotency.Options{MaxResponse: 8}).Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Mine", "yes")
		_, err := w.Write(make([]byte, size))
		if _, again := w.Write(nil); (err != nil) != (size > 8) || (again != nil) != (size > 8) {
			t.Errorf("writing %d bytes, then none: got %v, then %v", size, err, again)
		}
	}))
	checkProblem(t, deliver(h, "evt", ""), 500, "response_too_large")
	checkKinds(t, g, "claimed", "response_too_large")
	size = 8
	if w := deliver(h, "evt", ""); w.Code != 200 || w.Body.Len() != 8 {
		t.Errorf("8 bytes: got %d with %d bytes", w.Code, w.Body.Len())
	}
}

// An effect that cannot be undone must not be repeated because of its response.
func TestEndpoint_MaxResponseOfLease(t *testing.T) {
	t.Parallel()
	for _, sender := range []hmacverify.Response{hmacverify.Conflict, hmacverify.Acknowledge, hmacverify.Replay} {
		g := newRig(t)
		effects, status := 0, 201
		h := newEndpoint(t, g.runner, idempotency.Options{MaxResponse: 8, Sender: answering(sender)}).WrapFunc(func(w http.ResponseWriter, r *http.Request, _ lease.Claim) error {
			effects++
			w.Header().Set("Content-Length", "10")
			w.WriteHeader(status)
			io.WriteString(w, "12345")
			_, err := io.WriteString(w, "67890")
			return err
		})
		if w := deliver(h, "evt", ""); w.Code != 201 || w.Body.Len() != 0 || w.Header().Get("Content-Length") != "0" {
			t.Errorf("sender %d: got %d %v %q, want an empty 201", sender, w.Code, w.Header(), w.Body)
		}
		if w := deliver(h, "evt", ""); sender == hmacverify.Replay && w.Code != 201 || w.Body.Len() > 0 && sender != hmacverify.Conflict {
			t.Errorf("sender %d: the duplicate got %d %q", sender, w.Code, w.Body)
		}
		checkState(t, g.store, evt, lease.Done)
		checkKinds(t, g, "claimed", "response_too_large", "completed", "duplicate")
		if effects != 1 {
			t.Errorf("sender %d: %d effects, want 1", sender, effects)
		}
		status = 402 // a failure stays one
		if w := deliver(h, "evt_2", ""); w.Code != 402 || w.Body.Len() != 0 {
			t.Errorf("sender %d: got %d %q, want an empty 402", sender, w.Code, w.Body)
		}
		checkState(t, g.store, testKey("evt_2"), lease.Released)
	}
}

// A handler that took the error of its write for its own says the same.
func TestEndpoint_MaxResponseReturned(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	h := newEndpoint(t, undoing{g.runner}, idempotency.Options{MaxResponse: 8}).WrapFunc(func(w http.ResponseWriter, r *http.Request, _ lease.Claim) error {
		_, err := io.WriteString(w, "123456789")
		return fmt.Errorf("render: %w", err)
	})
	checkProblem(t, deliver(h, "evt", ""), 500, "response_too_large")
	checkState(t, g.store, evt, lease.Released)
}
