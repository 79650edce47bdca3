package idempotency_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/memstore"
	"github.com/hookonce/hookonce/store/storetest"
)

var errBoom = errors.New("boom")

var evt = testKey("evt")

func testKey(id string) idempotency.Key { return idempotency.Key{Scope: "test", ID: id} }

// A rig is a lease.Runner over a memstore. The calls of the store can be made to
// fail, and what is observed is kept.
type rig struct {
	runner *lease.Runner
	store  *memstore.Store
	before func(method string, n int) error // if non-nil: asked before the nth call of method
	after  func(method string)              // if non-nil: called after each call

	mu     sync.Mutex
	calls  []string
	events []idempotency.Event
}

func newRig(t testing.TB) *rig { return newRigWith(t, lease.Options{}) }

func newRigWith(t testing.TB, o lease.Options) *rig {
	t.Helper()
	g := &rig{store: new(memstore.Store)}
	o.Observe = g.observe
	var err error
	if g.runner, err = lease.New(afterwards{storetest.Failing(g.store, g.call), g}, &o); err != nil {
		t.Fatal(err)
	}
	return g
}

func (g *rig) call(method string) error {
	g.mu.Lock()
	g.calls = append(g.calls, method)
	g.mu.Unlock()
	if g.before == nil {
		return nil
	}
	return g.before(method, g.count(method))
}

func (g *rig) count(method string) (n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, m := range g.calls {
		if m == method {
			n++
		}
	}
	return n
}

func (g *rig) observe(_ context.Context, e idempotency.Event) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.events = append(g.events, e)
}

func (g *rig) observed() []idempotency.Event {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.events)
}

func (g *rig) kinds() (kinds []idempotency.Kind) {
	for _, e := range g.observed() {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

// lastError returns the error of the latest event.
func (g *rig) lastError(t testing.TB) error {
	t.Helper()
	events := g.observed()
	if len(events) == 0 {
		t.Fatal("nothing was observed")
	}
	return events[len(events)-1].Err
}

// afterwards is a store that calls its rig's after.
type afterwards struct {
	lease.Store
	g *rig
}

func (a afterwards) Claim(ctx context.Context, key idempotency.Key, terms lease.Terms) (lease.Record, bool, error) {
	rec, won, err := a.Store.Claim(ctx, key, terms)
	a.done("Claim")
	return rec, won, err
}

func (a afterwards) Complete(ctx context.Context, c lease.Claim, r *idempotency.Result) error {
	defer a.done("Complete")
	return a.Store.Complete(ctx, c, r)
}

func (a afterwards) done(method string) {
	if a.g.after != nil {
		a.g.after(method)
	}
}

// failing makes the given method of g's store fail with err.
func (g *rig) failing(method string, err error) {
	g.before = func(m string, _ int) error {
		if m == method {
			return err
		}
		return nil
	}
}

// failingAfterClaim makes every method but Claim fail with err.
func (g *rig) failingAfterClaim(err error) {
	g.before = func(m string, _ int) error {
		if m != "Claim" {
			return err
		}
		return nil
	}
}

// bubble runs f under synctest, with a new rig.
func bubble(t *testing.T, f func(t *testing.T, g *rig)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { f(t, newRigWith(t, lease.Options{Lease: 30 * time.Second})) })
}

// byHeader is the Options.ID of most tests.
func byHeader(r *http.Request, _ *hmacverify.Delivery) (string, error) {
	return r.Header.Get("Event-Id"), nil
}

// An undoing runner is one that can undo the work's effect, as far as an endpoint
// knows. (A type that embeds the lease.Runner would have all of its methods.)
type undoing struct{ r *lease.Runner }

func (u undoing) Run(ctx context.Context, item idempotency.Item, work idempotency.Work[lease.Claim]) idempotency.Outcome {
	return u.r.Run(ctx, item, work)
}

func (u undoing) Observe(ctx context.Context, e idempotency.Event) { u.r.Observe(ctx, e) }
func (u undoing) Retention() time.Duration                         { return u.r.Retention() }

// newEndpoint returns an endpoint named "test" that takes unverified requests, whose
// ID is in a header unless o says otherwise.
func newEndpoint[T any](t testing.TB, r idempotency.Runner[T], o idempotency.Options) *idempotency.Endpoint[T] {
	t.Helper()
	o.AllowUnverified = true
	if o.ID == nil {
		o.ID = byHeader
	}
	e, err := idempotency.NewEndpoint("test", nil, r, &o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// answering is a sender for which a duplicate gets that response.
func answering(d hmacverify.Response) hmacverify.Sender { return hmacverify.Sender{Duplicate: d} }

func newDelivery(id, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/hooks", strings.NewReader(body))
	r.Header.Set("Event-Id", id)
	return r
}

// serve returns h's response to r.
func serve(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// deliver sends one delivery of event id to h.
func deliver(h http.Handler, id, body string) *httptest.ResponseRecorder {
	return serve(h, newDelivery(id, body))
}

// writing is a handler that responds with status and body.
func writing(status int, body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		io.WriteString(w, body)
	})
}

var noop = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})

