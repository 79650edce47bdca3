package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/sessionstep"
	"github.com/hookonce/hookonce/sessionstep/sqlstep"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// maxBody is the size in bytes of the longest callback.
const maxBody = 256 << 10

// An app is all that the routes need.
type app struct {
	db       *sql.DB
	dialect  sqlstore.Dialect
	endpoint *idempotency.Endpoint[*sql.Tx]
	sessions *sqlstep.Store
	callback *sessionstep.Handler

	// submitter is sessions, unless a test puts something around it.
	submitter sessionstep.Submitter
}

// newApp opens the database and creates its tables if they do not exist. A nil observe
// logs what goes wrong.
func newApp(ctx context.Context, dbURL, secret string, observe idempotency.Observer) (*app, error) {
	db, dialect, err := openDatabase(dbURL)
	if err != nil {
		return nil, err
	}
	a := &app{db: db, dialect: dialect}
	if err := a.wire(ctx, secret, observe); err != nil {
		db.Close()
		return nil, err
	}
	return a, nil
}

func (a *app) wire(ctx context.Context, secret string, observe idempotency.Observer) error {
	events, err := sqlstore.New(a.db, a.dialect, &sqlstore.Options{Observe: observe})
	if err != nil {
		return err
	}
	if err := events.CreateTables(ctx); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	if err := events.Check(ctx); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	if a.sessions, err = sqlstep.New(a.db, a.dialect, nil); err != nil {
		return err
	}
	if err := a.sessions.CreateTables(ctx); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	if err := a.sessions.Check(ctx); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	a.submitter = a.sessions
	if a.callback, err = sessionstep.NewHandler(a, nil); err != nil {
		return err
	}
	verifier, err := hmacverify.New(preset.XSignature256(), &hmacverify.Options{MaxBody: maxBody}, secret)
	if err != nil {
		return err
	}
	a.endpoint, err = idempotency.NewEndpoint("ai-verification", verifier, events, nil)
	return err
}

// routes returns the server's handler.
func (a *app) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks/ai-verification", a.endpoint.WrapFunc(a.submit))
	mux.HandleFunc("POST /sessions", a.createSession)
	mux.HandleFunc("GET /sessions/{id}", a.showSession)
	return mux
}

// submit submits the callback in the transaction that the context carries. Its error
// rolls back; a conflict in the database is retried.
func (a *app) submit(w http.ResponseWriter, r *http.Request, _ *sql.Tx) error {
	return a.callback.Serve(w, r)
}

// Submit implements [sessionstep.Submitter].
func (a *app) Submit(ctx context.Context, s sessionstep.Submission) error {
	return a.submitter.Submit(ctx, s)
}

func (a *app) close() { a.db.Close() }
