package idempotency_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
)

// ErrorHandler writes every response but that of a processed event and those of a
// wrapped handler. It gets the sentinel of the kind, and no other.
func TestEndpoint_ErrorHandler(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		outcome idempotency.Outcome
		want    error // nil: not called
	}{
		{"completed", idempotency.Outcome{Kind: idempotency.KindCompleted}, nil},
		{"duplicate", idempotency.OutcomeOf(idempotency.KindDuplicate, nil), idempotency.ErrDuplicate},
		{"dead", idempotency.OutcomeOf(idempotency.KindDead, errBoom), idempotency.ErrDead},
		{"in flight", idempotency.OutcomeOf(idempotency.KindInFlight, nil), idempotency.ErrInFlight},
		{"unavailable", idempotency.OutcomeOf(idempotency.KindUnavailable, errBoom), idempotency.ErrUnavailable},
		{"failed", idempotency.OutcomeOf(idempotency.KindFailed, errBoom), errBoom},
		{"failed with a nested duplicate", idempotency.OutcomeOf(idempotency.KindFailed, errors.Join(errBoom, idempotency.ErrDuplicate)), errBoom},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got error
			h := newEndpoint(t, saying(tt.outcome), idempotency.Options{ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
				got = err
				w.WriteHeader(418)
			}}).Handle(func(context.Context, int, *hmacverify.Delivery) error { return nil })
			status := 418
			if tt.want == nil {
				status = 200
			}
			checkEmpty(t, deliver(h, "evt", ""), status, "")
			checkError(t, got, tt.want)
			if tt.want == errBoom && errors.Is(got, idempotency.ErrDuplicate) {
				t.Errorf("the work's error %v is taken for a duplicate", got)
			}
		})
	}
	t.Run("a wrapped handler's own failure", func(t *testing.T) {
		t.Parallel()
		h := newEndpoint(t, newRig(t).runner, idempotency.Options{ErrorHandler: func(http.ResponseWriter, *http.Request, error) {
			t.Error("ErrorHandler was called")
		}}).Wrap(writing(404, ""))
		checkEmpty(t, deliver(h, "evt", ""), 404, "")
	})
	t.Run("an unverified request that is refused", func(t *testing.T) {
		t.Parallel()
		h := newEndpoint(t, newRig(t).runner, idempotency.Options{MaxBody: 1, ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			checkError(t, err, hmacverify.ErrBodyTooLarge)
			idempotency.WriteError(w, err)
		}}).Wrap(noop)
		if w := deliver(h, "evt", "12"); w.Code != 413 {
			t.Errorf("got %d, want 413", w.Code)
		}
	})
}
