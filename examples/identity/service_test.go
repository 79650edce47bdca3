package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stripe/stripe-go/v85/webhook"

	"github.com/hookonce/hookonce/examples/internal/hooktest"
	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/hmacverify/sample"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/inbox"
	"github.com/hookonce/hookonce/sessionstep"
	"github.com/hookonce/hookonce/sessionstep/idv"
	"github.com/hookonce/hookonce/sessionstep/sqlstep"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// shapes say what to replace in the payload of each vendor: what tells it from others,
// and for each result the words in pairs.
var shapes = map[string]struct {
	id                               string
	verified, rejected, review, news []string
}{
	"checkr": {"5b0000000000000000000001", nil,
		[]string{`"clear"`, `"consider"`, "report.completed", "report.post_adverse_action"}, []string{`"clear"`, `"consider"`}, []string{"report.completed", "report.created"}},
	"didit": {"11111111-2222-4333-8444-000000000006", nil,
		[]string{`"Approved"`, `"Declined"`}, []string{`"Approved"`, `"In Review"`}, []string{`"Approved"`, `"In Progress"`}},
	"idenfy": {"11111111-2222-4333-8444-000000000009", nil,
		[]string{"APPROVED", "DENIED"}, []string{"APPROVED", "SUSPECTED"}, []string{`"final": true`, `"final": false`}},
	"onfido": {"11111111-2222-4333-8444-000000000001", nil,
		[]string{`"approved"`, `"declined"`}, []string{`"approved"`, `"review"`}, []string{"workflow_run.completed", "check.started"}},
	"persona": {"evt_persona0001", nil,
		[]string{"inquiry.approved", "inquiry.declined"}, []string{"inquiry.approved", "inquiry.completed"}, []string{"inquiry.approved", "inquiry.started"}},
	"stripe-identity": {"evt_1stripe0001", nil,
		nil, []string{"session.verified", "session.requires_input"}, []string{"session.verified", "session.processing"}},
	"sumsub": {"req-11111111-2222-4333-8444-000000000005", []string{`"RED"`, `"GREEN"`, `"FINAL"`, `null`},
		[]string{`"RED"`, `"RED"`}, []string{"FINAL", "RETRY"}, []string{"applicantReviewed", "applicantPending"}},
	"veriff": {"11111111-2222-4333-8444-000000000003", nil,
		[]string{`"approved"`, `"declined"`}, []string{`"approved"`, `"resubmission_requested"`}, []string{`"status": "success"`, `"action": "submitted"`}},
}

// event returns a vendor's payload about a session, with an ID of its own.
func event(t testing.TB, vendor, id, session string, replace []string) []byte {
	t.Helper()
	body, err := os.ReadFile("../../sessionstep/idv/testdata/" + vendor + ".json")
	if err != nil {
		t.Fatal(err)
	}
	replace = append([]string{shapes[vendor].id, id, "sess_1", session}, replace...)
	for i := 0; i < len(replace); i += 2 {
		if !bytes.Contains(body, []byte(replace[i])) {
			t.Fatalf("%s.json has no %s", vendor, replace[i])
		}
		body = bytes.ReplaceAll(body, []byte(replace[i]), []byte(replace[i+1]))
	}
	return body
}

// A service delivers to a server of the test's.
type service struct {
	*server
	vendor string
	scheme hmacverify.Scheme
	secret string
	url    string
	later  bool
	sent   []string // the IDs of events that were accepted
}

// eachService runs f for each vendor, on each database, inline and by the inbox.
func eachService(t *testing.T, f func(t *testing.T, s *service)) {
	t.Helper()
	databases := map[string]func(t *testing.T) (*sql.DB, sqlstore.Dialect){
		"PostgreSQL": func(t *testing.T) (*sql.DB, sqlstore.Dialect) {
			db, err := sql.Open("pgx", hooktest.NewPostgreSQL(t))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { db.Close() })
			return db, sqlstore.PostgreSQL
		},
		"SQLite": func(t *testing.T) (*sql.DB, sqlstore.Dialect) { return hooktest.NewSQLite(t), sqlstore.SQLite },
	}
	for name, open := range databases {
		for way, later := range map[string]bool{"inline": false, "inbox": true} {
			t.Run(name+" "+way, func(t *testing.T) {
				t.Parallel()
				db, dialect := open(t)
				for _, s := range newServices(t, db, dialect, later) {
					t.Run(s.vendor, func(t *testing.T) { f(t, s) })
				}
			})
		}
	}
}

