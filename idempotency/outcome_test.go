package idempotency_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
)

// The error of an outcome wraps its kind's sentinel, once, and what it was made of.
func TestOutcomeOf(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		kind idempotency.Kind
		err  error
		want []error // nil: no error
		text string
	}{
		{"completed", nil, nil, ""},
		{"ignored", nil, nil, ""},
		{"failed", errBoom, []error{errBoom}, "boom"},
		{"duplicate", nil, []error{idempotency.ErrDuplicate}, "idempotency: event already processed"},
		{"in_flight", nil, []error{idempotency.ErrInFlight}, "idempotency: event in flight"},
		{"mismatch", nil, []error{idempotency.ErrMismatch}, "idempotency: key used with other content"},
		{"dead", errBoom, []error{idempotency.ErrDead, errBoom}, "idempotency: event failed permanently: boom"},
		{"lease_lost", nil, []error{idempotency.ErrLeaseLost}, "idempotency: lease lost"},
		{"timeout", errBoom, []error{idempotency.ErrTimeout, errBoom}, "idempotency: work timed out: boom"},
		{"overloaded", nil, []error{idempotency.ErrOverloaded}, "idempotency: too many deliveries at once"},
		{"unavailable", fmt.Errorf("%w: claim: %w", idempotency.ErrUnavailable, errBoom),
			[]error{idempotency.ErrUnavailable, errBoom}, "idempotency: store unavailable: claim: boom"},
		{"invalid_key", idempotency.Key{}.Validate(), []error{idempotency.ErrInvalidKey}, "idempotency: invalid key: empty scope"},
	} {
		o := idempotency.OutcomeOf(tt.kind, tt.err)
		if o.Kind != tt.kind || (o.Err == nil) != (tt.want == nil) || o.AsError() != o.Err {
			t.Errorf("%s: got %+v", tt.kind, o)
		}
		for _, want := range tt.want {
			checkError(t, o.Err, want)
		}
		if o.Err != nil && o.Err.Error() != tt.text {
			t.Errorf("%s: got text %q, want %q", tt.kind, o.Err, tt.text)
		}
	}
}

// A typedError can be found by errors.As.
type typedError struct{ code int }

func (e *typedError) Error() string { return fmt.Sprint("code ", e.code) }

// An error of the work that wraps another runner's sentinel is not this runner's; all
// else that it says stays.
func TestOutcome_AsErrorHidesSentinels(t *testing.T) {
	t.Parallel()
	for _, sentinel := range []error{
		idempotency.ErrDuplicate, idempotency.ErrInFlight, idempotency.ErrMismatch, idempotency.ErrDead, idempotency.ErrInvalidKey,
		idempotency.ErrLeaseLost, idempotency.ErrUnavailable, idempotency.ErrTimeout, idempotency.ErrOverloaded,
	} {
		inner := fmt.Errorf("inner: %w: %w", sentinel, errors.Join(&typedError{7}, errBoom))
		err := idempotency.Outcome{Kind: idempotency.KindFailed, Err: idempotency.Permanent(idempotency.WithStatus(422, inner))}.AsError()
		if errors.Is(err, sentinel) {
			t.Errorf("%v is found in %v", sentinel, err)
		}
		if got, want := err.Error(), inner.Error(); got != want {
			t.Errorf("got text %q, want %q", got, want)
		}
		typed, ok := errors.AsType[*typedError](err)
		if !errors.Is(err, errBoom) || !ok || typed.code != 7 || !idempotency.IsPermanent(err) || idempotency.Status(err) != 422 {
			t.Errorf("%v: its tree was not kept", err)
		}
		if err := idempotency.OutcomeOf(idempotency.KindDead, err).Err; !errors.Is(err, idempotency.ErrDead) || errors.Is(err, sentinel) != (sentinel == idempotency.ErrDead) {
			t.Errorf("as the reason of a death: got %v", err)
		}
	}
}

