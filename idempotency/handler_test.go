package idempotency_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/memstore"
)

func TestFailDecidesTheOutcome(t *testing.T) {
	t.Parallel()
	permanent := idempotency.Permanent(errBoom)
	for _, tt := range []struct {
		name   string
		err    error
		answer int
		status int
		code   string // "" if it is the handler's answer
		state  idempotency.State
		reason string
	}{
		{"nil is no failure", nil, 200, 200, "", idempotency.Done, ""},
		{"a 2xx is not believed", errBoom, 200, 500, "failed", idempotency.Released, "boom"},
		{"a 4xx is sent", errBoom, 404, 404, "", idempotency.Released, "boom"},
		{"permanent with a 2xx", permanent, 202, 202, "", idempotency.Dead, "boom"},
		{"permanent with a 4xx", permanent, 422, 422, "", idempotency.Dead, "boom"},
		{"permanent is found inside", fmt.Errorf("while: %w", permanent), 200, 200, "", idempotency.Dead, "while: boom"},
		{"no reason given", nil, 418, 418, "", idempotency.Released, "the handler answered 418"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			runner := leased()
			once := &idempotency.Middleware{Runner: runner, Key: headerKey}
			w := deliver(once.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("X-Mine", "yes")
				idempotency.Fail(r, tt.err)
				idempotency.Fail(r, tt.err) // the first counts
				w.WriteHeader(tt.answer)
			})), "evt", "")
			if tt.code != "" {
				checkProblem(t, w, tt.status, tt.code)
			} else if w.Code != tt.status || w.Header().Get("X-Mine") != "yes" {
				t.Errorf("got %d %v, want the handler's %d", w.Code, w.Header(), tt.status)
			}
			if tt.code != "" && w.Header().Get("X-Mine") != "" {
				t.Error("a header of the failed handler was sent")
			}
			rec, free := look(t, runner.Store, testKey("evt"))
			if free {
				rec.State = idempotency.Released
			}
			if rec.State != tt.state || rec.LastError != tt.reason {
				t.Errorf("got %v because of %q, want %v because of %q", rec.State, rec.LastError, tt.state, tt.reason)
			}
		})
	}
}

func TestFirstFailCounts(t *testing.T) {
	t.Parallel()
	runner := leased()
	once := &idempotency.Middleware{Runner: runner, Key: headerKey}
	deliver(once.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		idempotency.Fail(r, nil)
		idempotency.Fail(r, errBoom)
		idempotency.Fail(r, idempotency.Permanent(io.EOF))
	})), "evt", "")
	checkState(t, runner.Store, testKey("evt"), idempotency.Released)
}

func TestFailOutsideOfAMiddlewareDoesNothing(t *testing.T) {
	t.Parallel()
	idempotency.Fail(newDelivery("evt", ""), errBoom)
}

// A handler that uses another runner may report what that one has said. Its own
// event is not a duplicate because of that.
func TestHandlersErrorIsNotTakenForTheRunners(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		idempotency.ErrDuplicate, idempotency.ErrInFlight, idempotency.ErrMismatch, idempotency.ErrDead,
		idempotency.ErrInvalidKey, idempotency.ErrLeaseLost, idempotency.ErrUnavailable,
	} {
		runner := leased()
		once := &idempotency.Middleware{
			Runner: runner, Key: headerKey,
			Duplicate: idempotency.Acknowledge, Dead: idempotency.Acknowledge,
		}
		fail := func(status int) http.Handler {
			return once.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				idempotency.Fail(r, fmt.Errorf("inner: %w", err))
				w.WriteHeader(status)
			}))
		}
		checkProblem(t, deliver(fail(200), "evt", ""), 500, "failed")
		if w := deliver(fail(404), "evt", ""); w.Code != 404 {
			t.Errorf("%v: got %d, want the handler's 404", err, w.Code)
		}
		checkState(t, runner.Store, testKey("evt"), idempotency.Released)
	}
}

