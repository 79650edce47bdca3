package main

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/sessionstep"
	"github.com/hookonce/hookonce/sessionstep/sqlstep"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// maxBody is the longest callback that is read, in bytes.
const maxBody = 256 << 10

// An app is all that the routes need.
type app struct {
	db       *sql.DB
	dialect  sqlstore.Dialect
	verifier *hmacverify.Verifier
	events   *sqlstore.Store
	sessions *sqlstep.Store
	callback *sessionstep.Handler
	logger   *slog.Logger

	// submitter is sessions, unless a test puts something around it.
	submitter sessionstep.Submitter
}

// newApp opens the database and makes its tables if they are not there.
func newApp(ctx context.Context, dbURL, secret string, logger *slog.Logger) (*app, error) {
	db, dialect, err := openDatabase(dbURL)
	if err != nil {
		return nil, err
	}
	a := &app{db: db, dialect: dialect, logger: logger}
	if err := a.wire(ctx, secret); err != nil {
		db.Close()
		return nil, err
	}
	return a, nil
}

func (a *app) wire(ctx context.Context, secret string) (err error) {
	options := &hmacverify.Options{MaxBody: maxBody, OnError: a.refused}
	if a.verifier, err = hmacverify.New(preset.XSignature256(), options, secret); err != nil {
		return err
	}
	if a.events, err = sqlstore.New(a.db, a.dialect, nil); err != nil {
		return err
	}
	if a.sessions, err = sqlstep.New(a.db, a.dialect, nil); err != nil {
		return err
	}
	a.submitter = a.sessions
	if a.callback, err = sessionstep.NewHandler(a, nil); err != nil {
		return err
	}
	if err := a.events.CreateTable(ctx); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	if err := a.sessions.CreateTables(ctx); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	if err := a.sessions.Check(ctx); err != nil {
		return err
	}
	return a.events.Check(ctx)
}

// Submit implements [sessionstep.Submitter].
func (a *app) Submit(ctx context.Context, s sessionstep.Submission) error {
	return a.submitter.Submit(ctx, s)
}

// routes returns the server's handler.
func (a *app) routes() http.Handler {
	callback := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := a.callback.Serve(w, r); err != nil {
			idempotency.Fail(r, err) // so that conflicts in the database are retried
		}
	})
	once := &idempotency.Middleware{Runner: a.events.Transactional(), OnError: a.refused}

	mux := http.NewServeMux()
	mux.Handle("POST /webhooks/ai-verification", a.verifier.Handler(once.Handler(callback)))
	mux.HandleFunc("POST /sessions", a.createSession)
	mux.HandleFunc("GET /sessions/{id}", a.showSession)
	return mux
}

// refused logs why a delivery was not let through. The errors hold neither
// secrets nor bodies.
func (a *app) refused(r *http.Request, err error) {
	a.logger.Warn("delivery refused", "remote", r.RemoteAddr, "error", err)
}

func (a *app) close() { a.db.Close() }
