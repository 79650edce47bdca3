package idempotency_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
)

// A handler that hangs holds its request, but not its event: the renewals stop, another
// delivery takes over, and what the first one does late changes nothing.
func TestEndpoint_HangingHandler(t *testing.T) {
	bubble(t, func(t *testing.T, g *rig) {
		calls := 0
		hangs := make(chan struct{})
		h := newEndpoint(t, g.runner, idempotency.Options{Timeout: time.Minute, Wait: 5 * time.Second, Sender: conflicting}).Wrap(
			http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				if calls++; calls == 1 {
					<-hangs
				}
			}))
		first := make(chan int)
		go func() { first <- deliver(h, "evt", "").Code }()
		time.Sleep(58 * time.Second)
		start := time.Now()
		checkProblem(t, deliver(h, "evt", ""), 503, "in_flight")
		if got := time.Since(start); got != 4*time.Second {
			t.Errorf("a follower waited for %v, want 4s: until the deadline and 2s", got)
		}
		synctest.Wait()
		checkKinds(t, g, "claimed", "timeout", "in_flight")
		if w := deliver(h, "evt", ""); w.Code != 503 {
			t.Errorf("while the lease lasts: got %d, want 503", w.Code)
		}
		time.Sleep(lease.DefaultLease)
		if w := deliver(h, "evt", ""); w.Code != 200 {
			t.Errorf("after the lease: got %d, want 200", w.Code)
		}
		close(hangs)
		if got := <-first; got != 503 {
			t.Errorf("the hanging one got %d, want 503", got)
		}
		checkKinds(t, g, "claimed", "timeout", "in_flight", "in_flight", "stolen", "claimed", "completed")
		checkState(t, g.store, evt, lease.Done)
	})
}

// A handler that returns late, before another has taken over, has done its work. Its
// sender was told to retry, and gets the answer to a duplicate then.
func TestEndpoint_LateHandler(t *testing.T) {
	bubble(t, func(t *testing.T, g *rig) {
		h := newEndpoint(t, g.runner, idempotency.Options{Timeout: time.Minute, Sender: conflicting}).Wrap(
			http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				time.Sleep(65 * time.Second)
				w.Header().Set("Late", "yes")
				w.WriteHeader(http.StatusAccepted)
			}))
		w := deliver(h, "evt", "")
		if w.Code != 503 || w.Header().Get(idempotency.StatusHeader) != "timeout" || w.Header().Get("Late") != "" {
			t.Errorf("got %d with %v, want a 503 without the handler's headers", w.Code, w.Header())
		}
		checkKinds(t, g, "claimed", "timeout", "completed")
		checkState(t, g.store, evt, lease.Done)
		checkProblem(t, deliver(h, "evt", ""), 409, "duplicate")
	})
}

// The sender has the whole answer while the handler still hangs, whoever writes it.
func TestEndpoint_HangingHandlerIsAnsweredFor(t *testing.T) {
	t.Parallel()
	const custom = "a body of our own"
	handlers := map[string]func(e *idempotency.Endpoint[lease.Claim], hang func()) http.Handler{
		"Handle": func(e *idempotency.Endpoint[lease.Claim], hang func()) http.Handler {
			return e.Handle(func(context.Context, lease.Claim, *hmacverify.Delivery) error { hang(); return nil })
		},
		"Wrap": func(e *idempotency.Endpoint[lease.Claim], hang func()) http.Handler {
			return e.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				io.WriteString(w, "half of a response")
				hang()
				w.Header().Set("Late", "yes") // while the answer is written, or after
				io.WriteString(w, "the other half")
			}))
		},
	}
	writers := map[string]func(http.ResponseWriter, *http.Request, error){
		"problem": nil,
		"ErrorHandler": func(w http.ResponseWriter, r *http.Request, err error) {
			w.Header().Set("Content-Length", "1") // which is wrong
			w.WriteHeader(idempotency.Status(err))
			io.WriteString(w, custom)
		},
	}
	for name, handler := range handlers {
		for by, errorHandler := range writers {
			for _, version := range []int{1, 2} {
				t.Run(fmt.Sprintf("%s, %s, HTTP/%d", name, by, version), func(t *testing.T) {
					t.Parallel()
					g := newRig(t)
					hangs := make(chan struct{})
					e := newEndpoint(t, g.runner, idempotency.Options{Timeout: 10 * time.Millisecond, ErrorHandler: errorHandler})
					inside := handler(e, func() { <-hangs })
					server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						w.Header().Set("Outer", "kept")
						inside.ServeHTTP(w, r)
					}))
					server.EnableHTTP2 = version == 2
					server.StartTLS()
					defer server.Close()
					defer sync.OnceFunc(func() { close(hangs) })()

					resp := post(t, server, "evt")
					defer resp.Body.Close()
					body := make([]byte, resp.ContentLength)
					if _, err := io.ReadFull(resp.Body, body); err != nil {
						t.Errorf("reading the body: %v", err)
					}
					if by == "ErrorHandler" && string(body) != custom || by == "problem" && !strings.Contains(string(body), "timeout") {
						t.Errorf("the body is %q", body)
					}
					got := []any{resp.StatusCode, resp.ProtoMajor, resp.Close, resp.Header.Get("Outer"), resp.Header.Get("Late")}
					if diff := cmp.Diff([]any{503, version, version == 1, "kept", ""}, got); diff != "" {
						t.Errorf("status, version, closes, headers (-want +got):\n%s", diff)
					}
					if version == 1 {
						if rest, err := io.ReadAll(resp.Body); len(rest) > 0 || err != nil {
							t.Errorf("after the body: %q, %v", rest, err)
						}
					}
				})
			}
		}
	}
}

// post delivers an event over the network.
func post(t *testing.T, server *httptest.Server, id string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Event-Id", id)
	resp, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

// An observer that panics does not take the process with it.
func TestEndpoint_HangingHandlerObserverPanics(t *testing.T) {
	bubble(t, func(t *testing.T, g *rig) {
		r := panicking{g.runner}
		h := newEndpoint(t, r, idempotency.Options{Timeout: time.Second}).Wrap(sleeping(time.Minute))
		defer func() {
			if diff := cmp.Diff("observer", recover()); diff != "" {
				t.Errorf("panicked with (-want +got):\n%s", diff)
			}
		}()
		deliver(h, "evt", "")
	})
}

// A panicking runner's observer panics at a timeout.
type panicking struct{ *lease.Runner }

func (p panicking) Observe(_ context.Context, e idempotency.Event) {
	if e.Kind == idempotency.KindTimeout && errors.Is(e.Err, idempotency.ErrTimeout) {
		panic("observer")
	}
}
