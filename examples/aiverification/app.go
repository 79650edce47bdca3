package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/inbox"
	"github.com/hookonce/hookonce/sessionstep"
	"github.com/hookonce/hookonce/sessionstep/idv"
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
	callback *sessionstep.Handler    // of our own service
	webhooks map[string]http.Handler // by the services' names
	box      *inbox.Inbox            // nil: callbacks are processed at once

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
	secrets map[string]string    // of the other services, by name; default: there are none
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
	a := &app{database: db, webhooks: make(map[string]http.Handler)}
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
		return wireServices[pgx.Tx](ctx, a, secret, events, o)
	}
	events, err := sqlstore.New(a.db, a.dialect, stored)
	if err != nil {
		return err
	}
	if a.sessions, err = sqlstep.New(a.db, a.dialect, nil); err != nil {
		return err
	}
	return wireServices[*sql.Tx](ctx, a, secret, events, o)
}

// wireServices adds our own service and the others, whose transactions are of type T.
func wireServices[T any](ctx context.Context, a *app, secret string, events eventStore[T], o *options) (err error) {
	for _, t := range []tables{events, a.sessions} {
		if err := t.CreateTables(ctx); err != nil {
			return fmt.Errorf("database: %w", err)
		}
		if err := t.Check(ctx); err != nil {
			return fmt.Errorf("database: %w", err)
		}
	}
	a.submitter = a.sessions
	if o.later != nil {
		if a.box, err = inbox.New(events, o.later); err != nil {
			return err
		}
	}
	if a.callback, err = sessionstep.NewHandler(a, nil); err != nil {
		return err
	}
	if err := wireEndpoint(a, ourService, preset.XSignature256(), secret, events, a.callback); err != nil {
		return err
	}
	for name, secret := range o.secrets {
		if err := wireVendor(a, name, secret, events); err != nil {
			return err
		}
	}
	return nil
}

// ourService is the name of the service whose callback is documented in package
// sessionstep.
const ourService = "ai-verification"

// wireVendor adds a service that package idv knows. It takes a 404 for a fault of the
// endpoint, so results that come too late are answered 200.
func wireVendor[T any](a *app, name, secret string, events eventStore[T]) error {
	scheme, known := preset.ByName(name)
	i := slices.IndexFunc(idv.All(), func(v idv.Vendor) bool { return v.Name == name })
	if !known || i < 0 {
		return fmt.Errorf("no service %q", name)
	}
	decoder, err := idv.New(idv.All()[i])
	if err != nil {
		return err
	}
	callback, err := sessionstep.NewHandler(a, &sessionstep.Options{
		Decode:      decoder.Decode,
		Acknowledge: []error{sessionstep.ErrSessionNotOpen, sessionstep.ErrStepNotInProgress},
	})
	if err != nil {
		return err
	}
	return wireEndpoint(a, name, scheme, secret, events, callback)
}

// wireEndpoint puts a callback behind its endpoint. It is submitted in the transaction
// that the context carries: its error rolls back, a conflict in the database is retried.
func wireEndpoint[T any](a *app, name string, scheme hmacverify.Scheme, secret string, events eventStore[T], callback *sessionstep.Handler) error {
	verifier, err := hmacverify.New(scheme, &hmacverify.Options{MaxBody: maxBody}, secret)
	if err != nil {
		return err
	}
	endpoint, err := idempotency.NewEndpoint(name, verifier, events, nil)
	if err != nil {
		return err
	}
	if a.box == nil {
		a.webhooks[name] = endpoint.WrapFunc(func(w http.ResponseWriter, r *http.Request, _ T) error {
			return callback.Serve(w, r)
		})
		return nil
	}
	a.webhooks[name] = inbox.Handle(a.box, endpoint, func(ctx context.Context, _ T, d *hmacverify.Delivery) error {
		_, err := callback.Submit(ctx, d.Body)
		return final(err)
	}, nil)
	return nil
}

// final marks what no retry can correct. A session that is not there yet may be later.
func final(err error) error {
	if status := sessionstep.Status(err); errors.Is(err, sessionstep.ErrSessionNotFound) || status < 400 || status >= 500 {
		return err
	}
	return idempotency.Permanent(err)
}

// routes returns the server's handler.
func (a *app) routes() http.Handler {
	mux := http.NewServeMux()
	for name, webhook := range a.webhooks {
		mux.Handle("POST /webhooks/"+name, webhook)
	}
	mux.HandleFunc("POST /sessions", a.createSession)
	mux.HandleFunc("GET /sessions/{id}", a.showSession)
	return mux
}

// Submit implements [sessionstep.Submitter].
func (a *app) Submit(ctx context.Context, s sessionstep.Submission) error {
	return a.submitter.Submit(ctx, s)
}
