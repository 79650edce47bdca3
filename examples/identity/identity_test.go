package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
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

var (
	untouched = standing{sqlstep.SessionPending, sqlstep.StepInProgress, false, 0}
	approved  = standing{sqlstep.SessionApproved, sqlstep.StepCompleted, false, 1}
	inReview  = standing{sqlstep.SessionPending, sqlstep.StepInProgress, true, 1}
	failed    = standing{sqlstep.SessionPending, sqlstep.StepFailed, false, 1}
)

func TestService_ResultOnce(t *testing.T) {
	t.Parallel()
	eachService(t, func(t *testing.T, s *service) {
		shape := shapes[s.vendor]
		session := s.newSession(t, "verified", "")
		body := event(t, s.vendor, "verified", session, shape.verified)
		s.deliver(t, body)
		got := s.want(t, session, approved)
		s.deliver(t, body) // a retry
		s.want(t, session, approved)
		if len(got.Steps[0].Submissions) > 0 {
			checkSubmission(t, s.vendor, got.Steps[0].Submissions[0])
		}

		session = s.newSession(t, "review", "")
		s.deliver(t, event(t, s.vendor, "review", session, shape.review))
		s.want(t, session, inReview)

		if shape.rejected != nil {
			session = s.newSession(t, "rejected", "")
			s.deliver(t, event(t, s.vendor, "rejected", session, shape.rejected))
			s.want(t, session, failed)
		}
	})
}

func checkSubmission(t *testing.T, vendor string, s sqlstep.Submission) {
	t.Helper()
	var details struct{ Vendor string }
	if err := json.Unmarshal(s.Details, &details); err != nil || details.Vendor != vendor || !strings.HasPrefix(s.Key, vendor+":") {
		t.Errorf("submission %q with details %s: want both of %s", s.Key, s.Details, vendor)
	}
}

func TestService_CopiesAtOnce(t *testing.T) {
	t.Parallel()
	eachService(t, func(t *testing.T, s *service) {
		session := s.newSession(t, "copies", "")
		body := event(t, s.vendor, "copies", session, shapes[s.vendor].verified)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if got := s.send(t, s.secret, body); !s.succeeds(got) && got != http.StatusServiceUnavailable {
					t.Errorf("%s: responded %d", s.vendor, got)
				}
			})
		}
		wg.Wait()
		s.deliver(t, body) // a retry
		s.want(t, session, approved)
	})
}

// What comes after the decision undoes nothing, and the vendor is told that it arrived.
func TestService_OutOfOrder(t *testing.T) {
	t.Parallel()
	eachService(t, func(t *testing.T, s *service) {
		shape := shapes[s.vendor]
		session := s.newSession(t, "order", "")
		s.deliver(t, event(t, s.vendor, "order 2", session, shape.verified))
		s.want(t, session, approved)
		for i, stale := range [][]string{shape.review, shape.news, shape.rejected} {
			if stale != nil {
				s.deliver(t, event(t, s.vendor, fmt.Sprint("order stale ", i), session, stale))
				s.want(t, session, approved)
			}
		}
		if shape.rejected != nil {
			session = s.newSession(t, "order rejected", "")
			s.deliver(t, event(t, s.vendor, "order rejected", session, shape.rejected))
			s.want(t, session, failed)
			s.deliver(t, event(t, s.vendor, "order stale", session, shape.review))
			s.want(t, session, failed)
		}
	})
}

func TestService_SeveralAttempts(t *testing.T) {
	t.Parallel()
	eachService(t, func(t *testing.T, s *service) {
		shape := shapes[s.vendor]
		session := s.newSession(t, "attempts", "")
		s.deliver(t, event(t, s.vendor, "attempt 1", session, shape.review))
		s.want(t, session, inReview)
		s.deliver(t, event(t, s.vendor, "attempt 2", session, shape.verified))
		two := approved
		two.submissions = 2
		s.want(t, session, two)
	})
}

func TestService_News(t *testing.T) {
	t.Parallel()
	eachService(t, func(t *testing.T, s *service) {
		session := s.newSession(t, "news", "")
		body := event(t, s.vendor, "news", session, shapes[s.vendor].news)
		s.deliver(t, body)
		s.deliver(t, body)
		s.want(t, session, untouched)
	})
}

