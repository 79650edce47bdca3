package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"

	"github.com/jackc/pgx/v5"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/inbox"
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
	box      *inbox.Inbox // nil: callbacks are processed at once

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
	inbox.Queue
	tables
}

type tables interface {
	CreateTables(ctx context.Context) error
	Check(ctx context.Context) error
}

// Options configure an app; the zero value and nil use the defaults.
type options struct {
	observe idempotency.Observer // default: logs what goes wrong
	later   *inbox.Options       // of an inbox that accepts callbacks; nil: there is none
}

// newApp opens the database and creates its tables if they do not exist.
func newApp(ctx context.Context, dbURL, secret string, o *options) (*app, error) {
	if o == nil {
		o = new(options)
	}
	db, err := openDatabase(ctx, dbURL)
	if err != nil {
		return nil, err
	}
	a := &app{database: db}
	if err := a.wire(ctx, secret, o); err != nil {
		db.close()
		return nil, err
	}
	return a, nil
}

// wire makes the stores of what -db names. Both kinds use the same tables.
func (a *app) wire(ctx context.Context, secret string, o *options) error {
	stored := &sqlstore.Options{Observe: o.observe}
	if a.pool != nil {
		events, err := pgxstore.New(a.pool, stored)
		if err != nil {
			return err
		}
		if a.sessions, err = pgxstep.New(a.pool, nil); err != nil {
			return err
		}
		return wireEndpoint[pgx.Tx](ctx, a, secret, events, o)
	}
	events, err := sqlstore.New(a.db, a.dialect, stored)
	if err != nil {
		return err
	}
	if a.sessions, err = sqlstep.New(a.db, a.dialect, nil); err != nil {
		return err
	}
	return wireEndpoint[*sql.Tx](ctx, a, secret, events, o)
}

// wireEndpoint puts the callback behind its endpoint, whose transactions are of type T.
func wireEndpoint[T any](ctx context.Context, a *app, secret string, events eventStore[T], o *options) error {
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
	if o.later != nil {
		return acceptLater(a, events, endpoint, o.later)
	}
	// The callback is submitted in the transaction that the request's context carries.
	// Its error rolls back; a conflict in the database is retried.
	a.webhook = endpoint.WrapFunc(func(w http.ResponseWriter, r *http.Request, _ T) error {
		return a.callback.Serve(w, r)
	})
	return nil
}

// acceptLater has an inbox answer the callback, and submit it afterwards: in the
// transaction that the context carries, as above.
func acceptLater[T any](a *app, events eventStore[T], endpoint *idempotency.Endpoint[T], o *inbox.Options) (err error) {
	if a.box, err = inbox.New(events, o); err != nil {
		return err
	}
	a.webhook = inbox.Handle(a.box, endpoint, func(ctx context.Context, _ T, d *hmacverify.Delivery) error {
		_, err := a.callback.Submit(ctx, d.Body)
		return final(err)
	}, nil)
	return nil
}

// final marks what no retry can correct. A session that is not there yet may be later.
func final(err error) error {
	if err == nil || errors.Is(err, sessionstep.ErrSessionNotFound) || sessionstep.Status(err) >= http.StatusInternalServerError {
		return err
	}
	return idempotency.Permanent(err)
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
