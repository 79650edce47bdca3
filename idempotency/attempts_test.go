package idempotency_test

import (
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
)

// Copies that arrive during a short outage do not make their event dead.
func TestEndpoint_BurstDuringOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newRigWith(t, lease.Options{MaxAttempts: 2})
		status := 500
		h := newEndpoint(t, g.runner, idempotency.Options{}).Wrap(
			http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(status) }))
		for range 8 {
			if w := deliver(h, "evt", ""); w.Code != 500 {
				t.Errorf("during the outage: got %d, want 500", w.Code)
			}
		}
		status = 201
		if w := deliver(h, "evt", ""); w.Code != 201 {
			t.Errorf("after the outage: got %d, want 201", w.Code)
		}
	})
}

// A 4xx is the handler's answer, and no failed attempt, however the handler says it.
func TestEndpoint_AnswerNotCounted(t *testing.T) {
	t.Parallel()
	g := newRigWith(t, lease.Options{MaxAttempts: 1})
	e := newEndpoint(t, g.runner, idempotency.Options{})
	for name, h := range map[string]http.Handler{
		"written":              e.Wrap(writing(402, "")),
		"written and returned": e.WrapFunc(func(w http.ResponseWriter, r *http.Request, _ lease.Claim) error { w.WriteHeader(402); return errBoom }),
		"returned": e.WrapFunc(func(http.ResponseWriter, *http.Request, lease.Claim) error {
			return idempotency.WithStatus(402, errBoom)
		}),
	} {
		for range 2 {
			if w := deliver(h, name, ""); w.Code != 402 {
				t.Errorf("%s: got %d, want 402", name, w.Code)
			}
		}
		if w := deliver(e.Wrap(writing(201, "")), name, ""); w.Code != 201 {
			t.Errorf("%s, then paid: got %d, want 201", name, w.Code)
		}
	}
}
