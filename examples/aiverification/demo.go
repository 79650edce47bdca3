package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/inbox"
)

// errBroken makes the demo exit with status 1.
var errBroken = errors.New("demo: not all of it is as promised")

// silent observes nothing: the demo provokes failures, and prints the responses.
func silent(context.Context, idempotency.Event) {}

// runDemo plays the sender twice, to a callback that is processed at once, and to one
// that an inbox accepts.
func runDemo(ctx context.Context, stdout io.Writer) error {
	err := demonstrate(ctx, stdout, demoOptions(false))
	fmt.Fprint(stdout, "\nBy way of the inbox: accepted first, and submitted afterwards\n\n")
	return errors.Join(err, demonstrate(ctx, stdout, demoOptions(true)))
}

// demoOptions are those of an app whose failures are intended.
func demoOptions(later bool) *options {
	o := &options{observe: silent, secrets: map[string]string{"persona": demoSecret, "stripe-identity": demoSecret}}
	if later {
		o.later = &inbox.Options{Backoff: func(int) time.Duration { return 100 * time.Millisecond }, MaxAttempts: 1000}
	}
	return o
}

// demonstrate serves on a temporary database, plays the sender, and prints the deliveries,
// the responses, and what the database holds afterwards.
func demonstrate(ctx context.Context, stdout io.Writer, o *options) error {
	dir, err := os.MkdirTemp("", "aiverification-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	a, err := newApp(ctx, "sqlite:"+filepath.Join(dir, "demo.db"), demoSecret, o)
	if err != nil {
		return err
	}
	defer a.close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- a.serve(ctx, listener) }()

	s := &sender{url: "http://" + listener.Addr().String(), secret: demoSecret}
	rows, err := playAll(ctx, a, s)
	stop()
	if err := errors.Join(err, <-served); err != nil {
		return err
	}
	return report(stdout, rows, o.later != nil)
}

