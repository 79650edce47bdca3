package idempotency_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
)

// The work's context ends after Timeout and not with the client, and keeps its
// values.
func TestEndpoint_Timeout(t *testing.T) {
	t.Parallel()
	type valueKey struct{}
	for _, tt := range []struct {
		name    string
		written int
		err     error
		status  int
		kind    idempotency.Kind // "" if the response is the handler's
		state   lease.State
	}{
		{"a handler that gives up in silence has failed", 0, nil, 503, "timeout", lease.Released},
		{"a handler that returns the context's error has failed", 0, context.DeadlineExceeded, 503, "timeout", lease.Released},
		{"a handler that wraps the context's error has failed", 0, fmt.Errorf("query: %w", context.Canceled), 503, "timeout", lease.Released},
		{"an error of another kind is no timeout", 0, errBoom, 500, "failed", lease.Released},
		{"a permanent failure is dead, late or not", 0, idempotency.Permanent(context.DeadlineExceeded), 200, "dead", lease.Dead},
		{"a handler's own response counts", 502, nil, 502, "", lease.Released},
		{"a handler that finishes nevertheless has finished", 200, nil, 200, "", lease.Done},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, g *rig) {
				start := time.Now()
				h := newEndpoint(t, g.runner, idempotency.Options{Timeout: time.Minute}).WrapFunc(func(w http.ResponseWriter, r *http.Request, _ lease.Claim) error {
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
					if tt.written != 0 {
						w.WriteHeader(tt.written)
					}
					return tt.err
				})
				r := newDelivery("evt", "")
				ctx, cancel := context.WithCancel(context.WithValue(r.Context(), valueKey{}, "kept"))
				cancel() // the client has disconnected
				w := serve(h, r.WithContext(ctx))
				if tt.status >= 400 && tt.kind != "" {
					checkProblem(t, w, tt.status, tt.kind)
				} else {
					checkEmpty(t, w, tt.status, tt.kind)
				}
				checkState(t, g.store, evt, tt.state)
			})
		})
	}
}

// A func's own deadline is a failure like any other: the endpoint's has not passed.
func TestEndpoint_InnerDeadline(t *testing.T) {
	bubble(t, func(t *testing.T, g *rig) {
		h := newEndpoint(t, g.runner, idempotency.Options{}).Handle(func(ctx context.Context, _ lease.Claim, _ *hmacverify.Delivery) error {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			<-ctx.Done()
			return ctx.Err()
		})
		checkProblem(t, deliver(h, "evt", ""), 500, "failed")
	})
}

func TestEndpoint_TimeoutOfFunc(t *testing.T) {
	bubble(t, func(t *testing.T, g *rig) {
		h := newEndpoint(t, g.runner, idempotency.Options{Timeout: time.Minute}).Handle(func(ctx context.Context, _ lease.Claim, _ *hmacverify.Delivery) error {
			<-ctx.Done()
			return fmt.Errorf("query: %w", ctx.Err())
		})
		checkProblem(t, deliver(h, "evt", ""), 503, "timeout")
		checkKinds(t, g, "claimed", "timeout")
		checkError(t, g.lastError(t), idempotency.ErrTimeout)
		checkError(t, g.lastError(t), context.DeadlineExceeded)
	})
}

func TestEndpoint_DefaultTimeout(t *testing.T) {
	bubble(t, func(t *testing.T, g *rig) {
		h := newEndpoint(t, g.runner, idempotency.Options{}).Handle(func(ctx context.Context, _ lease.Claim, _ *hmacverify.Delivery) error {
			if d, _ := ctx.Deadline(); time.Until(d) != idempotency.DefaultTimeout {
				t.Errorf("the work has %v, want %v", time.Until(d), idempotency.DefaultTimeout)
			}
			return nil
		})
		checkEmpty(t, deliver(h, "evt", ""), 200, "")
	})
}

// A lease that is lost ends the context too, and is not taken for a timeout.
func TestEndpoint_LeaseLostIsNoTimeout(t *testing.T) {
	bubble(t, func(t *testing.T, g *rig) {
		g.failingAfterClaim(idempotency.ErrLeaseLost)
		h := newEndpoint(t, g.runner, idempotency.Options{}).Handle(func(ctx context.Context, _ lease.Claim, _ *hmacverify.Delivery) error {
			<-ctx.Done()
			return ctx.Err()
		})
		checkProblem(t, deliver(h, "evt", ""), 503, "lease_lost")
		if err := g.lastError(t); errors.Is(err, idempotency.ErrTimeout) {
			t.Errorf("got %v, want no timeout", err)
		}
	})
}

// A handler that only polls its context sees the timeout as well.
func TestEndpoint_TimeoutPolled(t *testing.T) {
	bubble(t, func(t *testing.T, g *rig) {
		deliver(newEndpoint(t, g.runner, idempotency.Options{Timeout: time.Minute}).Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Minute - time.Nanosecond)
			checkError(t, r.Context().Err(), nil)
			time.Sleep(time.Nanosecond)
			synctest.Wait()
			checkError(t, r.Context().Err(), context.DeadlineExceeded)
			checkError(t, context.Cause(r.Context()), context.DeadlineExceeded)
		})), "evt", "")
	})
}

// What a handler leaves running can see that the handler has returned.
func TestEndpoint_ContextAfterReturn(t *testing.T) {
	t.Parallel()
	for _, waitedBefore := range []bool{false, true} {
		var ctx context.Context
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx = r.Context()
			if err := ctx.Err(); err != nil {
				t.Errorf("in the handler: %v", err)
			}
			if waitedBefore {
				ctx.Done()
			}
		})
		for name, wrapped := range map[string]http.Handler{
			"lease":   newEndpoint(t, newRig(t).runner, idempotency.Options{}).Wrap(h),
			"another": newEndpoint(t, impatient(1, func() {}), idempotency.Options{}).Wrap(h),
		} {
			deliver(wrapped, fmt.Sprint(waitedBefore), "")
			if err := ctx.Err(); err != context.Canceled {
				t.Errorf("%s runner, after the handler: got %v, want Canceled", name, err)
			}
			select {
			case <-ctx.Done():
			default:
				t.Errorf("%s runner: the context is not done", name)
			}
		}
	}
}

// The work gets its claim as an argument, and a wrapped handler from its context.
func TestEndpoint_Claim(t *testing.T) {
	t.Parallel()
	var got []lease.Claim
	h := newEndpoint(t, newRig(t).runner, idempotency.Options{}).WrapFunc(func(w http.ResponseWriter, r *http.Request, c lease.Claim) error {
		if from, ok := lease.FromContext(r.Context()); !ok || from != c || c.Owner == (lease.Owner{}) {
			t.Errorf("got %+v, %t in the context, and the argument %+v", from, ok, c)
		}
		c.Owner = lease.Owner{} // random
		got = append(got, c)
		return errBoom
	})
	deliver(h, "evt", "")
	deliver(h, "evt", "")
	want := []lease.Claim{{Key: evt, Attempt: 1, Token: 1}, {Key: evt, Attempt: 2, Token: 2}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got[0].Key.Downstream() != got[1].Key.Downstream() {
		t.Error("the downstream key differs between attempts")
	}
}
