package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/inbox"
	"github.com/hookonce/hookonce/sessionstep"
	"github.com/hookonce/hookonce/store/sqlstore"
)

const demoSecret = "a secret for the demo"

var padding = strings.Repeat("x", maxBody)

// A delivery is what the sender signs and sends.
type delivery struct {
	by     string // the service, if not ours
	body   string // signed
	sent   string // instead of body, if not empty
	secret string // instead of the right one, if not empty
}

// A standing is what the database holds of an event and its session.
type standing struct {
	records     int    // of the event
	submissions int    // to the session's step
	step        string // the step's status
	waits       string // the event's state in the inbox, "" if it is not there
}

func (s standing) String() string {
	return fmt.Sprintf("%d, %d, %s %s", s.records, s.submissions, s.step, s.waits)
}

// play sends the act's delivery and looks at the effect.
func (c act) play(ctx context.Context, a *app, s *sender) (row, error) {
	if c.prepare {
		if err := s.createSession(ctx, c.session); err != nil {
			return row{}, err
		}
	}
	answers, err := s.sendAtOnce(ctx, c.delivery, max(1, c.copies))
	if err != nil {
		return row{}, err
	}
	wantAnswers, want := c.answers, c.stands
	if a.box != nil {
		if c.laterAnswers != nil {
			wantAnswers = c.laterAnswers
		}
		if c.later != nil {
			want = *c.later
		}
	}
	stands, err := a.await(ctx, c.delivery.by, c.event, c.session, want)
	return row{
		sent:     c.title,
		answers:  answers,
		stands:   stands,
		promised: maps.Equal(answers, wantAnswers) && stands == want,
	}, err
}

// await looks the event and the session up, until they are as is wanted: an inbox may
// take its time, at most five seconds.
func (a *app) await(ctx context.Context, by, event, session string, want standing) (standing, error) {
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		stands, err := a.standsBy(ctx, by, event, session)
		if err != nil || stands == want || a.box == nil || time.Now().After(end) {
			return stands, err
		}
	}
}

// stands looks an event of our own service and the session up in the database.
func (a *app) stands(ctx context.Context, event, session string) (standing, error) {
	return a.standsBy(ctx, ourService, event, session)
}

func (a *app) standsBy(ctx context.Context, by, event, session string) (standing, error) {
	var s standing
	count := "SELECT count(*) FROM " + sqlstore.DefaultTable + " WHERE id = $1"
	if a.dialect == sqlstore.MySQL {
		count = strings.Replace(count, "$1", "?", 1)
	}
	if err := a.db.QueryRowContext(ctx, count, []byte(event)).Scan(&s.records); err != nil {
		return s, err
	}
	if err := a.waits(ctx, idempotency.Key{Scope: cmp.Or(by, ourService), ID: event}, &s); err != nil {
		return s, err
	}
	got, err := a.sessions.Session(ctx, session)
	if errors.Is(err, sessionstep.ErrSessionNotFound) {
		s.step = "no session"
		return s, nil
	}
	if err != nil {
		return s, err
	}
	s.submissions, s.step = len(got.Steps[0].Submissions), string(got.Steps[0].State)
	return s, nil
}

// waits looks the event up in the inbox. In flight is waiting, to a person.
func (a *app) waits(ctx context.Context, event idempotency.Key, s *standing) error {
	if a.box == nil {
		return nil
	}
	status, err := a.box.Lookup(ctx, event)
	switch {
	case errors.Is(err, idempotency.ErrNotFound):
		return nil
	case err != nil:
		return err
	case status.State == inbox.InFlight:
		status.State = inbox.Waiting
	}
	s.waits = status.State.String()
	return nil
}

// A sender plays the verification service.
type sender struct {
	url    string
	secret string
}

func (s *sender) createSession(ctx context.Context, id string) error {
	req, err := newPost(ctx, s.url+"/sessions", fmt.Sprintf(`{"id":%q}`, id))
	if err != nil {
		return err
	}
	resp, err := do(req)
	if err == nil && resp.StatusCode != http.StatusCreated {
		err = fmt.Errorf("creating the session: status %d", resp.StatusCode)
	}
	return err
}

// sendAtOnce sends a delivery n times concurrently and counts the responses by status.
func (s *sender) sendAtOnce(ctx context.Context, d delivery, n int) (map[int]int, error) {
	var (
		mu      sync.Mutex // guards answers and errs
		answers = make(map[int]int)
		errs    []error
		wg      sync.WaitGroup
	)
	for range n {
		wg.Go(func() {
			resp, err := s.send(ctx, d)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, err)
				return
			}
			answers[resp.StatusCode]++
		})
	}
	wg.Wait()
	return answers, errors.Join(errs...)
}

// send returns the response with its body read and closed.
func (s *sender) send(ctx context.Context, d delivery) (*http.Response, error) {
	req, err := s.request(ctx, d)
	if err != nil {
		return nil, err
	}
	return do(req)
}

// request returns the signed request of a delivery.
func (s *sender) request(ctx context.Context, d delivery) (*http.Request, error) {
	secret, sent := s.secret, d.body
	if d.secret != "" {
		secret = d.secret
	}
	if d.sent != "" {
		sent = d.sent
	}
	scheme := preset.XSignature256()
	if d.by != "" {
		scheme, _ = preset.ByName(d.by)
	}
	signer, err := hmacverify.NewSigner(scheme, nil, secret)
	if err != nil {
		return nil, err
	}
	req, err := newPost(ctx, s.url+"/webhooks/"+cmp.Or(d.by, ourService), sent)
	if err != nil {
		return nil, err
	}
	return req, signer.Sign(req.Header, []byte(d.body))
}

func newPost(ctx context.Context, url, body string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err == nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, err
}

func do(req *http.Request) (*http.Response, error) {
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp, err
}

// tally formats responses as "1 × 200, 19 × 409".
func tally(answers map[int]int) string {
	var parts []string
	for _, status := range slices.Sorted(maps.Keys(answers)) {
		parts = append(parts, fmt.Sprintf("%d × %d", answers[status], status))
	}
	return strings.Join(parts, ", ")
}
