// Package pgxstep keeps sessions and their steps in PostgreSQL for services on pgxpool
// and pgx.Tx. With package pgxstore, a callback is received on pgx end to end:
//
//	events, err := pgxstore.New(pool, nil)
//	…
//	sessions, err := pgxstep.New(pool, nil)
//	…
//	err = sessions.CreateTables(ctx) // or add the output of sqlstep.Schema to your migrations
//	…
//	callback, err := sessionstep.NewHandler(sessions, nil)
//	…
//	endpoint, err := idempotency.NewEndpoint("ai-verification", verifier, events, nil)
//	…
//	mux.Handle("POST /webhooks/ai-verification", endpoint.WrapFunc(
//		func(w http.ResponseWriter, r *http.Request, tx pgx.Tx) error {
//			return callback.Serve(w, r)
//		}))
//
// A [Store] is a [sqlstep.Store] that joins the transactions of pgxstore: the same
// tables, statements, options and errors, and sessions of the same types. A service can
// move from one to the other, or run both on the same tables, with no migration. The
// documentation of package sqlstep says what a submission does, how code of yours is to
// write to the tables, and how they are created and upgraded.
//
// # Transactions
//
// Every method joins the transaction that its context carries ([pgxstore.Tx]), so that
// the event's record, the submission and the changes of step and session are one commit.
// If it carries one of sqlstore, that is joined instead, so that the endpoint and the
// sessions can move to pgx one after the other.
//
// Without one, a method begins and commits a transaction of its own, on a connection of
// the pool. In a transaction of yours, call [Store.SubmitTx].
package pgxstep

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/hookonce/hookonce/sessionstep"
	"github.com/hookonce/hookonce/sessionstep/sqlstep"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// A Store keeps sessions in tables of a PostgreSQL database. Create it with [New]. It is
// safe for concurrent use, and any number of processes can share the tables, also with a
// [sqlstep.Store].
type Store struct {
	steps *sqlstep.Store // on connections of the pool, where it joins no transaction
}

var _ sessionstep.Submitter = (*Store)(nil)

// Options configures a [Store], see [sqlstep.Options]. The zero value and nil use the
// defaults.
type Options = sqlstep.Options

// New returns a store that keeps its sessions in the database of pool. It does not
// connect; call [Store.Check] at start to find out whether the tables are there. The
// error says which argument is wrong. o may be nil.
func New(pool *pgxpool.Pool, o *Options) (*Store, error) {
	if pool == nil {
		return nil, errors.New("pgxstep: New: pool is nil: pass what pgxpool.New returned")
	}
	steps, err := sqlstep.New(stdlib.OpenDBFromPool(pool), sqlstore.PostgreSQL, o)
	if err != nil {
		return nil, err
	}
	return &Store{steps: steps}, nil
}

// Submit implements [sessionstep.Submitter]. It joins the transaction that ctx carries,
// or begins and commits one of its own.
func (s *Store) Submit(ctx context.Context, sub sessionstep.Submission) error {
	return s.steps.Submit(joined(ctx), sub)
}

// SubmitTx is [Store.Submit] in tx, which the caller commits. If it returns an error,
// the caller must roll tx back.
func (s *Store) SubmitTx(ctx context.Context, tx pgx.Tx, sub sessionstep.Submission) error {
	return s.steps.Submit(with(ctx, tx), sub)
}

// Create creates the session v with its steps. It returns [sqlstep.ErrSessionExists] if
// the ID is taken, and an error that wraps [sqlstep.ErrInvalidSession] if v is not valid.
func (s *Store) Create(ctx context.Context, v sqlstep.Session) error {
	return s.steps.Create(joined(ctx), v)
}

// Session returns the session with its steps and their submissions, all of one moment.
// It returns [sessionstep.ErrSessionNotFound] if there is none.
func (s *Store) Session(ctx context.Context, id string) (sqlstep.Session, error) {
	return s.steps.Session(joined(ctx), id)
}

// History returns the changes of the session and its steps, in order. It returns
// [sessionstep.ErrSessionNotFound] if there is no such session.
func (s *Store) History(ctx context.Context, session string) ([]sqlstep.Change, error) {
	return s.steps.History(joined(ctx), session)
}

// Begin begins a step that is pending, see [sqlstep.Store.Begin].
func (s *Store) Begin(ctx context.Context, session, step, by string) error {
	return s.steps.Begin(joined(ctx), session, step, by)
}

// Reopen puts a step that has ended back in progress, see [sqlstep.Store.Reopen].
func (s *Store) Reopen(ctx context.Context, session, step, by string) error {
	return s.steps.Reopen(joined(ctx), session, step, by)
}

// SetDeadline sets the deadline of a step that has not ended, see
// [sqlstep.Store.SetDeadline].
func (s *Store) SetDeadline(ctx context.Context, session, step string, t time.Time, by string) error {
	return s.steps.SetDeadline(joined(ctx), session, step, t, by)
}

// Expire expires up to limit steps that have not ended by their deadline, and returns
// how many it has expired, see [sqlstep.Store.Expire].
func (s *Store) Expire(ctx context.Context, limit int) (n int, err error) {
	return s.steps.Expire(joined(ctx), limit)
}

// Cancel cancels a pending session, see [sqlstep.Store.Cancel].
func (s *Store) Cancel(ctx context.Context, session, by string) error {
	return s.steps.Cancel(joined(ctx), session, by)
}

// Reject rejects a pending session, see [sqlstep.Store.Reject].
func (s *Store) Reject(ctx context.Context, session, by string) error {
	return s.steps.Reject(joined(ctx), session, by)
}

// CreateTables runs the statements of [sqlstep.Schema] if the tables do not exist. If
// they do, it changes nothing and needs no right to create anything, but returns an error
// if their version is not [sqlstep.SchemaVersion]. Any number of processes may call it at
// the same time.
//
// It does not join a transaction.
func (s *Store) CreateTables(ctx context.Context) error { return s.steps.CreateTables(ctx) }

// Check returns an error, which says the way out, if the store cannot work with its
// database: see [sqlstep.Store.Check]. Call it at start. It only reads, and it does not
// join a transaction.
func (s *Store) Check(ctx context.Context) error { return s.steps.Check(ctx) }
