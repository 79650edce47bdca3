package idempotency_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
)

// A foreignError is some other package's error that carries a status.
type foreignError int

func (e foreignError) Error() string   { return fmt.Sprint("foreign ", int(e)) }
func (e foreignError) HTTPStatus() int { return int(e) }

// A foreignIgnored is some other package's error that says whether the event is ignored.
type foreignIgnored bool

func (e foreignIgnored) Error() string      { return fmt.Sprint("foreign ignored ", bool(e)) }
func (e foreignIgnored) EventIgnored() bool { return bool(e) }

func TestFunc_Error(t *testing.T) {
	t.Parallel()
	permanent := idempotency.Permanent(errBoom)
	for _, tt := range []struct {
		name   string
		err    error
		status int
		kind   idempotency.Kind // "" if the response is that of a processed event
		state  lease.State
		reason string
	}{
		{"nil", nil, 200, "", lease.Done, ""},
		{"any error", errBoom, 500, "failed", lease.Released, "boom"},
		{"ignored", idempotency.ErrIgnored, 200, "", lease.Done, ""},
		{"ignored, wrapped", fmt.Errorf("test mode: %w", idempotency.ErrIgnored), 200, "", lease.Done, ""},
		{"foreign ignored", foreignIgnored(true), 200, "", lease.Done, ""},
		{"foreign ignored, wrapped beside a status", fmt.Errorf("news: %w", errors.Join(foreignError(404), foreignIgnored(true))), 200, "", lease.Done, ""},
		{"foreign that is not ignored", foreignIgnored(false), 500, "failed", lease.Released, "foreign ignored false"},
		{"permanent is acknowledged", permanent, 200, "dead", lease.Dead, "boom"},
		{"permanent, wrapped", fmt.Errorf("while: %w", permanent), 200, "dead", lease.Dead, "while: boom"},
		{"WithStatus 4xx", idempotency.WithStatus(422, errBoom), 422, "failed", lease.Released, "boom"},
		{"WithStatus 5xx", fmt.Errorf("while: %w", idempotency.WithStatus(502, errBoom)), 502, "failed", lease.Released, "while: boom"},
		{"foreign status", fmt.Errorf("while: %w", foreignError(404)), 404, "failed", lease.Released, "while: foreign 404"},
		{"foreign status that is no error's", foreignError(204), 500, "failed", lease.Released, "foreign 204"},
		{"foreign status that is none", foreignError(600), 500, "failed", lease.Released, "foreign 600"},
		{"permanent with a status", idempotency.Permanent(idempotency.WithStatus(422, errBoom)), 422, "dead", lease.Dead, "boom"},
		{"status of a permanent error", idempotency.WithStatus(422, permanent), 422, "dead", lease.Dead, "boom"},
		{"permanent with a nested sentinel and a status",
			idempotency.Permanent(idempotency.WithStatus(422, idempotency.ErrDuplicate)), 422, "dead", lease.Dead, idempotency.ErrDuplicate.Error()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := newRig(t)
			w := deliver(newEndpoint(t, g.runner, idempotency.Options{}).Handle(func(context.Context, lease.Claim, *hmacverify.Delivery) error {
				return tt.err
			}), "evt", "")
			if tt.status >= 400 {
				if w.Header().Get("Retry-After") != "" {
					t.Errorf("got Retry-After %q for a failure of the work", w.Header().Get("Retry-After"))
				}
				checkProblem(t, w, tt.status, tt.kind)
			} else {
				checkEmpty(t, w, tt.status, tt.kind)
			}
			if rec, _ := look(t, g.store, evt); rec.State != tt.state || rec.LastError != tt.reason {
				t.Errorf("got %v because of %q, want %v because of %q", rec.State, rec.LastError, tt.state, tt.reason)
			}
		})
	}
}