func TestService_CancelledSession(t *testing.T) {
	t.Parallel()
	eachService(t, func(t *testing.T, s *service) {
		session := s.newSession(t, "cancelled", sqlstep.SessionCancelled)
		body := event(t, s.vendor, "cancelled", session, shapes[s.vendor].verified)
		s.deliver(t, body)
		s.deliver(t, body)
		cancelled := untouched
		cancelled.session = sqlstep.SessionCancelled
		s.want(t, session, cancelled)
	})
}

// The result of a session that is created a moment later is not lost: the vendor sends it
// again, and the inbox tries again.
func TestService_UnknownSession(t *testing.T) {
	t.Parallel()
	eachService(t, func(t *testing.T, s *service) {
		body := event(t, s.vendor, "unknown", s.vendor+" unknown", shapes[s.vendor].verified)
		if s.later {
			s.deliver(t, body)
		} else if got := s.send(t, s.secret, body); got != http.StatusNotFound {
			t.Errorf("%s: responded %d, want 404", s.vendor, got)
		}
		session := s.newSession(t, "unknown", "")
		if !s.later {
			s.deliver(t, body)
		}
		s.want(t, session, approved)
	})
}

func TestService_Forged(t *testing.T) {
	t.Parallel()
	eachService(t, func(t *testing.T, s *service) {
		session := s.newSession(t, "forged", "")
		body := event(t, s.vendor, "forged", session, shapes[s.vendor].verified)
		if got := s.send(t, s.secret+"0", body); got != http.StatusUnauthorized {
			t.Errorf("%s: responded %d, want 401", s.vendor, got)
		}
		s.want(t, session, untouched)
	})
}

// Two vendors submit to one step of one session.
func TestService_TwoVendorsOneSession(t *testing.T) {
	t.Parallel()
	services := newServices(t, hooktest.NewSQLite(t), sqlstore.SQLite, false)
	byName := make(map[string]*service)
	for _, s := range services {
		byName[s.vendor] = s
	}
	persona, stripe := byName["persona"], byName["stripe-identity"]
	session := persona.newSession(t, "shared", "")
	persona.deliver(t, event(t, "persona", "evt_1", session, shapes["persona"].review))
	persona.want(t, session, inReview)
	stripe.deliver(t, event(t, "stripe-identity", "evt_1", session, nil)) // the same ID, of another vendor
	two := approved
	two.submissions = 2
	got := stripe.want(t, session, two)
	if len(got.Steps[0].Submissions) == 2 {
		checkSubmission(t, "persona", got.Steps[0].Submissions[0])
		checkSubmission(t, "stripe-identity", got.Steps[0].Submissions[1])
	}
}

// The key of a submission is the identity that the endpoint has for the event, or one
// that bodies of the same identity share.
func TestKeys_AgreeWithThePresets(t *testing.T) {
	t.Parallel()
	for _, vendor := range idv.All() {
		scheme, _ := preset.ByName(vendor.Name)
		decoder, err := idv.New(vendor)
		if err != nil {
			t.Fatal(err)
		}
		body := event(t, vendor.Name, "id 1", "sess_1", shapes[vendor.Name].verified)
		sender := &service{vendor: vendor.Name, scheme: scheme, secret: sample.Secret(scheme)}
		id := sender.delivery(t, body).ID
		s, err := decoder.Decode(t.Context(), body)
		if err != nil {
			t.Fatal(err)
		}
		switch scheme.Identity {
		case hmacverify.SignedID:
			if want := vendor.Name + ":" + id; s.Key != want {
				t.Errorf("%s: got key %q, want %q", vendor.Name, s.Key, want)
			}
		case hmacverify.BodyDigest:
			other, err := decoder.Decode(t.Context(), event(t, vendor.Name, "id 2", "sess_1", shapes[vendor.Name].verified))
			if err != nil || other.Key == s.Key {
				t.Errorf("%s: two events have the key %q, error %v", vendor.Name, s.Key, err)
			}
		default:
			t.Errorf("%s: its preset has no identity", vendor.Name)
		}
	}
}