func TestPermanentFailureIsAnsweredOnlyOnceItIsRecorded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newFaulty()
		store.before = func(_ context.Context, verb string, _ int) error {
			if verb == "release" {
				return errBoom
			}
			return nil
		}
		once := &idempotency.Middleware{Runner: &idempotency.Leased{Store: store}, Key: headerKey}
		w := deliver(once.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			idempotency.Fail(r, idempotency.Permanent(errBoom))
		})), "evt", "")
		checkProblem(t, w, 503, "unavailable")
	})
}

func TestHandlersAnswerIsNotSentWhenItsLeaseIsLost(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 404, 500} {
		store := newFaulty()
		store.before = func(_ context.Context, verb string, _ int) error {
			if verb != "claim" {
				return idempotency.ErrLeaseLost
			}
			return nil
		}
		once := &idempotency.Middleware{Runner: &idempotency.Leased{Store: store}, Key: headerKey}
		for i, fail := range []error{nil, errBoom, idempotency.Permanent(errBoom)} {
			w := deliver(once.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				idempotency.Fail(r, fail)
				w.WriteHeader(status)
			})), fmt.Sprint(i), "")
			checkProblem(t, w, 503, "lease_lost")
		}
	}
}

func TestHandlersContextEndsAfterTimeout(t *testing.T) {
	t.Parallel()
	type valueKey struct{}
	for _, tt := range []struct {
		name   string
		answer int
		status int
		state  idempotency.State
	}{
		{"and a handler that gives up in silence has failed", 0, 503, idempotency.Released},
		{"and its own answer counts", 502, 502, idempotency.Released},
		{"and a handler that finishes nevertheless has finished", 200, 200, idempotency.Done},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				runner := leased()
				once := &idempotency.Middleware{Runner: runner, Key: headerKey, Timeout: time.Minute}
				start := time.Now()
				h := once.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if d, ok := r.Context().Deadline(); !ok || !d.Equal(start.Add(time.Minute)) {
						t.Errorf("got deadline %v, %t", d, ok)
					}
					if got := r.Context().Value(valueKey{}); got != "kept" {
						t.Errorf("got value %v", got)
					}
					<-r.Context().Done()
					if got := time.Since(start); got != time.Minute {
						t.Errorf("the context ended after %v", got)
					}
					if err := r.Context().Err(); err != context.DeadlineExceeded {
						t.Errorf("got %v, want DeadlineExceeded", err)
					}
					if tt.answer != 0 {
						w.WriteHeader(tt.answer)
					}
				}))
				r := newDelivery("evt", "")
				ctx, cancel := context.WithCancel(context.WithValue(r.Context(), valueKey{}, "kept"))
				cancel() // the client has gone
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r.WithContext(ctx))
				if w.Code != tt.status {
					t.Errorf("got %d, want %d", w.Code, tt.status)
				}
				if tt.answer == 0 {
					checkProblem(t, w, 503, "timeout")
				}
				checkState(t, runner.Store, testKey("evt"), tt.state)
			})
		})
	}
}

func TestTimeoutIsSeenByAHandlerThatOnlyAsks(t *testing.T) {
	bubble(t, func(t *testing.T, l *idempotency.Leased, _ *faulty, _ *journal) {
		once := &idempotency.Middleware{Runner: l, Key: headerKey, Timeout: time.Minute}
		deliver(once.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Minute - time.Nanosecond)
			checkError(t, r.Context().Err(), nil)
			time.Sleep(time.Nanosecond)
			checkError(t, r.Context().Err(), context.DeadlineExceeded)
			checkError(t, context.Cause(r.Context()), context.DeadlineExceeded)
		})), "evt", "")
	})
}

