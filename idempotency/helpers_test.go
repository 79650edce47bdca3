package idempotency_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/memstore"
)

// headerKey is the key function of most tests.
func headerKey(r *http.Request) (idempotency.Key, error) {
	return testKey(r.Header.Get("Event-Id")), nil
}

func testKey(id string) idempotency.Key { return idempotency.Key{Scope: "test", ID: id} }

// leased returns a lease runner over a new memstore.
func leased() *idempotency.Leased { return &idempotency.Leased{Store: new(memstore.Store)} }

func newDelivery(id, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/hooks", strings.NewReader(body))
	r.Header.Set("Event-Id", id)
	return r
}

// deliver sends one delivery of event id to h.
func deliver(h http.Handler, id, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, newDelivery(id, body))
	return w
}

// answering is a handler that answers with status and body.
func answering(status int, body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		w.Write([]byte(body))
	})
}

// checkProblem checks that w holds the problem document with code, and nothing
// of what the handler set.
func checkProblem(t *testing.T, w *httptest.ResponseRecorder, status int, code string) {
	t.Helper()
	if w.Code != status {
		t.Errorf("got status %d, want %d; body %q", w.Code, status, w.Body)
	}
	if got := w.Header().Get(idempotency.StatusHeader); got != code {
		t.Errorf("got %s %q, want %q", idempotency.StatusHeader, got, code)
	}
	if got, want := w.Header().Get("Content-Type"), "application/problem+json"; got != want {
		t.Errorf("got Content-Type %q, want %q", got, want)
	}
	if got, want := w.Header().Get("X-Content-Type-Options"), "nosniff"; got != want {
		t.Errorf("got X-Content-Type-Options %q, want %q", got, want)
	}
	var got struct {
		Type, Title, Code string
		Status            int
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatalf("body %q: %v", w.Body, err)
	}
	if got.Type != "about:blank" || got.Title != http.StatusText(status) || got.Status != status || got.Code != code {
		t.Errorf("got problem %+v", got)
	}
	if after := w.Header().Get("Retry-After"); (after != "") != (status == http.StatusServiceUnavailable) {
		t.Errorf("got Retry-After %q with a %d", after, status)
	}
}

// look claims key and returns what it finds. It changes a record only if that is
// free.
func look(t *testing.T, s idempotency.Store, key idempotency.Key) (rec idempotency.Record, free bool) {
	t.Helper()
	rec, won, err := s.Claim(context.Background(), key, idempotency.Terms{
		Owner: idempotency.NewOwner(),
		Lease: idempotency.DefaultLease,
	})
	if err != nil {
		t.Fatal(err)
	}
	return rec, won
}

// checkState checks the state of a key's record; Released stands for one that is
// free.
func checkState(t *testing.T, s idempotency.Store, key idempotency.Key, want idempotency.State) {
	t.Helper()
	rec, free := look(t, s, key)
	if free {
		rec.State = idempotency.Released
	}
	if rec.State != want {
		t.Errorf("%v is %v, want %v", key, rec.State, want)
	}
}

// A faulty store fails where it is told to. Its hooks get the verb, "claim",
// "renew", "complete" or "release", and how often it was called, from 1.
type faulty struct {
	idempotency.Store
	before func(ctx context.Context, verb string, n int) error // an error: nothing was done
	after  func(ctx context.Context, verb string, n int) error // an error: the answer was lost

	mu    sync.Mutex
	verbs []string
}

func newFaulty() *faulty { return &faulty{Store: new(memstore.Store)} }

func (f *faulty) call(ctx context.Context, verb string, do func() error) error {
	f.mu.Lock()
	f.verbs = append(f.verbs, verb)
	f.mu.Unlock()
	n := f.count(verb)
	if f.before != nil {
		if err := f.before(ctx, verb, n); err != nil {
			return err
		}
	}
	if err := do(); err != nil {
		return err
	}
	if f.after != nil {
		return f.after(ctx, verb, n)
	}
	return nil
}

// count returns how often verb was called.
func (f *faulty) count(verb string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, v := range f.verbs {
		if v == verb {
			n++
		}
	}
	return n
}

func (f *faulty) calls() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.verbs)
}

func (f *faulty) Claim(ctx context.Context, key idempotency.Key, terms idempotency.Terms) (rec idempotency.Record, won bool, err error) {
	err = f.call(ctx, "claim", func() (err error) {
		rec, won, err = f.Store.Claim(ctx, key, terms)
		return err
	})
	return rec, won, err
}

func (f *faulty) Renew(ctx context.Context, c idempotency.Claim, lease time.Duration) error {
	return f.call(ctx, "renew", func() error { return f.Store.Renew(ctx, c, lease) })
}

func (f *faulty) Complete(ctx context.Context, c idempotency.Claim, r *idempotency.Result) error {
	return f.call(ctx, "complete", func() error { return f.Store.Complete(ctx, c, r) })
}

func (f *faulty) Release(ctx context.Context, c idempotency.Claim, failure idempotency.Failure) error {
	return f.call(ctx, "release", func() error { return f.Store.Release(ctx, c, failure) })
}

// A journal is an observer that remembers.
type journal struct {
	mu     sync.Mutex
	events []idempotency.Event
}

func (j *journal) observe(_ context.Context, e idempotency.Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.events = append(j.events, e)
}

func (j *journal) kinds() (kinds []idempotency.EventKind) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, e := range j.events {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}
