package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/inbox"
	"github.com/hookonce/hookonce/sessionstep"
	"github.com/hookonce/hookonce/sessionstep/idv"
	"github.com/hookonce/hookonce/sessionstep/sqlstep"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// A server receives results, and keeps sessions.
type server struct {
	mux      *http.ServeMux
	events   *sqlstore.Store
	box      *inbox.Inbox
	accepts  bool // the box has endpoints
	sessions *sqlstep.Store
}

// newServer creates the tables if they do not exist. o may be nil.
func newServer(ctx context.Context, db *sql.DB, dialect sqlstore.Dialect, o *inbox.Options) (*server, error) {
	events, err := sqlstore.New(db, dialect, nil)
	if err != nil {
		return nil, err
	}
	sessions, err := sqlstep.New(db, dialect, &sqlstep.Options{Late: late})
	if err != nil {
		return nil, err
	}
	box, err := inbox.New(events, o)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(events.CreateTables(ctx), sessions.CreateTables(ctx)); err != nil {
		return nil, err
	}
	s := &server{mux: http.NewServeMux(), events: events, box: box, sessions: sessions}
	s.mux.HandleFunc("POST /sessions/{id}", s.createSession)
	s.mux.HandleFunc("GET /sessions/{id}", s.showSession)
	return s, nil
}

// late is the rule for a result that comes after the step has ended. Services decide again,
// let a person try again, and deliver out of order. What decides nothing is recorded only: it
// is most likely older. Another decision is for a person to look at.
func late(session sqlstep.SessionState, _ sqlstep.Step, sub sessionstep.Submission) sqlstep.Late {
	switch {
	case session == sqlstep.SessionCancelled || session == sqlstep.SessionRejected:
		return sqlstep.LateRefuse
	case sub.Status == sessionstep.NeedsReview:
		return sqlstep.LateRecord
	}
	return sqlstep.LateReview
}

// ended are the refusals of results that come too late. They are answered 200: services
// take a 404 for a fault of the endpoint, and nothing will change. A session that is not
// found may be there when the result is sent again.
var ended = []error{sessionstep.ErrSessionNotOpen, sessionstep.ErrStepNotInProgress}

// add adds the route of one service. Its preset says how it signs, the vendor what its
// results mean; both have one name.
func (s *server) add(vendor idv.Vendor, secret string, later bool) error {
	scheme, known := preset.ByName(vendor.Name)
	if !known {
		return fmt.Errorf("no preset %q", vendor.Name)
	}
	verifier, err := hmacverify.New(scheme, nil, secret)
	if err != nil {
		return err
	}
	endpoint, err := idempotency.NewEndpoint(vendor.Name, verifier, s.events, nil)
	if err != nil {
		return err
	}
	decoder, err := idv.New(vendor)
	if err != nil {
		return err
	}
	callback, err := sessionstep.NewHandler(s.sessions, &sessionstep.Options{Decode: decoder.Decode, Acknowledge: ended})
	if err != nil {
		return err
	}
	submit := func(ctx context.Context, _ *sql.Tx, d *hmacverify.Delivery) error {
		_, err := callback.Submit(ctx, d.Body) // in the transaction, which ctx carries
		return err
	}
	webhook := endpoint.Handle(submit)
	if later {
		s.accepts = true
		webhook = inbox.Handle(s.box, endpoint, func(ctx context.Context, tx *sql.Tx, d *hmacverify.Delivery) error {
			return final(submit(ctx, tx, d))
		}, nil)
	}
	s.mux.Handle("POST /webhooks/"+vendor.Name, webhook)
	return nil
}

// final marks what no retry by the inbox can correct. A session that is not there yet may
// be later.
func final(err error) error {
	if status := sessionstep.Status(err); errors.Is(err, sessionstep.ErrSessionNotFound) || status < 400 || status >= 500 {
		return err
	}
	return idempotency.Permanent(err)
}

// createSession creates a session whose identity verification is in progress.
func (s *server) createSession(w http.ResponseWriter, r *http.Request) {
	err := s.sessions.Create(r.Context(), sqlstep.Session{ID: r.PathValue("id"), Steps: []sqlstep.Step{
		{Name: sessionstep.DefaultStep, State: sqlstep.StepInProgress, Required: true},
	}})
	switch {
	case errors.Is(err, sqlstep.ErrSessionExists):
		http.Error(w, "the session exists", http.StatusConflict)
	case err != nil:
		http.Error(w, "internal", http.StatusInternalServerError)
	default:
		w.WriteHeader(http.StatusCreated)
	}
}

func (s *server) showSession(w http.ResponseWriter, r *http.Request) {
	session, err := s.sessions.Session(r.Context(), r.PathValue("id"))
	switch {
	case errors.Is(err, sessionstep.ErrSessionNotFound):
		http.NotFound(w, r)
	case err != nil:
		http.Error(w, "internal", http.StatusInternalServerError)
	default:
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(session) // the client is gone if this fails
	}
}