// What a handler leaves running can see that the handler has returned.
func TestHandlersContextEndsWhenItReturns(t *testing.T) {
	t.Parallel()
	for _, runner := range []idempotency.Runner{leased(), impatient{1, func() {}}} {
		for _, waitedBefore := range []bool{false, true} {
			once := &idempotency.Middleware{Runner: runner, Key: headerKey}
			var ctx context.Context
			deliver(once.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				ctx = r.Context()
				if err := ctx.Err(); err != nil {
					t.Errorf("in the handler: %v", err)
				}
				if waitedBefore {
					ctx.Done()
				}
			})), fmt.Sprint(waitedBefore), "")
			if err := ctx.Err(); err != context.Canceled {
				t.Errorf("after the handler: got %v, want Canceled", err)
			}
			select {
			case <-ctx.Done():
			default:
				t.Error("the context is not done")
			}
		}
	}
}

func TestHandlerKnowsItsAttempt(t *testing.T) {
	t.Parallel()
	once := &idempotency.Middleware{Runner: leased(), Key: headerKey}
	var got []idempotency.Attempt
	h := once.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, ok := idempotency.AttemptFrom(r.Context())
		if !ok || a.Owner == (idempotency.Owner{}) {
			t.Errorf("got %+v, %t in the handler's context", a, ok)
		}
		a.Owner = idempotency.Owner{} // random
		got = append(got, a)
		w.WriteHeader(500)
	}))
	deliver(h, "evt", "")
	deliver(h, "evt", "")
	want := []idempotency.Attempt{
		{Key: testKey("evt"), Number: 1, Token: 1},
		{Key: testKey("evt"), Number: 2, Token: 2},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got[0].Key.Downstream() != got[1].Key.Downstream() {
		t.Error("the downstream key differs between attempts")
	}
	if _, ok := idempotency.AttemptFrom(t.Context()); ok {
		t.Error("an attempt outside of a runner")
	}
}

func TestStoreIsGivenThePayload(t *testing.T) {
	t.Parallel()
	store := newFaulty()
	store.before = func(ctx context.Context, _ string, _ int) error {
		got, ok := idempotency.PayloadFrom(ctx)
		want := idempotency.Payload{Source: "test", ContentType: "text/x", Body: []byte("body")}
		if diff := cmp.Diff(want, got); !ok || diff != "" {
			t.Errorf("%t (-want +got):\n%s", ok, diff)
		}
		return nil
	}
	once := &idempotency.Middleware{Runner: &idempotency.Leased{Store: store}, Key: headerKey}
	r := newDelivery("evt", "body")
	r.Header.Set("Content-Type", "text/x")
	once.Handler(http.HandlerFunc(noop)).ServeHTTP(httptest.NewRecorder(), r)
	checkCalls(t, store, "claim", "complete")

	want := idempotency.Payload{Source: "mine"}
	if got, ok := idempotency.PayloadFrom(idempotency.WithPayload(t.Context(), want)); !ok || got.Source != want.Source {
		t.Errorf("got %+v, %t", got, ok)
	}
	if _, ok := idempotency.PayloadFrom(t.Context()); ok {
		t.Error("a payload outside of a delivery")
	}
}

// An impatient runner calls work n times and believes the last.
type impatient struct {
	n     int
	after func()
}

func (i impatient) Run(ctx context.Context, _ idempotency.Key, _ idempotency.Fingerprint, work idempotency.Work) (result *idempotency.Result, err error) {
	for range i.n {
		result, err = work(ctx)
		i.after()
	}
	return result, err
}