// What WrapFunc returns and what its handler has written, together.
func TestEndpoint_WrapFuncError(t *testing.T) {
	t.Parallel()
	permanent := idempotency.Permanent(errBoom)
	for _, tt := range []struct {
		name    string
		err     error
		written int
		status  int
		kind    idempotency.Kind // "" if the response is the handler's
		state   lease.State
		reason  string
	}{
		{"nil is no failure", nil, 201, 201, "", lease.Done, ""},
		{"a 2xx is not believed", errBoom, 200, 500, "failed", lease.Released, "boom"},
		{"a 4xx is sent", errBoom, 404, 404, "", lease.Released, "boom"},
		{"a 5xx is sent", idempotency.WithStatus(422, errBoom), 503, 503, "", lease.Released, "boom"},
		{"a 3xx is not believed", errBoom, 302, 500, "failed", lease.Released, "boom"},
		{"a 3xx without an error is sent", nil, 307, 307, "", lease.Released, "the handler responded 307"},
		{"permanent with a 2xx", permanent, 202, 200, "dead", lease.Dead, "boom"},
		{"permanent with a 4xx", permanent, 422, 422, "", lease.Dead, "boom"},
		{"permanent is found inside", fmt.Errorf("while: %w", permanent), 200, 200, "dead", lease.Dead, "while: boom"},
		{"no error given", nil, 418, 418, "", lease.Released, "the handler responded 418"},
		{"ignored with a 2xx", idempotency.ErrIgnored, 202, 202, "", lease.Done, ""},
		{"foreign ignored with a 2xx", foreignIgnored(true), 202, 202, "", lease.Done, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := newRig(t)
			w := deliver(newEndpoint(t, g.runner, idempotency.Options{}).WrapFunc(func(w http.ResponseWriter, r *http.Request, _ lease.Claim) error {
				w.Header().Set("X-Mine", "yes")
				w.WriteHeader(tt.written)
				return tt.err
			}), "evt", "")
			mine := w.Header().Get("X-Mine")
			switch {
			case tt.kind == "" && (w.Code != tt.status || mine != "yes"):
				t.Errorf("got %d %v, want the handler's %d", w.Code, w.Header(), tt.status)
			case tt.kind == "dead":
				checkEmpty(t, w, tt.status, tt.kind)
			case tt.kind != "":
				checkProblem(t, w, tt.status, tt.kind)
			}
			if tt.kind != "" && mine != "" {
				t.Error("a header of the failed handler was sent")
			}
			if rec, _ := look(t, g.store, evt); rec.State != tt.state || rec.LastError != tt.reason {
				t.Errorf("got %v because of %q, want %v because of %q", rec.State, rec.LastError, tt.state, tt.reason)
			}
		})
	}
}

// A handler that ignores the event after it has written a failure is answered as
// the sender expects: the event is recorded as processed.
func TestEndpoint_IgnoredAfterFailure(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	h := newEndpoint(t, g.runner, idempotency.Options{Sender: hmacverify.Sender{Success: []int{204}}}).WrapFunc(
		func(w http.ResponseWriter, r *http.Request, _ lease.Claim) error {
			w.WriteHeader(404)
			return idempotency.ErrIgnored
		})
	checkEmpty(t, deliver(h, "evt", ""), 204, "")
	checkKinds(t, g, "claimed", "ignored")
}

// Work that uses another runner may return what that one has said. Its own event is
// not a duplicate because of that.
func TestEndpoint_ErrorOfNestedRunner(t *testing.T) {
	t.Parallel()
	for _, sentinel := range []error{
		idempotency.ErrDuplicate, idempotency.ErrInFlight, idempotency.ErrMismatch, idempotency.ErrDead,
		idempotency.ErrInvalidKey, idempotency.ErrLeaseLost, idempotency.ErrUnavailable, idempotency.ErrOverloaded,
	} {
		t.Run(sentinel.Error(), func(t *testing.T) {
			t.Parallel()
			g := newRig(t)
			e := newEndpoint(t, g.runner, idempotency.Options{})
			fail := func(status int) http.Handler {
				return e.WrapFunc(func(w http.ResponseWriter, r *http.Request, _ lease.Claim) error {
					w.WriteHeader(status)
					return fmt.Errorf("inner: %w", sentinel)
				})
			}
			checkProblem(t, deliver(fail(200), "evt", ""), 500, "failed")
			checkEmpty(t, deliver(fail(404), "evt", ""), 404, "")
			checkKinds(t, g, "claimed", "failed", "claimed", "failed")
			checkState(t, g.store, evt, lease.Released)
		})
	}
}

