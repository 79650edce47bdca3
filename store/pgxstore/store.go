package pgxstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/internal/records"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// Options configures a [Store], see [sqlstore.Options]. The zero value and nil use the
// defaults.
type Options = sqlstore.Options

// A Store keeps records in one table of a PostgreSQL database. Create one with [New]. It
// is safe for concurrent use, and any number of processes can share the table, also with
// a [sqlstore.Store].
//
// It is an [idempotency.Runner], whose record and work are one commit, and a
// [lease.Store], for work under a lease.
type Store struct {
	pool   *pgxpool.Pool
	rest   *sqlstore.Store // what is done in single statements, on connections of pool
	spare  *sqlstore.Store // the same on a connection of its own
	engine *records.Engine[pgx.Tx]
	begin  string
	mode   pgx.QueryExecMode
	slots  chan struct{} // a semaphore for runs; nil: not bounded
	shedAt atomic.Int64  // in nanoseconds since 1970
}

var (
	_ idempotency.Runner[pgx.Tx] = (*Store)(nil)
	_ lease.Store                = (*Store)(nil)
)

// New returns a Store in the database of pool. It does not touch the database: call
// [Store.CreateTables] or [Store.Check] next. o may be nil.
func New(pool *pgxpool.Pool, o *Options) (*Store, error) {
	if pool == nil {
		return nil, errors.New("pgxstore: no pool: pass what pgxpool.New returned")
	}
	if o == nil {
		o = new(Options)
	}
	rest, err := sqlstore.New(stdlib.OpenDBFromPool(pool), sqlstore.PostgreSQL, o)
	if err != nil {
		return nil, err
	}
	config := pool.Config()
	spare, err := sqlstore.New(openSpare(config), sqlstore.PostgreSQL, o)
	if err != nil {
		return nil, err
	}
	table, err := records.NewTable("pgxstore", records.PostgreSQL,
		cmp.Or(o.Table, sqlstore.DefaultTable), cmp.Or(o.Wait, sqlstore.DefaultWait))
	if err != nil {
		return nil, err
	}
	table.Privacy = records.Privacy{Redact: o.Redact, Seal: o.Seal, Open: o.Open}
	s := &Store{pool: pool, rest: rest, spare: spare, begin: begins[o.Isolation], mode: config.ConnConfig.DefaultQueryExecMode}
	if config.MaxConns > 1 {
		s.slots = make(chan struct{}, config.MaxConns-1)
	}
	s.engine = records.NewEngine(table, database{s}, records.Settings{
		RecordFailures:  o.RecordFailures,
		MaxAttempts:     o.MaxAttempts,
		AttemptInterval: o.AttemptInterval,
		KeepPayloads:    o.KeepPayloads,
	})
	return s, nil
}

// begins are the statements that begin a transaction of a run.
var begins = map[sql.IsolationLevel]string{
	sql.LevelDefault:        "BEGIN",
	sql.LevelReadCommitted:  "BEGIN ISOLATION LEVEL READ COMMITTED",
	sql.LevelRepeatableRead: "BEGIN ISOLATION LEVEL REPEATABLE READ",
	sql.LevelSerializable:   "BEGIN ISOLATION LEVEL SERIALIZABLE",
}

// RunTx calls work in a transaction that also records key as processed, and commits
// it. It returns nil only when that is durable. If work returns an error, RunTx rolls
// back and returns that error, and if the server refuses to commit what work did, the
// server's; all other errors wrap a sentinel of package idempotency, such as
// [idempotency.ErrDuplicate].
//
// A delivery of an event that another process has in flight waits, at most
// Options.Wait, for that one's commit. After a serialization failure or a deadlock
// work is called again, from BEGIN. It must return the errors of its statements;
// effects outside of tx are not rolled back.
//
// BEGIN travels with the claim, so that the whole takes two round trips besides those
// of work.
func (s *Store) RunTx(ctx context.Context, key idempotency.Key, work func(ctx context.Context, tx pgx.Tx) error) error {
	return idempotency.Run(ctx, s, idempotency.Item{Key: key}, func(ctx context.Context, tx pgx.Tx) (*idempotency.Result, error) {
		return nil, work(ctx, tx)
	}).AsError()
}

// Run implements [idempotency.Runner]. Call [Store.RunTx], or [idempotency.Run] with a
// fingerprint or a payload.
func (s *Store) Run(ctx context.Context, item idempotency.Item, work idempotency.Work[pgx.Tx]) idempotency.Outcome {
	if s.pool == nil {
		return records.Unavailable("run", errors.New("zero Store: create it with New"))
	}
	return s.engine.Run(ctx, item, work)
}

// Observe implements [idempotency.Runner].
func (s *Store) Observe(ctx context.Context, e idempotency.Event) {
	if s.rest == nil {
		idempotency.LogFailures(ctx, e)
		return
	}
	s.rest.Observe(ctx, e)
}

// Retention implements [idempotency.Runner].
func (s *Store) Retention() time.Duration { return s.rest.Retention() }
