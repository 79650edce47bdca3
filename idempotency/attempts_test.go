package idempotency_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/memstore"
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

// Work that is early is neither a failed attempt nor a failure in the log, and the sender is
// told when to try again, also by those who respond by themselves.
func TestEndpoint_RetryIn(t *testing.T) {
	early := fmt.Errorf("work: %w", idempotency.RetryIn(20*time.Second, errBoom))
	var log bytes.Buffer
	defer slog.SetDefault(slog.Default())
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	var kinds []idempotency.Kind
	runner, err := lease.New(new(memstore.Store), &lease.Options{MaxAttempts: 1, Observe: func(ctx context.Context, e idempotency.Event) {
		idempotency.LogFailures(ctx, e)
		if e.Kind != idempotency.KindClaimed {
			kinds = append(kinds, e.Kind)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	e := newEndpoint(t, runner, idempotency.Options{})
	h := e.WrapFunc(func(http.ResponseWriter, *http.Request, lease.Claim) error { return early })
	for range 2 {
		w := deliver(h, "evt", "")
		checkProblem(t, w, 503, idempotency.KindPostponed)
		if got := w.Header().Get("Retry-After"); got != "20" {
			t.Errorf("got Retry-After %q, want 20", got)
		}
	}
	if want := []idempotency.Kind{"postponed", "postponed"}; !slices.Equal(kinds, want) || log.Len() > 0 {
		t.Errorf("observed %v, want %v; logged %q", kinds, want, &log)
	}
	if w := deliver(e.Wrap(writing(201, "")), "evt", ""); w.Code != 201 {
		t.Errorf("in time: got %d, want 201", w.Code)
	}
	o := idempotency.Outcome{Kind: idempotency.KindFailed, Err: early}
	if err := o.AsError(); idempotency.Status(err) != 503 || !errors.Is(err, errBoom) {
		t.Errorf("the error of RunTx is %v, with the status %d, want 503", err, idempotency.Status(err))
	}
	if err := idempotency.RetryIn(time.Second, nil); err.Error() == "" || !idempotency.IsAnswer(err) {
		t.Errorf("without a reason: %v", err)
	}
}