// checkProblem checks that w holds the problem document of kind, and nothing of what
// the handler set.
func checkProblem(t *testing.T, w *httptest.ResponseRecorder, status int, kind idempotency.Kind) {
	t.Helper()
	if w.Code != status {
		t.Errorf("got status %d, want %d; body %q", w.Code, status, w.Body)
	}
	header := w.Header().Clone()
	if after := header.Get("Retry-After"); (after != "") != (status == http.StatusServiceUnavailable) {
		t.Errorf("got Retry-After %q with a %d", after, status)
	}
	header.Del("Retry-After")
	want := http.Header{
		"Content-Type":           {"application/problem+json"},
		"X-Content-Type-Options": {"nosniff"},
		idempotency.StatusHeader: {string(kind)},
	}
	if diff := cmp.Diff(want, header); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	var got struct {
		Type, Title, Code string
		Status            int
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatalf("body %q: %v", w.Body, err)
	}
	if got.Type != "about:blank" || got.Title != http.StatusText(status) || got.Status != status || got.Code != string(kind) {
		t.Errorf("got problem %+v", got)
	}
}

// checkEmpty checks that w is an empty response with status, and names kind.
func checkEmpty(t *testing.T, w *httptest.ResponseRecorder, status int, kind idempotency.Kind) {
	t.Helper()
	if got := idempotency.Kind(w.Header().Get(idempotency.StatusHeader)); w.Code != status || w.Body.Len() > 0 || got != kind {
		t.Errorf("got %d %q, kind %q; want an empty %d, kind %q", w.Code, w.Body, got, status, kind)
	}
}

// look claims key and returns what it finds. It changes a record only if that is
// free.
func look(t *testing.T, s lease.Store, key idempotency.Key) (rec lease.Record, free bool) {
	t.Helper()
	rec, won, err := s.Claim(context.Background(), key, lease.Terms{Owner: lease.NewOwner(), Lease: lease.DefaultLease})
	if err != nil {
		t.Fatal(err)
	}
	if won {
		rec.State = lease.Released
	}
	return rec, won
}

// checkState checks the state of a key's record; Released stands for one that is free.
func checkState(t *testing.T, s lease.Store, key idempotency.Key, want lease.State) {
	t.Helper()
	if rec, _ := look(t, s, key); rec.State != want {
		t.Errorf("%v is %v, want %v", key, rec.State, want)
	}
}

func checkError(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("got error %v, want %v", got, want)
	}
}

func checkCalls(t *testing.T, g *rig, want ...string) {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	if diff := cmp.Diff(want, g.calls); diff != "" {
		t.Errorf("calls of the store (-want +got):\n%s", diff)
	}
}

func checkKinds(t *testing.T, g *rig, want ...idempotency.Kind) {
	t.Helper()
	if diff := cmp.Diff(want, g.kinds()); diff != "" {
		t.Errorf("observed (-want +got):\n%s", diff)
	}
}

// panics returns what f panics with.
func panics(f func()) (p any) {
	defer func() { p = recover() }()
	f()
	return nil
}

// A runnerFunc is a runner that does what it likes.
type runnerFunc func(ctx context.Context, item idempotency.Item, work idempotency.Work[int]) idempotency.Outcome

func (f runnerFunc) Run(ctx context.Context, item idempotency.Item, work idempotency.Work[int]) idempotency.Outcome {
	return f(ctx, item, work)
}
func (runnerFunc) Observe(context.Context, idempotency.Event) {}
func (runnerFunc) Retention() time.Duration                   { return 0 }

// saying returns a runner whose every run has that outcome.
func saying(o idempotency.Outcome) runnerFunc {
	return func(context.Context, idempotency.Item, idempotency.Work[int]) idempotency.Outcome { return o }
}