func TestHandlerThatIsCalledAgainBeginsAfresh(t *testing.T) {
	t.Parallel()
	var leftBehind http.ResponseWriter
	var earlier *http.Request
	calls := 0
	once := &idempotency.Middleware{Key: headerKey, Runner: impatient{2, func() {
		if calls == 2 { // a goroutine of the first call that is still at it
			leftBehind.Header().Set("X-Ghost", "1")
			leftBehind.Write([]byte("ghost"))
			idempotency.Fail(earlier, errBoom)
		}
	}}}
	w := deliver(once.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls++
		body, _ := io.ReadAll(r.Body)
		w.Header().Add("X-Call", fmt.Sprint(calls))
		if calls == 1 {
			leftBehind, earlier = w, r
			idempotency.Fail(r, errBoom)
			w.WriteHeader(500)
		}
		fmt.Fprintf(w, "call %d read %s", calls, body)
	})), "evt", "body")
	want := http.Header{"X-Call": {"2"}}
	if diff := cmp.Diff(want, w.Header()); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	if got, want := w.Body.String(), "call 2 read body"; w.Code != 200 || got != want {
		t.Errorf("got %d %q, want 200 %q", w.Code, got, want)
	}
}

func TestResponseWriterIsThatOfNetHTTP(t *testing.T) {
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
			once := &idempotency.Middleware{Runner: leased(), Key: headerKey}
			for _, method := range []string{http.MethodPost, http.MethodHead} {
				want := response(t, method, outer(tt.handler))
				got := response(t, method, outer(once.Handler(tt.handler)))
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

// response returns what h answers over a real connection.
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

// With net/http the client would get an error instead of an answer, and the
// sender of an event that is done would think that it is not.
func TestWrongContentLengthIsMended(t *testing.T) {
	t.Parallel()
	for _, written := range []string{"", "123", "1234567"} {
		once := &idempotency.Middleware{Runner: leased(), Key: headerKey}
		got := response(t, http.MethodPost, once.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "5")
			io.WriteString(w, written)
		})))
		if got["body"] != written || got["length"] != int64(len(written)) {
			t.Errorf("got %v, want %q", got, written)
		}
	}
}

func TestInvalidStatusPanicsWhileTheWorkCanBeUndone(t *testing.T) {
	t.Parallel()
	for _, status := range []int{0, 99, 1000} {
		runner := leased()
		once := &idempotency.Middleware{Runner: runner, Key: headerKey}
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("no panic for %d", status)
				}
			}()
			deliver(once.Handler(answering(status, "")), "evt", "")
		}()
		checkState(t, runner.Store, testKey("evt"), idempotency.Released)
	}
}

func TestResponseController(t *testing.T) {
	t.Parallel()
	once := &idempotency.Middleware{Runner: leased(), Key: headerKey}
	got := response(t, http.MethodPost, once.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
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

// Nothing is sent before it is durable, not even by a handler that flushes.
func TestAnswerLeavesOnlyAfterTheCompletion(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	store := newFaulty()
	store.after = func(_ context.Context, verb string, _ int) error {
		if w.Flushed || w.Body.Len() > 0 || len(w.Header()) > 0 {
			t.Errorf("something was sent before %s returned", verb)
		}
		return nil
	}
	once := &idempotency.Middleware{Runner: &idempotency.Leased{Store: store}, Key: headerKey}
	once.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Mine", "1")
		io.WriteString(w, "answer")
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
		http.NewResponseController(w).Flush()
	})).ServeHTTP(w, newDelivery("evt", ""))
	if diff := cmp.Diff([]string{"claim", "complete"}, store.calls()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if w.Body.String() != "answer" {
		t.Errorf("got %q", w.Body)
	}
}

func TestNoAnswerButA503WhenTheCompletionFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &faulty{Store: new(memstore.Store), before: func(_ context.Context, verb string, _ int) error {
			if verb == "complete" {
				return errBoom
			}
			return nil
		}}
		var told error
		once := &idempotency.Middleware{
			Runner: &idempotency.Leased{Store: store}, Key: headerKey,
			OnError: func(_ *http.Request, err error) { told = err },
		}
		w := deliver(once.Handler(answering(200, "not durable")), "evt", "")
		checkProblem(t, w, 503, "unavailable")
		if !errors.Is(told, errBoom) {
			t.Errorf("OnError was told %v, want the store's error", told)
		}
	})
}
