package idempotency_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
)

// The first delivery gets the response of a wrapped handler, as it was at the first
// write.
func TestEndpoint_FirstDelivery(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 201, 202, 204} {
		g := newRig(t)
		w := deliver(newEndpoint(t, g.runner, idempotency.Options{}).Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Mine", "yes")
			w.WriteHeader(status)
			io.WriteString(w, "done")
			w.Header().Set("X-Late", "no")
		})), "evt", "")
		want := "done"
		if status == http.StatusNoContent {
			want = ""
		}
		if w.Code != status || w.Body.String() != want {
			t.Errorf("got %d %q, want %d %q", w.Code, w.Body, status, want)
		}
		if diff := cmp.Diff(http.Header{"X-Mine": {"yes"}}, w.Header()); diff != "" {
			t.Errorf("headers (-want +got):\n%s", diff)
		}
		checkState(t, g.store, evt, lease.Done)
	}
}

func TestEndpoint_HandlerWritesNothing(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	checkEmpty(t, deliver(newEndpoint(t, g.runner, idempotency.Options{}).Wrap(noop), "evt", ""), 200, "")
	checkState(t, g.store, evt, lease.Done)
}

// Sender.Success decides the 2xx, of a wrapped handler too: its 201 would be a failure
// for a sender that takes 200 alone.
func TestEndpoint_SenderSuccess(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		success       []int
		want, wrapped int
	}{
		{nil, 200, 201},
		{[]int{204}, 204, 204},
		{[]int{202, 204}, 202, 202},
		{[]int{204, 200}, 200, 200},
		{[]int{200, 201}, 200, 201},
	} {
		o := idempotency.Options{Sender: hmacverify.Sender{Success: tt.success}}
		e := newEndpoint(t, newRig(t).runner, o)
		h := e.Handle(func(context.Context, lease.Claim, *hmacverify.Delivery) error { return nil })
		checkEmpty(t, deliver(h, "evt", ""), tt.want, "")
		checkEmpty(t, deliver(h, "evt", ""), tt.want, "duplicate")
		ignore := e.Handle(func(context.Context, lease.Claim, *hmacverify.Delivery) error { return idempotency.ErrIgnored })
		checkEmpty(t, deliver(ignore, "ignored", ""), tt.want, "")
		checkEmpty(t, deliver(e.Wrap(writing(201, "")), "wrapped", ""), tt.wrapped, "")
	}
}

