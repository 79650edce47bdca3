package idempotency_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookonce/hookonce/idempotency"
)

var errBoom = errors.New("boom")

// A runnerFunc is a runner that does not run anything.
type runnerFunc func() (*idempotency.Result, error)

func (f runnerFunc) Run(context.Context, idempotency.Key, idempotency.Fingerprint, idempotency.Work) (*idempotency.Result, error) {
	return f()
}

func TestFirstDeliveryGetsTheHandlersAnswer(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 201, 202, 204} {
		runner := leased()
		once := &idempotency.Middleware{Runner: runner, Key: headerKey}
		w := deliver(once.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Mine", "yes")
			w.WriteHeader(status)
			io.WriteString(w, "done")
			w.Header().Set("X-Late", "no")
		})), "evt", "")
		want := "done"
		if status == http.StatusNoContent {
			want = ""
		}
		if w.Code != status || w.Body.String() != want || w.Header().Get("X-Mine") != "yes" || w.Header().Get("X-Late") != "" {
			t.Errorf("got %d, %q, %v; want %d, %q", w.Code, w.Body, w.Header(), status, want)
		}
		if got := w.Header().Get(idempotency.StatusHeader); got != "" {
			t.Errorf("got %s %q on the handler's own answer", idempotency.StatusHeader, got)
		}
		checkState(t, runner.Store, testKey("evt"), idempotency.Done)
	}
}

func TestHandlerThatWritesNothingHasAnswered200(t *testing.T) {
	t.Parallel()
	runner := leased()
	once := &idempotency.Middleware{Runner: runner, Key: headerKey}
	if w := deliver(once.Handler(http.HandlerFunc(noop)), "evt", ""); w.Code != http.StatusOK {
		t.Errorf("got %d, want 200", w.Code)
	}
	checkState(t, runner.Store, testKey("evt"), idempotency.Done)
}