func TestOutcome_AsErrorKeepsErrors(t *testing.T) {
	t.Parallel()
	for _, want := range []error{errBoom, idempotency.Permanent(errBoom), idempotency.ErrIgnored, context.Canceled} {
		if got := (idempotency.Outcome{Kind: idempotency.KindFailed, Err: want}).AsError(); got != want {
			t.Errorf("got %v, want %v itself", got, want)
		}
	}
	if err := (idempotency.Outcome{Kind: idempotency.KindCompleted}).AsError(); err != nil {
		t.Errorf("completed: got %v", err)
	}
}

// The status of each error, and a response of WriteError that has it.
func TestStatus(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err    error
		status int
		kind   idempotency.Kind // "" if hmacverify writes it
	}{
		{idempotency.ErrDuplicate, 409, "duplicate"},
		{idempotency.ErrInFlight, 503, "in_flight"},
		{idempotency.ErrMismatch, 422, "mismatch"},
		{idempotency.ErrDead, 409, "dead"},
		{idempotency.ErrInvalidKey, 400, "invalid_key"},
		{idempotency.ErrLeaseLost, 503, "lease_lost"},
		{idempotency.ErrUnavailable, 503, "unavailable"},
		{idempotency.ErrTimeout, 503, "timeout"},
		{idempotency.ErrOverloaded, 503, "overloaded"},
		{errBoom, 500, "failed"},
		{idempotency.WithStatus(404, errBoom), 404, "failed"},
		{idempotency.OutcomeOf("dead", idempotency.WithStatus(422, errBoom)).Err, 422, "dead"},
		{idempotency.OutcomeOf("lease_lost", idempotency.WithStatus(404, errBoom)).Err, 503, "lease_lost"},
		{hmacverify.ErrMissing, 401, ""},
		{hmacverify.ErrMalformed, 401, ""},
		{hmacverify.ErrTimestamp, 401, ""},
		{hmacverify.ErrMismatch, 401, ""},
		{hmacverify.ErrNoKey, 401, ""},
		{hmacverify.ErrMethod, 405, ""},
		{hmacverify.ErrBodyTooLarge, 413, ""},
		{hmacverify.ErrBodyUnreadable, 400, ""},
		{hmacverify.ErrBodyTimeout, 408, ""},
		{hmacverify.ErrOverloaded, 503, ""},
		{hmacverify.ErrConfig, 503, ""},
	} {
		for _, err := range []error{tt.err, fmt.Errorf("while: %w", tt.err)} {
			if got := idempotency.Status(err); got != tt.status {
				t.Errorf("%v: got %d, want %d", err, got, tt.status)
			}
			w := httptest.NewRecorder()
			idempotency.WriteError(w, err)
			if tt.kind != "" {
				checkProblem(t, w, tt.status, tt.kind)
			} else if w.Code != tt.status || w.Header().Get(idempotency.StatusHeader) != "" {
				t.Errorf("%v: got %d %v", err, w.Code, w.Header())
			}
		}
	}
	if got := idempotency.Status(nil); got != http.StatusOK {
		t.Errorf("nil: got %d, want 200", got)
	}
}

// An error of two sentinels has the response of the one after which the sender
// retries.
func TestStatus_SeveralSentinels(t *testing.T) {
	t.Parallel()
	for _, first := range []error{idempotency.ErrUnavailable, idempotency.ErrLeaseLost, idempotency.ErrInFlight, idempotency.ErrTimeout} {
		for _, second := range []error{idempotency.ErrDuplicate, idempotency.ErrDead, idempotency.ErrMismatch, idempotency.ErrInvalidKey} {
			if got := idempotency.Status(errors.Join(second, first)); got != 503 {
				t.Errorf("%v and %v: got %d, want 503", second, first, got)
			}
		}
	}
}

// Nothing of the error gets into the response.
func TestWriteError_HoldsNothing(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	idempotency.WriteError(w, fmt.Errorf("%w: password=hunter2", idempotency.ErrUnavailable))
	if got, want := w.Body.String(), `{"type":"about:blank","title":"Service Unavailable","status":503,"code":"unavailable"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := w.Header().Get("Retry-After"); got != "5" {
		t.Errorf("got Retry-After %q, want 5", got)
	}
}