// newServices starts a server that takes all vendors.
func newServices(t *testing.T, db *sql.DB, dialect sqlstore.Dialect, later bool) []*service {
	t.Helper()
	s, err := newServer(t.Context(), db, dialect, &inbox.Options{
		Backoff: func(int) time.Duration { return 50 * time.Millisecond }, MaxAttempts: 1000,
	})
	if err != nil {
		t.Fatal(err)
	}
	var services []*service
	web := httptest.NewServer(s.mux)
	t.Cleanup(web.Close)
	for _, vendor := range idv.All() {
		scheme, _ := preset.ByName(vendor.Name)
		secret := sample.Secret(scheme)
		if err := s.add(vendor, secret, later); err != nil {
			t.Fatal(err)
		}
		services = append(services, &service{s, vendor.Name, scheme, secret, web.URL + "/webhooks/" + vendor.Name, later, nil})
	}
	if later {
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.box.Run(ctx, 2) }()
		t.Cleanup(func() {
			stop()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
	return services
}

// send delivers a body as the vendor does, and returns the status of the response.
// Stripe's is signed by Stripe's own package, which is the only one that can sign.
func (s *service) send(t *testing.T, secret string, body []byte) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if s.vendor == "stripe-identity" {
		r.Header.Set("Stripe-Signature", webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{Payload: body, Secret: secret}).Header)
	} else {
		signer, err := hmacverify.NewSigner(s.scheme, nil, secret)
		if err != nil {
			t.Fatal(err)
		}
		if err := signer.Sign(r.Header, body); err != nil {
			t.Fatal(err)
		}
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Error(err)
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}

// deliver sends a body and checks that the vendor takes the response for success.
func (s *service) deliver(t *testing.T, body []byte) {
	t.Helper()
	if got := s.send(t, s.secret, body); !s.succeeds(got) {
		t.Errorf("%s: responded %d, which it takes for a failure", s.vendor, got)
	}
	s.sent = append(s.sent, s.delivery(t, body).ID)
}

// delivery returns what the endpoint has verified, with the event's identity as its ID.
func (s *service) delivery(t *testing.T, body []byte) hmacverify.Delivery {
	t.Helper()
	verifier, err := hmacverify.New(s.scheme, nil, s.secret)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := hmacverify.NewSigner(s.scheme, nil, s.secret)
	if err != nil {
		t.Fatal(err)
	}
	header := http.Header{}
	if err := signer.Sign(header, body); err != nil {
		t.Fatal(err)
	}
	d, err := verifier.Verify(header, body)
	if err != nil {
		t.Fatal(err)
	}
	if d.ID, err = d.IdempotencyID(); err != nil {
		t.Fatal(err)
	}
	return d
}

func (s *service) succeeds(status int) bool {
	if len(s.scheme.Sender.Success) == 0 {
		return status/100 == 2
	}
	return slices.Contains(s.scheme.Sender.Success, status)
}

// newSession creates a session and returns its ID.
func (s *service) newSession(t *testing.T, name string, state sqlstep.SessionState) string {
	t.Helper()
	id := s.vendor + " " + name
	err := s.sessions.Create(t.Context(), sqlstep.Session{ID: id, State: state, Steps: []sqlstep.Step{
		{Name: sessionstep.DefaultStep, State: sqlstep.StepInProgress, Required: true},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// A standing is what is wanted of a session.
type standing struct {
	session     sqlstep.SessionState
	step        sqlstep.StepState
	review      bool
	submissions int
}

// want checks how the session stands. By the inbox it may take a while; what must not
// change is looked at again.
func (s *service) want(t *testing.T, session string, want standing) sqlstep.Session {
	t.Helper()
	var got sqlstep.Session
	look := func() standing {
		var err error
		if got, err = s.sessions.Session(t.Context(), session); err != nil {
			t.Fatal(err)
		}
		step := got.Steps[0]
		return standing{got.State, step.State, step.NeedsReview, len(step.Submissions)}
	}
	if s.later {
		s.drain(t)
	}
	if stands := look(); stands != want {
		t.Errorf("%s: session %q stands %+v, want %+v", s.vendor, session, stands, want)
	}
	return got
}

// drain waits until the inbox has done what it has accepted of the vendor's.
func (s *service) drain(t *testing.T) {
	t.Helper()
	for _, id := range s.sent {
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			status, err := s.box.Lookup(t.Context(), idempotency.Key{Scope: s.vendor, ID: id})
			if errors.Is(err, idempotency.ErrNotFound) {
				break // done
			}
			if err != nil || status.State == inbox.Dead || time.Now().After(end) {
				t.Fatalf("%s: event %q is %v in the inbox: %v", s.vendor, id, status.State, err)
			}
		}
	}
	s.sent = nil
}