func TestDuplicateIsAnsweredByPolicy(t *testing.T) {
	t.Parallel()
	first := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/vnd.first+json")
		w.Header().Set("X-Not-Kept", "1")
		w.WriteHeader(http.StatusCreated)
		io.WriteString(w, `{"first":true}`)
	})
	for _, tt := range []struct {
		name        string
		policy      idempotency.Policy
		status      int
		contentType string
		body        string
	}{
		{"conflict", idempotency.Conflict, 409, "application/problem+json", `{"type":"about:blank","title":"Conflict","status":409,"code":"duplicate"}` + "\n"},
		{"acknowledge", idempotency.Acknowledge, 200, "application/json", `{"status":"duplicate"}` + "\n"},
		{"replay", idempotency.Replay, 201, "application/vnd.first+json", `{"first":true}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			once := &idempotency.Middleware{Runner: leased(), Key: headerKey, Duplicate: tt.policy}
			h := once.Handler(first)
			deliver(h, "evt", "")
			w := deliver(h, "evt", "")
			want := http.Header{
				"Content-Type":           {tt.contentType},
				"X-Content-Type-Options": {"nosniff"},
				"Idempotency-Status":     {"duplicate"},
			}
			if diff := cmp.Diff(want, w.Header()); diff != "" {
				t.Errorf("headers (-want +got):\n%s", diff)
			}
			if w.Code != tt.status || w.Body.String() != tt.body {
				t.Errorf("got %d %q, want %d %q", w.Code, w.Body, tt.status, tt.body)
			}
		})
	}
}

func TestReplayWithoutAStoredAnswerAcknowledges(t *testing.T) {
	t.Parallel()
	runner := leased()
	first := &idempotency.Middleware{Runner: runner, Key: headerKey}
	deliver(first.Handler(answering(201, "not kept")), "evt", "")
	runner.Run(t.Context(), testKey("not HTTP"), idempotency.Fingerprint{}, func(context.Context) (*idempotency.Result, error) {
		return &idempotency.Result{Body: []byte("for another reader")}, nil
	})
	now := &idempotency.Middleware{Runner: runner, Key: headerKey, Duplicate: idempotency.Replay}
	for _, id := range []string{"evt", "not HTTP"} {
		if w := deliver(now.Handler(http.HandlerFunc(noop)), id, ""); w.Code != 200 || w.Body.String() != `{"status":"duplicate"}`+"\n" {
			t.Errorf("%s: got %d %q", id, w.Code, w.Body)
		}
	}
}

func TestReplayKeepsNoEncodedBody(t *testing.T) {
	t.Parallel()
	once := &idempotency.Middleware{Runner: leased(), Key: headerKey, Duplicate: idempotency.Replay}
	h := once.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.WriteHeader(http.StatusAccepted)
		w.Write([]byte{0x1f, 0x8b})
	}))
	deliver(h, "evt", "")
	if w := deliver(h, "evt", ""); w.Code != http.StatusAccepted || w.Body.Len() != 0 {
		t.Errorf("got %d with %d bytes, want 202 with none", w.Code, w.Body.Len())
	}
}

func TestOnlyA2xxFinishesTheEvent(t *testing.T) {
	t.Parallel()
	for _, status := range []int{302, 304, 400, 404, 409, 422, 429, 500, 503} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			runner := leased()
			once := &idempotency.Middleware{Runner: runner, Key: headerKey, Duplicate: idempotency.Replay}
			calls := 0
			h := once.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				calls++
				w.Header().Set("X-Mine", "yes")
				w.WriteHeader(status)
			}))
			for range 3 {
				w := deliver(h, "evt", "")
				if w.Code != status || w.Header().Get("X-Mine") != "yes" || w.Header().Get(idempotency.StatusHeader) != "" {
					t.Errorf("got %d %v, want the handler's answer", w.Code, w.Header())
				}
			}
			if calls != 3 {
				t.Errorf("the handler was called %d times, want 3", calls)
			}
			checkState(t, runner.Store, testKey("evt"), idempotency.Released)
		})
	}
}

// What the runner says decides the answer, whatever else the error holds.
func TestRunnersErrorsHaveTheirAnswers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err    error
		status int
		code   string
	}{
		{idempotency.ErrDuplicate, 409, "duplicate"},
		{idempotency.ErrInFlight, 503, "in_flight"},
		{&idempotency.InFlightError{}, 503, "in_flight"},
		{idempotency.ErrMismatch, 422, "mismatch"},
		{idempotency.ErrDead, 409, "dead"},
		{idempotency.ErrInvalidKey, 400, "invalid_key"},
		{idempotency.ErrLeaseLost, 503, "lease_lost"},
		{idempotency.Unavailable("claim", errBoom), 503, "unavailable"},
		{idempotency.Unavailable("claim", idempotency.ErrDuplicate), 503, "unavailable"},
		{errBoom, 500, "failed"},
	} {
		for _, err := range []error{tt.err, fmt.Errorf("wrapped: %w", tt.err)} {
			once := &idempotency.Middleware{
				Runner: runnerFunc(func() (*idempotency.Result, error) { return nil, err }),
				Key:    headerKey,
			}
			checkProblem(t, deliver(once.Handler(nil), "evt", ""), tt.status, tt.code)
		}
	}
}

func TestRunnerIsNotGivenAnInvalidKey(t *testing.T) {
	t.Parallel()
	once := &idempotency.Middleware{Key: headerKey, Runner: runnerFunc(func() (*idempotency.Result, error) {
		t.Error("the runner was called")
		return nil, errBoom
	})}
	checkProblem(t, deliver(once.Handler(nil), "", ""), 400, "invalid_key")
}

func TestDeadEventIsAnsweredByPolicy(t *testing.T) {
	t.Parallel()
	for _, policy := range []idempotency.Policy{idempotency.Conflict, idempotency.Acknowledge, idempotency.Replay} {
		runner := leased()
		runner.MaxAttempts = 1
		once := &idempotency.Middleware{Runner: runner, Key: headerKey, Dead: policy}
		h := once.Handler(answering(500, "no"))
		if w := deliver(h, "evt", ""); w.Code != 500 || w.Body.String() != "no" {
			t.Errorf("last attempt: got %d %q, want the handler's answer", w.Code, w.Body)
		}
		w := deliver(h, "evt", "")
		if policy == idempotency.Conflict {
			checkProblem(t, w, 409, "dead")
		} else if w.Code != 200 || w.Body.String() != `{"status":"dead"}`+"\n" || w.Header().Get(idempotency.StatusHeader) != "dead" {
			t.Errorf("policy %d: got %d %q %v", policy, w.Code, w.Body, w.Header())
		}
	}
}

func TestOtherContentUnderTheSameKeyIs422InEveryState(t *testing.T) {
	t.Parallel()
	runner := leased()
	once := &idempotency.Middleware{Runner: runner, Key: headerKey, CheckContent: true}
	var h http.Handler
	h = once.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
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
	if w := deliver(h, "done", "done"); w.Code != 409 {
		t.Errorf("the same content: got %d, want 409", w.Code)
	}
}

func TestContentIsNotCheckedUnlessAskedFor(t *testing.T) {
	t.Parallel()
	h := (&idempotency.Middleware{Runner: leased(), Key: headerKey}).Handler(http.HandlerFunc(noop))
	deliver(h, "evt", "a")
	checkProblem(t, deliver(h, "evt", "b"), 409, "duplicate")
}

func TestRefusedRequestsDoNotTouchTheStore(t *testing.T) {
	t.Parallel()
	failing := func(err error) func(*http.Request) (idempotency.Key, error) {
		return func(*http.Request) (idempotency.Key, error) { return testKey("evt"), err }
	}
	for _, tt := range []struct {
		name   string
		mw     *idempotency.Middleware
		r      *http.Request
		status int
		code   string
	}{
		{"no ID", &idempotency.Middleware{Key: headerKey}, newDelivery("", ""), 400, "invalid_key"},
		{"ID too long", &idempotency.Middleware{Key: headerKey}, newDelivery(strings.Repeat("x", 256), ""), 400, "invalid_key"},
		{"key function fails", &idempotency.Middleware{Key: failing(errBoom)}, newDelivery("evt", ""), 400, "invalid_key"},
		{"key function speaks of duplicates", &idempotency.Middleware{Key: failing(idempotency.ErrDuplicate)}, newDelivery("evt", ""), 400, "invalid_key"},
		{"key function cannot tell now", &idempotency.Middleware{Key: failing(idempotency.Unavailable("tenant", errBoom))}, newDelivery("evt", ""), 503, "unavailable"},
		{"not verified", &idempotency.Middleware{}, newDelivery("evt", ""), 500, "not_verified"},
		{"body announced too long", &idempotency.Middleware{Key: headerKey, MaxBody: 4}, newDelivery("evt", "12345"), 413, "body_too_large"},
		{"body is too long", &idempotency.Middleware{Key: headerKey, MaxBody: 4}, chunked(strings.NewReader("12345")), 413, "body_too_large"},
		{"body breaks off", &idempotency.Middleware{Key: headerKey}, chunked(iotest.ErrReader(io.ErrUnexpectedEOF)), 400, "unreadable_body"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			store := newFaulty()
			var told error
			once := tt.mw
			once.Runner = &idempotency.Leased{Store: store}
			once.OnError = func(_ *http.Request, err error) { told = err }
			w := httptest.NewRecorder()
			once.Handler(answering(200, "called")).ServeHTTP(w, tt.r)
			checkProblem(t, w, tt.status, tt.code)
			if calls := store.calls(); len(calls) > 0 {
				t.Errorf("the store was called: %v", calls)
			}
			if told == nil {
				t.Error("OnError was not told")
			}
		})
	}
}

// chunked returns a delivery that does not announce its length.
func chunked(body io.Reader) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/hooks", io.MultiReader(body))
	r.Header.Set("Event-Id", "evt")
	r.ContentLength = -1
	r.TransferEncoding = []string{"chunked"}
	return r
}

func TestBodyThatIsAnnouncedTooLongIsNotRead(t *testing.T) {
	t.Parallel()
	r := chunked(iotest.ErrReader(errors.New("it was read")))
	r.ContentLength = idempotency.DefaultMaxBody + 1
	w := httptest.NewRecorder()
	(&idempotency.Middleware{Runner: leased(), Key: headerKey}).Handler(nil).ServeHTTP(w, r)
	checkProblem(t, w, 413, "body_too_large")
}

func TestBodyOfExactlyMaxBodyIsHandled(t *testing.T) {
	t.Parallel()
	once := &idempotency.Middleware{Runner: leased(), Key: headerKey, MaxBody: 4}
	w := httptest.NewRecorder()
	once.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(w, r.Body)
		fmt.Fprint(w, r.ContentLength, r.TransferEncoding)
	})).ServeHTTP(w, chunked(strings.NewReader("1234")))
	if got, want := w.Body.String(), "12344 []"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestKeyFunctionMayReadTheBody(t *testing.T) {
	t.Parallel()
	once := &idempotency.Middleware{Runner: leased(), Key: func(r *http.Request) (idempotency.Key, error) {
		id, err := io.ReadAll(r.Body)
		return testKey(string(id)), err
	}}
	h := once.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }))
	if got, want := deliver(h, "", "evt_1").Body.String(), "evt_1"; got != want {
		t.Errorf("the handler read %q, want %q", got, want)
	}
	checkProblem(t, deliver(h, "", "evt_1"), 409, "duplicate")
}

func TestRequestOfTheCallerIsLeftAsItWas(t *testing.T) {
	t.Parallel()
	once := &idempotency.Middleware{Runner: leased(), Key: headerKey}
	r := newDelivery("evt", "body")
	was := *r
	once.Handler(http.HandlerFunc(noop)).ServeHTTP(httptest.NewRecorder(), r)
	if r.Body != was.Body || r.ContentLength != was.ContentLength || r.Context() != was.Context() {
		t.Error("the caller's request was changed")
	}
}

func TestResponseBeyondTheLimitFailsWithItsWork(t *testing.T) {
	t.Parallel()
	runner := leased()
	var told error
	once := &idempotency.Middleware{
		Runner: runner, Key: headerKey, MaxResponse: 8,
		OnError: func(_ *http.Request, err error) { told = err },
	}
	size := 9
	h := once.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Mine", "yes")
		_, err := w.Write(bytes.Repeat([]byte("x"), size))
		if _, again := w.Write(nil); (err != nil) != (size > 8) || (again != nil) != (size > 8) {
			t.Errorf("writing %d bytes, then none: got %v, then %v", size, err, again)
		}
	}))
	w := deliver(h, "evt", "")
	checkProblem(t, w, 500, "response_too_large")
	if told == nil || w.Header().Get("X-Mine") != "" {
		t.Errorf("OnError was told %v; headers %v", told, w.Header())
	}
	size = 8
	if w := deliver(h, "evt", ""); w.Code != 200 || w.Body.Len() != 8 {
		t.Errorf("8 bytes: got %d with %d bytes", w.Code, w.Body.Len())
	}
}

func TestTooManyDeliveriesAtOnceAre503(t *testing.T) {
	t.Parallel()
	once := &idempotency.Middleware{Runner: leased(), Key: headerKey, MaxInFlight: 1, RetryAfter: 1500 * time.Millisecond}
	var h http.Handler
	h = once.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inner := deliver(h, "other", "")
		checkProblem(t, inner, 503, "overloaded")
		if got, want := inner.Header().Get("Retry-After"), "2"; got != want {
			t.Errorf("got Retry-After %q, want %q", got, want)
		}
	}))
	if w := deliver(h, "evt", ""); w.Code != 200 {
		t.Errorf("got %d, want 200", w.Code)
	}
	if w := deliver(once.Handler(http.HandlerFunc(noop)), "other", ""); w.Code != 200 {
		t.Errorf("afterwards: got %d, want 200", w.Code)
	}
}

// It is the remaining lease, so that the sender does not come again in vain.
func TestRetryAfterOfAnEventInFlightIsItsRemainingLease(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		left time.Duration
		want string
	}{
		{time.Nanosecond, "1"}, {time.Second, "1"}, {time.Second + 1, "2"}, {20 * time.Second, "20"},
		{0, "5"}, {-time.Second, "5"}, {1<<63 - 1, "9223372037"},
	} {
		once := &idempotency.Middleware{
			Runner: runnerFunc(func() (*idempotency.Result, error) {
				return nil, &idempotency.InFlightError{RetryAfter: tt.left}
			}),
			Key: headerKey,
		}
		if got := deliver(once.Handler(nil), "evt", "").Header().Get("Retry-After"); got != tt.want {
			t.Errorf("%v left: got Retry-After %q, want %q", tt.left, got, tt.want)
		}
	}
}

func TestMeaninglessFieldsPanicBeforeTheFirstRequest(t *testing.T) {
	t.Parallel()
	runner := leased()
	for _, m := range []*idempotency.Middleware{
		{},
		{Runner: runner, Duplicate: 3},
		{Runner: runner, Dead: 3},
		{Runner: runner, Timeout: -1},
		{Runner: runner, Wait: -1},
		{Runner: runner, RetryAfter: -1},
		{Runner: runner, MaxBody: -1},
		{Runner: runner, MaxResponse: -1},
		{Runner: runner, MaxInFlight: -1},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("no panic from %+v", m)
				}
			}()
			m.Handler(nil)
		}()
	}
}

func TestPanicGoesOnAndFreesTheEvent(t *testing.T) {
	t.Parallel()
	runner := leased()
	once := &idempotency.Middleware{Runner: runner, Key: headerKey, MaxInFlight: 1}
	w := httptest.NewRecorder()
	func() {
		defer func() {
			if got := recover(); got != http.ErrAbortHandler {
				t.Errorf("got panic %v, want http.ErrAbortHandler", got)
			}
		}()
		once.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(200)
			panic(http.ErrAbortHandler)
		})).ServeHTTP(w, newDelivery("evt", ""))
	}()
	if w.Body.Len() > 0 || len(w.Header()) > 0 {
		t.Errorf("something was sent: %v %q", w.Header(), w.Body)
	}
	if w := deliver(once.Handler(answering(200, "")), "evt", ""); w.Code != 200 {
		t.Errorf("next delivery: got %d, want 200", w.Code)
	}
}

func TestOnErrorIsNotToldOfDuplicatesNorOfTheHandlersAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		once := &idempotency.Middleware{
			Runner: leased(), Key: headerKey,
			OnError: func(_ *http.Request, err error) { t.Errorf("OnError was told %v", err) },
		}
		var h http.Handler
		status := 500
		h = once.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			checkProblem(t, deliver(h, "evt", ""), 503, "in_flight") // after Wait
			w.WriteHeader(status)
		}))
		deliver(h, "evt", "")
		status = 200
		deliver(h, "evt", "")
		checkProblem(t, deliver(h, "evt", ""), 409, "duplicate")
	})
}