// The runner gets the work's error with its whole tree: it has to find a conflict of
// the database in it, wherever that is.
func TestEndpoint_ErrorTreeForRunner(t *testing.T) {
	t.Parallel()
	errConflict := errors.New("could not serialize access")
	var got []error
	retrying := runnerFunc(func(ctx context.Context, _ idempotency.Item, work idempotency.Work[int]) idempotency.Outcome {
		for {
			_, err := work(ctx, 0)
			got = append(got, err)
			if !errors.Is(err, errConflict) {
				return idempotency.Outcome{Kind: idempotency.KindCompleted}
			}
		}
	})
	calls := 0
	h := newEndpoint(t, retrying, idempotency.Options{}).Handle(func(context.Context, int, *hmacverify.Delivery) error {
		if calls++; calls == 1 {
			return fmt.Errorf("%w: claim: %w", idempotency.ErrUnavailable, errConflict)
		}
		return nil
	})
	checkEmpty(t, deliver(h, "evt", ""), 200, "")
	if len(got) != 2 || !errors.Is(got[0], idempotency.ErrUnavailable) || got[1] != nil {
		t.Errorf("the runner got %v, want the whole error, then nil", got)
	}
}

func TestByType(t *testing.T) {
	t.Parallel()
	s := preset.XSignature256()
	s.Type = hmacverify.Field{JSON: "type"}
	sender := newSigned(t, s)
	var called []string
	named := func(name string, err error) idempotency.Func[lease.Claim] {
		return func(_ context.Context, c lease.Claim, d *hmacverify.Delivery) error {
			called = append(called, name+" "+c.Key.ID+" "+d.EventType())
			return err
		}
	}
	funcs := map[string]idempotency.Func[lease.Claim]{"paid": named("paid", nil), "failed": named("failed", errBoom), "nil": nil}
	g := newRig(t)
	e := newVerified(t, "mine", sender, g.runner)
	with, without := e.Handle(idempotency.ByType(funcs, named("fallback", nil))), e.Handle(idempotency.ByType(funcs, nil))
	for i, tt := range []struct {
		handler   http.Handler
		eventType string
		status    int
		called    string
		kind      idempotency.Kind
	}{
		{with, "paid", 200, "paid", "completed"},
		{with, "failed", 500, "failed", "failed"},
		{with, "other", 200, "fallback", "completed"},
		{with, "", 200, "fallback", "completed"},
		{with, "nil", 200, "fallback", "completed"},
		{without, "paid", 200, "paid", "completed"},
		{without, "other", 200, "", "ignored"},
		{without, "", 200, "", "ignored"},
	} {
		called = nil
		w := serve(tt.handler, sender.request(t, fmt.Sprintf(`{"eventId":"%d","type":%q}`, i, tt.eventType)))
		if w.Code != tt.status {
			t.Errorf("%q: got %d, want %d", tt.eventType, w.Code, tt.status)
		}
		var want []string
		if tt.called != "" {
			want = []string{fmt.Sprint(tt.called, " ", i, " ", tt.eventType)}
		}
		if diff := cmp.Diff(want, called); diff != "" {
			t.Errorf("%q: called (-want +got):\n%s", tt.eventType, diff)
		}
		if kinds := g.kinds(); kinds[len(kinds)-1] != tt.kind {
			t.Errorf("%q: observed %v, want the last to be %v", tt.eventType, kinds, tt.kind)
		}
	}
}

// Without a delivery no event has a type, so all would be ignored, and recorded as
// processed.
func TestByType_Unverified(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	h := newEndpoint(t, g.runner, idempotency.Options{}).Handle(idempotency.ByType[lease.Claim](nil, nil))
	checkProblem(t, deliver(h, "evt", ""), 500, "failed")
	checkState(t, g.store, evt, lease.Released)
}

func TestPermanent(t *testing.T) {
	t.Parallel()
	if err := idempotency.Permanent(nil); err != nil || idempotency.IsPermanent(nil) || idempotency.IsPermanent(errBoom) {
		t.Errorf("got %v", err)
	}
	err := idempotency.Permanent(errBoom)
	if !idempotency.IsPermanent(fmt.Errorf("while: %w", err)) || !errors.Is(err, errBoom) || err.Error() != "boom" {
		t.Errorf("got %v", err)
	}
}

func TestWithStatus(t *testing.T) {
	t.Parallel()
	if err := idempotency.WithStatus(404, nil); err != nil {
		t.Errorf("got %v, want nil", err)
	}
	if err := idempotency.WithStatus(404, errBoom); !errors.Is(err, errBoom) || err.Error() != "boom" {
		t.Errorf("got %v", err)
	}
	for status, want := range map[int]bool{0: true, 200: true, 302: true, 399: true, 400: false, 599: false, 600: true} {
		if got := panics(func() { _ = idempotency.WithStatus(status, nil) }); (got != nil) != want {
			t.Errorf("%d: panic %v, want one: %t", status, got, want)
		}
	}
}
