package lease_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
)

func TestReason(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, want string }{
		{"as it is", "boom", "boom"},
		{"no NUL", "a\x00b", "a\uFFFDb"},
		{"valid UTF-8", "a\xffb", "a\uFFFDb"},
		{"cut", strings.Repeat("x", 600), strings.Repeat("x", lease.MaxReasonBytes)},
		{"cut between runes", "x" + strings.Repeat("€", 200), "x" + strings.Repeat("€", 170)},
	} {
		if got := lease.Reason(errors.New(tt.text)); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestState_String(t *testing.T) {
	t.Parallel()
	for state, want := range map[lease.State]string{
		0: "unknown", lease.Claimed: "claimed", lease.Done: "done", lease.Released: "released", lease.Dead: "dead", 5: "unknown",
	} {
		if got := state.String(); got != want {
			t.Errorf("%d: got %q, want %q", state, got, want)
		}
	}
}

// The content is compared first, whatever the state.
func TestRecord_Refuse(t *testing.T) {
	t.Parallel()
	ours, theirs := idempotency.FingerprintOf([]byte("ours")), idempotency.FingerprintOf([]byte("theirs"))
	result := &idempotency.Result{Status: 200}
	for _, tt := range []struct {
		name string
		rec  lease.Record
		want idempotency.Outcome
	}{
		{"done", lease.Record{State: lease.Done, Result: result}, idempotency.Outcome{Kind: "duplicate", Result: result, Err: idempotency.ErrDuplicate}},
		{"claimed", lease.Record{State: lease.Claimed, LeaseLeft: time.Second}, idempotency.Outcome{Kind: "in_flight", RetryAfter: time.Second, Err: idempotency.ErrInFlight}},
		{"claimed, and expired since", lease.Record{State: lease.Claimed, LeaseLeft: -time.Second}, idempotency.Outcome{Kind: "in_flight", Err: idempotency.ErrInFlight}},
		{"released", lease.Record{State: lease.Released}, idempotency.Outcome{Kind: "in_flight", Err: idempotency.ErrInFlight}},
		{"dead", lease.Record{State: lease.Dead, Result: result}, idempotency.Outcome{Kind: "dead", Err: idempotency.ErrDead}},
		{"done with other content", lease.Record{State: lease.Done, Result: result, Fingerprint: theirs}, idempotency.Outcome{Kind: "mismatch", Err: idempotency.ErrMismatch}},
		{"dead with other content", lease.Record{State: lease.Dead, Fingerprint: theirs}, idempotency.Outcome{Kind: "mismatch", Err: idempotency.ErrMismatch}},
		{"released with other content", lease.Record{State: lease.Released, Fingerprint: theirs}, idempotency.Outcome{Kind: "mismatch", Err: idempotency.ErrMismatch}},
	} {
		tt.rec.Attempts, tt.want.Attempt = 3, 3
		if diff := cmp.Diff(tt.want, tt.rec.Refuse(ours), cmp.Comparer(func(a, b error) bool { return a == b })); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestNewOwner(t *testing.T) {
	t.Parallel()
	seen := make(map[lease.Owner]bool)
	for range 1000 {
		o := lease.NewOwner()
		if o == (lease.Owner{}) || seen[o] {
			t.Fatalf("got %x twice, or zero", o)
		}
		seen[o] = true
	}
}
