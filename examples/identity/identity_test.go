package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/hookonce/hookonce/examples/internal/hooktest"
	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/hmacverify/sample"
	"github.com/hookonce/hookonce/sessionstep/idv"
	"github.com/hookonce/hookonce/sessionstep/sqlstep"
	"github.com/hookonce/hookonce/store/sqlstore"
)

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

// A result that arrives after the decision gets a 200 and does not change the decision.
func TestService_OutOfOrder(t *testing.T) {
	t.Parallel()
	eachService(t, func(t *testing.T, s *service) {
		shape := shapes[s.vendor]
		session := s.newSession(t, "order", "")
		s.deliver(t, event(t, s.vendor, "order 2", session, shape.verified))
		s.want(t, session, approved)
		s.deliver(t, event(t, s.vendor, "order news", session, shape.news))
		s.want(t, session, approved)
		stands := approved
		s.deliver(t, event(t, s.vendor, "order stale", session, shape.review))
		stands.submissions++ // which is all
		s.want(t, session, stands)
		if shape.rejected != nil {
			s.deliver(t, event(t, s.vendor, "order reversed", session, shape.rejected))
			stands.submissions++
			stands.review = true
			s.want(t, session, stands)
		}
		if shape.rejected != nil {
			session = s.newSession(t, "order rejected", "")
			s.deliver(t, event(t, s.vendor, "order rejected", session, shape.rejected))
			s.want(t, session, failed)
			s.deliver(t, event(t, s.vendor, "order stale rejected", session, shape.review))
			stands := failed
			stands.submissions++
			s.want(t, session, stands)
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
