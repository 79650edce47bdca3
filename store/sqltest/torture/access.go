package torture

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/inbox"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/pgxstore"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// Access is how a server process uses its database, whose transactions are a T.
type access[T any] struct {
	*server
	store interface {
		lease.Store
		inbox.Queue
		CompleteTx(ctx context.Context, tx T, c lease.Claim) error
	}
	runner idempotency.Runner[T] // of transactional mode
	inbox  idempotency.Runner[T] // of an inbox
	exec   func(ctx context.Context, tx T, query string, args ...any) error
	inTx   func(ctx context.Context, f func(tx T) error) error // commits if f returns nil
}

// A pool is what a server does with its pool at large.
type pool struct {
	purge func(ctx context.Context) (int, error)
	drain func() (open, inUse int) // closes idle connections
}

// serve serves an endpoint for each mode.
func (a *access[T]) serve(mux *http.ServeMux) error {
	most, interval := a.attempts()
	leases, err := lease.New(a.store, &lease.Options{Lease: a.Lease, MaxAttempts: most, AttemptInterval: interval})
	if err != nil {
		return err
	}
	return errors.Join(
		handle(a.server, mux, transactional, a.runner, a.inTransaction),
		handle(a.server, mux, leased, leases, a.outside),
		handle(a.server, mux, completed, leases, a.completeInTransaction),
		handleLater(a.server, mux, a.store, a.inbox, a.inTransactionLater),
	)
}

// serveStandard serves by database/sql.
func (s *server) serveStandard(mux *http.ServeMux, o *sqlstore.Options) error {
	db, err := s.open(s.DSN, s.Conns)
	if err != nil {
		return err
	}
	db.SetConnMaxLifetime(s.MaxLife)
	own := db // begins the transactions of handlers
	if s.ownTx != "" {
		if own, err = s.open(s.DSN+s.ownTx, s.Conns); err != nil {
			return err
		}
	}
	events, err := sqlstore.New(db, s.dialect, o)
	if err != nil {
		return err
	}
	s.pool = pool{events.Purge, func() (open, inUse int) {
		for _, db := range slices.Compact([]*sql.DB{db, own}) {
			db.SetMaxIdleConns(-1)
			db.SetMaxIdleConns(s.Conns)
			stats := db.Stats()
			open += stats.OpenConnections
			inUse += stats.InUse
		}
		return open, inUse
	}}
	a := &access[*sql.Tx]{
		server: s,
		store:  events,
		runner: s.transactional(db, events),
		inbox:  events,
		exec: func(ctx context.Context, tx *sql.Tx, query string, args ...any) error {
			_, err := tx.ExecContext(ctx, query, args...)
			return err
		},
		inTx: func(ctx context.Context, f func(tx *sql.Tx) error) error {
			tx, err := own.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			defer tx.Rollback()
			if err := f(tx); err != nil {
				return err
			}
			return tx.Commit()
		},
	}
	return a.serve(mux)
}

// servePgxpool serves by pgxpool.
func (s *server) servePgxpool(mux *http.ServeMux, o *pgxstore.Options) error {
	config, err := pgxpool.ParseConfig(s.DSN)
	if err != nil {
		return err
	}
	config.MaxConns = int32(s.Conns)
	conns, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		return err
	}
	events, err := pgxstore.New(conns, o)
	if err != nil {
		return err
	}
	s.pool = pool{events.Purge, func() (open, inUse int) {
		conns.Reset()
		stat := conns.Stat()
		return int(stat.TotalConns()), int(stat.AcquiredConns())
	}}
	a := &access[pgx.Tx]{
		server: s,
		store:  events,
		runner: batcher{events, s},
		inbox:  events,
		exec: func(ctx context.Context, tx pgx.Tx, query string, args ...any) error {
			_, err := tx.Exec(ctx, query, args...)
			return err
		},
		inTx: func(ctx context.Context, f func(tx pgx.Tx) error) error { return pgx.BeginFunc(ctx, conns, f) },
	}
	return a.serve(mux)
}

// A batcher does the work of some events by RunBatch. A batch neither hangs nor fails
// on purpose.
type batcher struct {
	*pgxstore.Store
	server *server
}

// batched reports whether the event is done by RunBatch where that can be.
func batched(event string) bool { return hashOf(event)/8%2 == 1 && !hangs(event) && !doomed(event) }

// Run implements [idempotency.Runner].
func (b batcher) Run(ctx context.Context, item idempotency.Item, work idempotency.Work[pgx.Tx]) idempotency.Outcome {
	if !batched(item.Key.ID) {
		return b.Store.Run(ctx, item, work)
	}
	batch := new(pgx.Batch)
	for _, s := range b.server.effect(transactional, item.Key.ID) {
		batch.Queue(s.query, s.args...)
	}
	return outcomeOf(b.RunBatch(ctx, item.Key, batch))
}