// playAll plays the acts in turn.
func playAll(ctx context.Context, a *app, s *sender) ([]row, error) {
	var rows []row
	for _, act := range acts {
		r, err := act.play(ctx, a, s)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", act.title, err)
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// An act is one thing that the demo sends.
type act struct {
	title    string
	event    string // to look up in the database
	session  string // to look up in the database
	prepare  bool   // create the session first
	copies   int    // sent concurrently; 0 means 1
	delivery delivery
	answers  map[int]int // wanted: the number of responses by status
	stands   standing    // wanted in the database

	// The same by way of an inbox, where it is different.
	laterAnswers map[int]int
	later        *standing
}

const oneBody = `{"eventId":"evt_1","sessionId":"sess_1","status":"verified","details":{"score":0.98}}`

var (
	nothing  = standing{step: "in_progress"}
	absent   = standing{step: "no session"}
	verified = standing{records: 1, submissions: 1, step: "completed"}
)

var acts = []act{
	{
		title: "first delivery", event: "evt_1", session: "sess_1", prepare: true,
		delivery: delivery{body: oneBody},
		answers:  map[int]int{200: 1}, stands: verified,
		laterAnswers: map[int]int{202: 1},
	},
	{
		title: "a retry", event: "evt_1", session: "sess_1",
		delivery: delivery{body: oneBody},
		answers:  map[int]int{409: 1}, stands: verified,
		laterAnswers: map[int]int{202: 1},
	},
	{
		title: "20 deliveries at once", event: "evt_2", session: "sess_2", prepare: true, copies: 20,
		delivery: delivery{body: `{"eventId":"evt_2","sessionId":"sess_2","status":"verified"}`},
		answers:  map[int]int{200: 1, 409: 19}, stands: verified,
		laterAnswers: map[int]int{202: 20},
	},
	{
		title: "altered body", event: "evt_3", session: "sess_3", prepare: true,
		delivery: delivery{
			body: `{"eventId":"evt_3","sessionId":"sess_3","status":"rejected"}`,
			sent: `{"eventId":"evt_3","sessionId":"sess_3","status":"verified"}`,
		},
		answers: map[int]int{401: 1}, stands: nothing,
	},
	{
		title: "same JSON, other bytes", event: "evt_3", session: "sess_3",
		delivery: delivery{
			body: `{"eventId":"evt_3","sessionId":"sess_3","status":"rejected"}`,
			sent: `{"eventId": "evt_3","sessionId": "sess_3","status": "rejected"}`,
		},
		answers: map[int]int{401: 1}, stands: nothing,
	},
	{
		title: "wrong secret", event: "evt_3", session: "sess_3",
		delivery: delivery{
			body:   `{"eventId":"evt_3","sessionId":"sess_3","status":"verified"}`,
			secret: "not the secret",
		},
		answers: map[int]int{401: 1}, stands: nothing,
	},
	{
		title: "unknown session", event: "evt_4", session: "sess_4",
		delivery: delivery{body: `{"eventId":"evt_4","sessionId":"sess_4","status":"verified"}`},
		answers:  map[int]int{404: 1}, stands: absent,
		laterAnswers: map[int]int{202: 1}, later: &standing{step: "no session", waits: "waiting"},
	},
	{
		title: "a retry, once it exists", event: "evt_4", session: "sess_4", prepare: true,
		delivery: delivery{body: `{"eventId":"evt_4","sessionId":"sess_4","status":"verified"}`},
		answers:  map[int]int{200: 1}, stands: verified,
		laterAnswers: map[int]int{202: 1},
	},
	{
		title: "session not open", event: "evt_5", session: "sess_1",
		delivery: delivery{body: `{"eventId":"evt_5","sessionId":"sess_1","status":"rejected"}`},
		answers:  map[int]int{404: 1}, stands: standing{submissions: 1, step: "completed"},
		laterAnswers: map[int]int{202: 1}, later: &standing{records: 1, submissions: 1, step: "completed", waits: "dead"},
	},
	{
		title: "malformed JSON", event: "evt_6", session: "sess_3",
		delivery: delivery{body: `{"eventId":"evt_6","sessionId":"sess_3",`},
		answers:  map[int]int{400: 1}, stands: nothing,
		laterAnswers: map[int]int{202: 1}, later: &standing{records: 1, step: "in_progress", waits: "dead"},
	},
	{
		title: "unknown status", event: "evt_10", session: "sess_3",
		delivery: delivery{body: `{"eventId":"evt_10","sessionId":"sess_3","status":"perhaps"}`},
		answers:  map[int]int{422: 1}, stands: nothing,
		laterAnswers: map[int]int{202: 1}, later: &standing{records: 1, step: "in_progress", waits: "dead"},
	},
	{
		title: "body over the limit", event: "evt_11", session: "sess_3",
		delivery: delivery{body: `{"eventId":"evt_11","sessionId":"sess_3","status":"verified","details":"` + padding + `"}`},
		answers:  map[int]int{413: 1}, stands: nothing,
	},
	{
		title: "needs review", event: "evt_7", session: "sess_3",
		delivery: delivery{body: `{"eventId":"evt_7","sessionId":"sess_3","status":"needs_review"}`},
		answers:  map[int]int{200: 1}, stands: standing{records: 1, submissions: 1, step: "in_progress"},
		laterAnswers: map[int]int{202: 1},
	},
	{
		title: "then rejected", event: "evt_8", session: "sess_3",
		delivery: delivery{body: `{"eventId":"evt_8","sessionId":"sess_3","status":"rejected"}`},
		answers:  map[int]int{200: 1}, stands: standing{records: 1, submissions: 2, step: "failed"},
		laterAnswers: map[int]int{202: 1},
	},
	{
		title: "step not in progress", event: "evt_9", session: "sess_3",
		delivery: delivery{body: `{"eventId":"evt_9","sessionId":"sess_3","status":"verified"}`},
		answers:  map[int]int{404: 1}, stands: standing{submissions: 2, step: "failed"},
		laterAnswers: map[int]int{202: 1}, later: &standing{records: 1, submissions: 2, step: "failed", waits: "dead"},
	},
	{
		title: "Persona: has begun", event: "evt_p1", session: "sess_5", prepare: true,
		delivery: delivery{by: "persona", body: persona("evt_p1", "inquiry.started", "sess_5")},
		answers:  map[int]int{200: 1}, stands: standing{records: 1, step: "in_progress"},
		laterAnswers: map[int]int{202: 1},
	},
	{
		title: "Persona: to be reviewed", event: "evt_p2", session: "sess_5",
		delivery: delivery{by: "persona", body: persona("evt_p2", "inquiry.marked-for-review", "sess_5")},
		answers:  map[int]int{200: 1}, stands: standing{records: 1, submissions: 1, step: "in_progress"},
		laterAnswers: map[int]int{202: 1},
	},
	{
		title: "Stripe Identity: verified", event: "evt_s1", session: "sess_5",
		delivery: delivery{by: "stripe-identity", body: stripeIdentity("evt_s1", "verified", "sess_5")},
		answers:  map[int]int{200: 1}, stands: standing{records: 1, submissions: 2, step: "completed"},
		laterAnswers: map[int]int{202: 1},
	},
	{
		title: "Stripe Identity: a retry", event: "evt_s1", session: "sess_5",
		delivery: delivery{by: "stripe-identity", body: stripeIdentity("evt_s1", "verified", "sess_5")},
		answers:  map[int]int{200: 1}, stands: standing{records: 1, submissions: 2, step: "completed"},
		laterAnswers: map[int]int{202: 1},
	},
	{
		title: "Persona: declined, too late", event: "evt_p3", session: "sess_5",
		delivery: delivery{by: "persona", body: persona("evt_p3", "inquiry.declined", "sess_5")},
		answers:  map[int]int{200: 1}, stands: standing{records: 1, submissions: 2, step: "completed"},
		laterAnswers: map[int]int{202: 1},
	},
	{
		title: "Persona: wrong secret", event: "evt_p4", session: "sess_6", prepare: true,
		delivery: delivery{by: "persona", body: persona("evt_p4", "inquiry.approved", "sess_6"), secret: "not the secret"},
		answers:  map[int]int{401: 1}, stands: nothing,
	},
	{
		title: "Persona: unknown session", event: "evt_p5", session: "sess_7",
		delivery: delivery{by: "persona", body: persona("evt_p5", "inquiry.approved", "sess_7")},
		answers:  map[int]int{404: 1}, stands: absent,
		laterAnswers: map[int]int{202: 1}, later: &standing{step: "no session", waits: "waiting"},
	},
}

// persona returns an event of Persona's, with the fields that matter.
func persona(event, name, session string) string {
	return fmt.Sprintf(`{"data":{"type":"event","id":%q,"attributes":{"name":%q,"created-at":"2026-11-06T07:18:36.916Z",`+
		`"payload":{"data":{"type":"inquiry","id":"inq_1","attributes":{"reference-id":%q}}}}}}`, event, name, session)
}

// stripeIdentity returns an event of Stripe's, likewise.
func stripeIdentity(event, status, session string) string {
	return fmt.Sprintf(`{"id":%q,"type":"identity.verification_session.%s","created":1793949516,`+
		`"data":{"object":{"id":"vs_1","client_reference_id":%q,"status":%q}}}`, event, status, session, status)
}
