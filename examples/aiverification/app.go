package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"

	"github.com/jackc/pgx/v5"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/sessionstep"
	"github.com/hookonce/hookonce/sessionstep/pgxstep"
	"github.com/hookonce/hookonce/sessionstep/sqlstep"
	"github.com/hookonce/hookonce/store/pgxstore"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// maxBody is the size in bytes of the longest callback.
const maxBody = 256 << 10

// An app is all that the routes need.
type app struct {
	*database
	sessions sessionStore
	callback *sessionstep.Handler
	webhook  http.Handler // the callback behind its endpoint

	// submitter is sessions, unless a test puts something around it.
	submitter sessionstep.Submitter
}

// A sessionStore is a [sqlstep.Store] or a [pgxstep.Store].
type sessionStore interface {
	sessionstep.Submitter
	tables
	Create(ctx context.Context, v sqlstep.Session) error
	Session(ctx context.Context, id string) (sqlstep.Session, error)
}

// An eventStore is a [sqlstore.Store] or a [pgxstore.Store].
type eventStore[T any] interface {
	idempotency.Runner[T]
	tables
}

type tables interface {
	CreateTables(ctx context.Context) error
	Check(ctx context.Context) error
}

// newApp opens the database and creates its tables if they do not exist. A nil observe
// logs what goes wrong.
func newApp(ctx context.Context, dbURL, secret string, observe idempotency.Observer) (*app, error) {
	db, err := openDatabase(ctx, dbURL)
	if err != nil {
		return nil, err
	}
	a := &app{database: db}
	if err := a.wire(ctx, secret, &sqlstore.Options{Observe: observe}); err != nil {
		db.close()
		return nil, err
	}
	return a, nil
}

// wire makes the stores of what -db names. Both kinds use the same tables.
func (a *app) wire(ctx context.Context, secret string, o *sqlstore.Options) error {
	if a.pool != nil {
		events, err := pgxstore.New(a.pool, o)
		if err != nil {
			return err
		}
		if a.sessions, err = pgxstep.New(a.pool, nil); err != nil {
			return err
		}
		return wireEndpoint[pgx.Tx](ctx, a, secret, events)
	}
	events, err := sqlstore.New(a.db, a.dialect, o)
	if err != nil {
		return err
	}
	if a.sessions, err = sqlstep.New(a.db, a.dialect, nil); err != nil {
		return err
	}
	return wireEndpoint[*sql.Tx](ctx, a, secret, events)
}

// wireEndpoint puts the callback behind its endpoint, whose transactions are of type T.
func wireEndpoint[T any](ctx context.Context, a *app, secret string, events eventStore[T]) error {
	for _, t := range []tables{events, a.sessions} {
		if err := t.CreateTables(ctx); err != nil {
			return fmt.Errorf("database: %w", err)
		}
		if err := t.Check(ctx); err != nil {
			return fmt.Errorf("database: %w", err)
		}
	}
	var err error
	a.submitter = a.sessions
	if a.callback, err = sessionstep.NewHandler(a, nil); err != nil {
		return err
	}
	verifier, err := hmacverify.New(preset.XSignature256(), &hmacverify.Options{MaxBody: maxBody}, secret)
	if err != nil {
		return err
	}
	endpoint, err := idempotency.NewEndpoint("ai-verification", verifier, events, nil)
	if err != nil {
		return err
	}
	// The callback is submitted in the transaction that the request's context carries.
	// Its error rolls back; a conflict in the database is retried.
	a.webhook = endpoint.WrapFunc(func(w http.ResponseWriter, r *http.Request, _ T) error {
		return a.callback.Serve(w, r)
	})
	return nil
}

// routes returns the server's handler.
func (a *app) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks/ai-verification", a.webhook)
	mux.HandleFunc("POST /sessions", a.createSession)
	mux.HandleFunc("GET /sessions/{id}", a.showSession)
	return mux
}

// Submit implements [sessionstep.Submitter].
func (a *app) Submit(ctx context.Context, s sessionstep.Submission) error {
	return a.submitter.Submit(ctx, s)
}
