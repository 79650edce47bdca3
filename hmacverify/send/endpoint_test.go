package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/hmacverify/sample"
)

// Every preset is accepted by its own receiver, and refused if it is altered, stale
// or signed with another secret.
func TestSend_EveryScheme(t *testing.T) {
	t.Parallel()
	for _, s := range preset.All() {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			if len(s.Signature) == 0 {
				status, _, errs := send(t, "-scheme", s.Name, "-secret", "x")
				if status != exitUsage || !strings.Contains(errs, "in the body") {
					t.Errorf("exit status %d, %q; want an error about the signature in the body", status, errs)
				}
				return
			}
			checkScheme(t, s)
		})
	}
}

func checkScheme(t *testing.T, s hmacverify.Scheme) {
	secret := sample.Secret(s)
	e := newEndpoint(t, s, sample.Public(secret))
	args := []string{"-scheme", s.Name, "-secret", secret, "-type", "thing.made"}

	r := sendJSON(t, append(args, "-url", e.url, "-id", "evt_1")...)
	if diff := cmp.Diff([]group{{Status: 200, Count: 1}}, r.Answers); diff != "" {
		t.Errorf("answers (-want +got)\n%s", diff)
	}
	if s.Identity == hmacverify.SignedID && r.Response.Body[:5] != "evt_1" {
		t.Errorf("the receiver's key is %q, want evt_1", r.Response.Body)
	}
	if s.Type != (hmacverify.Field{}) && !strings.HasSuffix(r.Response.Body, "thing.made") {
		t.Errorf("the receiver's type is at the end of %q, want thing.made", r.Response.Body)
	}
	e.refused(t, hmacverify.ErrMismatch, append(args, "-alter")...)
	e.refused(t, hmacverify.ErrMismatch, append(args, "-wrong-secret")...)
	if tolerance(s) > 0 {
		e.refused(t, hmacverify.ErrTimestamp, append(args, "-stale")...)
	} else if status, _, errs := send(t, append(args, "-stale")...); status != exitUsage {
		t.Errorf("-stale: exit status %d, %q; want %d", status, errs, exitUsage)
	}
}

// An endpoint is a receiver of a scheme that answers with the event's key.
type endpoint struct {
	url  string
	last atomic.Pointer[error] // why the latest was refused
}

func newEndpoint(t *testing.T, s hmacverify.Scheme, secret string) *endpoint {
	t.Helper()
	e := &endpoint{}
	mux := http.NewServeMux()
	e.url = serve(t, mux)
	options := &hmacverify.Options{URL: e.url, ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
		e.last.Store(&err)
		hmacverify.WriteError(w, err)
	}}
	verifier, err := hmacverify.New(s, options, secret)
	if err != nil {
		t.Fatal(err)
	}
	mux.Handle("/", verifier.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d, _ := hmacverify.FromContext(r.Context())
		id, err := d.IdempotencyID()
		fmt.Fprint(w, id, err, d.EventType())
	})))
	return e
}

// refused checks that what the flags make the command send is answered 401,
// because of want.
func (e *endpoint) refused(t *testing.T, want error, args ...string) {
	t.Helper()
	r := sendJSON(t, append(args, "-url", e.url)...)
	if diff := cmp.Diff([]group{{Status: 401, Code: "invalid_signature", Count: 1}}, r.Answers); diff != "" {
		t.Errorf("answers to %v (-want +got)\n%s", args, diff)
	}
	if got := *e.last.Load(); !strings.Contains(got.Error(), want.Error()) {
		t.Errorf("%v was refused because %v, want %v", args, got, want)
	}
}