func TestEndpoint_DuplicateResponse(t *testing.T) {
	t.Parallel()
	first := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/vnd.first+json")
		w.Header().Set("X-Not-Kept", "1")
		w.WriteHeader(http.StatusCreated)
		io.WriteString(w, `{"first":true}`)
	})
	header := func(contentType ...string) http.Header {
		h := http.Header{"X-Content-Type-Options": {"nosniff"}, "Idempotency-Status": {"duplicate"}}
		if len(contentType) > 0 {
			h["Content-Type"] = contentType
		}
		return h
	}
	for _, tt := range []struct {
		name   string
		sender hmacverify.Response
		status int
		header http.Header
		body   string
	}{
		{"Acknowledge", hmacverify.Acknowledge, 200, header(), ""},
		{"Conflict", hmacverify.Conflict, 409, header("application/problem+json"),
			`{"type":"about:blank","title":"Conflict","status":409,"code":"duplicate"}`},
		{"Replay", hmacverify.Replay, 201, header("application/vnd.first+json"), `{"first":true}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newEndpoint(t, newRig(t).runner, idempotency.Options{Sender: answering(tt.sender)}).Wrap(first)
			deliver(h, "evt", "")
			w := deliver(h, "evt", "")
			if diff := cmp.Diff(tt.header, w.Header()); diff != "" {
				t.Errorf("headers (-want +got):\n%s", diff)
			}
			if w.Code != tt.status || w.Body.String() != tt.body {
				t.Errorf("got %d %q, want %d %q", w.Code, w.Body, tt.status, tt.body)
			}
		})
	}
}

// Without a stored response, Replay is the same as Acknowledge.
func TestEndpoint_ReplayWithoutResult(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	deliver(newEndpoint(t, g.runner, idempotency.Options{}).Wrap(writing(201, "not kept")), "evt", "")
	g.runner.Run(t.Context(), idempotency.Item{Key: testKey("not HTTP")}, func(context.Context, lease.Claim) (*idempotency.Result, error) {
		return &idempotency.Result{Body: []byte("for another reader")}, nil
	})
	h := newEndpoint(t, g.runner, idempotency.Options{Sender: answering(hmacverify.Replay)}).Wrap(noop)
	for _, id := range []string{"evt", "not HTTP"} {
		checkEmpty(t, deliver(h, id, ""), 200, "duplicate")
	}
}

func TestEndpoint_ReplayEncodedBody(t *testing.T) {
	t.Parallel()
	h := newEndpoint(t, newRig(t).runner, idempotency.Options{Sender: answering(hmacverify.Replay)}).Wrap(
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.WriteHeader(http.StatusAccepted)
			w.Write([]byte{0x1f, 0x8b})
		}))
	deliver(h, "evt", "")
	checkEmpty(t, deliver(h, "evt", ""), http.StatusAccepted, "duplicate")
}

// Any response but a 2xx is sent, and frees the event.
func TestEndpoint_OtherThan2xx(t *testing.T) {
	t.Parallel()
	for _, status := range []int{302, 304, 400, 404, 409, 422, 429, 500, 503} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			g := newRig(t)
			calls := 0
			h := newEndpoint(t, g.runner, idempotency.Options{Sender: answering(hmacverify.Replay)}).Wrap(
				http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					calls++
					w.Header().Set("X-Mine", "yes")
					w.WriteHeader(status)
				}))
			for range 3 {
				w := deliver(h, "evt", "")
				if w.Code != status || w.Header().Get("X-Mine") != "yes" || w.Header().Get(idempotency.StatusHeader) != "" {
					t.Errorf("got %d %v, want the handler's response", w.Code, w.Header())
				}
			}
			if calls != 3 {
				t.Errorf("the handler was called %d times, want 3", calls)
			}
			checkState(t, g.store, evt, lease.Released)
		})
	}
}

// The outcome's kind decides the response, whatever else its error holds.
func TestEndpoint_OutcomeDecides(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		kind   idempotency.Kind
		err    error
		status int
	}{
		{idempotency.KindDuplicate, nil, 409},
		{idempotency.KindInFlight, nil, 503},
		{idempotency.KindMismatch, nil, 422},
		{idempotency.KindDead, nil, 409},
		{idempotency.KindInvalidKey, nil, 400},
		{idempotency.KindLeaseLost, errBoom, 503},
		{idempotency.KindUnavailable, errBoom, 503},
		{idempotency.KindUnavailable, idempotency.ErrDuplicate, 503},
		{idempotency.KindLeaseLost, idempotency.WithStatus(404, errBoom), 503},
		{idempotency.KindUnavailable, idempotency.WithStatus(404, errBoom), 503},
		{idempotency.KindFailed, errBoom, 500},
		{idempotency.KindFailed, idempotency.ErrDuplicate, 500},
		{"unheard_of", errBoom, 500},
	} {
		o := idempotency.OutcomeOf(tt.kind, tt.err)
		h := newEndpoint(t, saying(o), idempotency.Options{Sender: answering(hmacverify.Conflict)}).Wrap(noop)
		checkProblem(t, deliver(h, "evt", ""), tt.status, tt.kind)
	}
}

// A dead event gets what a duplicate gets, so that the sender stops.
func TestEndpoint_DeadResponse(t *testing.T) {
	t.Parallel()
	for _, sender := range []hmacverify.Response{hmacverify.Acknowledge, hmacverify.Conflict, hmacverify.Replay} {
		g := newRigWith(t, lease.Options{MaxAttempts: 1})
		h := newEndpoint(t, g.runner, idempotency.Options{Sender: answering(sender)}).Wrap(writing(500, "no"))
		if w := deliver(h, "evt", ""); w.Code != 500 || w.Body.String() != "no" {
			t.Errorf("last attempt: got %d %q, want the handler's response", w.Code, w.Body)
		}
		if w := deliver(h, "evt", ""); sender == hmacverify.Conflict {
			checkProblem(t, w, 409, "dead")
		} else {
			checkEmpty(t, w, 200, "dead")
		}
	}
}

// Other content under the same key is 422, whatever became of the first.
func TestEndpoint_CheckContent(t *testing.T) {
	t.Parallel()
	var h http.Handler
	h = newEndpoint(t, newRig(t).runner, idempotency.Options{CheckContent: true}).Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch string(body) {
		case "in flight":
			checkProblem(t, deliver(h, r.Header.Get("Event-Id"), "other"), 422, "mismatch")
		case "failed":
			w.WriteHeader(500)
		case "other":
			t.Error("other content reached the handler")
		}
	}))
	for _, body := range []string{"in flight", "failed", "done"} {
		deliver(h, body, body)
		checkProblem(t, deliver(h, body, "other"), 422, "mismatch")
	}
	checkEmpty(t, deliver(h, "done", "done"), 200, "duplicate")
}

func TestEndpoint_ContentNotChecked(t *testing.T) {
	t.Parallel()
	h := newEndpoint(t, newRig(t).runner, idempotency.Options{}).Wrap(noop)
	deliver(h, "evt", "a")
	checkEmpty(t, deliver(h, "evt", "b"), 200, "duplicate")
}

func TestEndpoint_MaxInFlight(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t, newRig(t).runner, idempotency.Options{MaxInFlight: 1, RetryAfter: 1500 * time.Millisecond})
	var h http.Handler
	h = e.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inner := deliver(h, "other", "")
		checkProblem(t, inner, 503, "overloaded")
		if got, want := inner.Header().Get("Retry-After"), "2"; got != want {
			t.Errorf("got Retry-After %q, want %q", got, want)
		}
	}))
	checkEmpty(t, deliver(h, "evt", ""), 200, "")
	checkEmpty(t, deliver(e.Wrap(noop), "other", ""), 200, "")
}

// It is the remaining lease, so that the sender does not retry in vain, but never
// more than 30 seconds: some senders drop a delivery that is asked to wait longer.
func TestEndpoint_RetryAfter(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		left, option time.Duration
		want         string
	}{
		{time.Nanosecond, 0, "1"}, {time.Second, 0, "1"}, {time.Second + 1, 0, "2"}, {20 * time.Second, 0, "20"},
		{0, 0, "5"}, {0, 7 * time.Second, "7"}, {3 * time.Second, 7 * time.Second, "3"},
		{30*time.Second + 1, 0, "30"}, {1<<63 - 1, 0, "30"}, {0, time.Hour, "30"},
	} {
		o := idempotency.OutcomeOf(idempotency.KindInFlight, nil)
		o.RetryAfter = tt.left
		h := newEndpoint(t, saying(o), idempotency.Options{RetryAfter: tt.option}).Wrap(noop)
		if got := deliver(h, "evt", "").Header().Get("Retry-After"); got != tt.want {
			t.Errorf("%v left, %v by default: got Retry-After %q, want %q", tt.left, tt.option, got, tt.want)
		}
	}
}

// A panic passes, nothing is sent, and the event and the endpoint's place are free.
func TestEndpoint_Panic(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	e := newEndpoint(t, g.runner, idempotency.Options{MaxInFlight: 1})
	for name, h := range map[string]http.Handler{
		"Wrap": e.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(200)
			panic(http.ErrAbortHandler)
		})),
		"Handle": e.Handle(func(context.Context, lease.Claim, *hmacverify.Delivery) error { panic(http.ErrAbortHandler) }),
	} {
		w := httptest.NewRecorder()
		if got := panics(func() { h.ServeHTTP(w, newDelivery(name, "")) }); got != http.ErrAbortHandler {
			t.Errorf("%s: got panic %v, want http.ErrAbortHandler", name, got)
		}
		if w.Body.Len() > 0 || len(w.Header()) > 0 {
			t.Errorf("%s: something was sent: %v %q", name, w.Header(), w.Body)
		}
		checkEmpty(t, deliver(e.Wrap(noop), name, ""), 200, "")
	}
}

// Nothing is sent before it is durable, not even by a handler that flushes.
func TestEndpoint_ResponseAfterCompletion(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	g := newRig(t)
	g.after = func(method string) {
		if w.Flushed || w.Body.Len() > 0 || len(w.Header()) > 0 {
			t.Errorf("something was sent before %s returned", method)
		}
	}
	newEndpoint(t, g.runner, idempotency.Options{}).Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Mine", "1")
		io.WriteString(w, "answer")
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
		http.NewResponseController(w).Flush()
	})).ServeHTTP(w, newDelivery("evt", ""))
	checkCalls(t, g, "Claim", "Complete")
	if w.Body.String() != "answer" {
		t.Errorf("got %q", w.Body)
	}
}

func TestEndpoint_CompletionFails(t *testing.T) {
	bubble(t, func(t *testing.T, g *rig) {
		g.failing("Complete", errBoom)
		checkProblem(t, deliver(newEndpoint(t, g.runner, idempotency.Options{}).Wrap(writing(200, "not durable")), "evt", ""), 503, "unavailable")
		checkError(t, g.lastError(t), errBoom)
	})
}

// The sender must not stop before the event is recorded as dead.
func TestEndpoint_PermanentNotRecorded(t *testing.T) {
	bubble(t, func(t *testing.T, g *rig) {
		g.failing("Release", errBoom)
		h := newEndpoint(t, g.runner, idempotency.Options{}).Handle(func(context.Context, lease.Claim, *hmacverify.Delivery) error {
			return idempotency.Permanent(errBoom)
		})
		checkProblem(t, deliver(h, "evt", ""), 503, "unavailable")
	})
}

// Another owner may be at work: neither success nor failure of this one counts, nor
// a status that its error carries.
func TestEndpoint_LeaseLost(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 404, 500} {
		for _, err := range []error{nil, errBoom, idempotency.Permanent(errBoom), idempotency.WithStatus(404, errBoom)} {
			t.Run(fmt.Sprintf("%d and %v", status, err), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					g := newRig(t)
					g.failingAfterClaim(idempotency.ErrLeaseLost)
					h := newEndpoint(t, g.runner, idempotency.Options{}).WrapFunc(func(w http.ResponseWriter, r *http.Request, _ lease.Claim) error {
						w.WriteHeader(status)
						return err
					})
					checkProblem(t, deliver(h, "evt", ""), 503, "lease_lost")
				})
			})
		}
	}
}
