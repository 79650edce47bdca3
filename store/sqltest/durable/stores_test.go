package durable_test

import (
	"cmp"
	"context"
	"database/sql"
	"net/http"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/inbox"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/pgxstore"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// A store is one under test, and a pool of connections of its own, as of another
// process.
type store interface {
	lease.Store
	inbox.Queue
	CreateTables(ctx context.Context) error

	run(ctx context.Context, key idempotency.Key, work work) error
	inTx(ctx context.Context, work work) error // in a transaction of the caller's
	handler(name string, v *hmacverify.Verifier, work work) (http.Handler, error)
}

// A work is what a delivery does in a transaction.
type work func(ctx context.Context, tx transaction) error

type transaction interface {
	exec(ctx context.Context, query string) error
	claim(ctx context.Context, key idempotency.Key) error
	claimBatch(ctx context.Context, keys []idempotency.Key) ([]bool, error)
	complete(ctx context.Context, c lease.Claim) error
}

// native is a store as its package has it, whose transactions are a T.
type native[T any] interface {
	idempotency.Runner[T]
	lease.Store
	inbox.Queue
	CreateTables(ctx context.Context) error
	RunTx(ctx context.Context, key idempotency.Key, work func(ctx context.Context, tx T) error) error
	ClaimTx(ctx context.Context, tx T, key idempotency.Key) error
	ClaimBatchTx(ctx context.Context, tx T, keys []idempotency.Key) ([]bool, error)
	CompleteTx(ctx context.Context, tx T, c lease.Claim) error
}

// storeOf is a native store as a store.
type storeOf[T any] struct {
	native[T]
	begin   func(ctx context.Context, f func(tx T) error) error // commits if f returns nil
	execute func(ctx context.Context, tx T, query string) error
}

func (s storeOf[T]) on(tx T) transaction { return transactionOf[T]{s, tx} }

func (s storeOf[T]) run(ctx context.Context, key idempotency.Key, work work) error {
	return s.RunTx(ctx, key, func(ctx context.Context, tx T) error { return work(ctx, s.on(tx)) })
}

func (s storeOf[T]) inTx(ctx context.Context, work work) error {
	return s.begin(ctx, func(tx T) error { return work(ctx, s.on(tx)) })
}

func (s storeOf[T]) handler(name string, v *hmacverify.Verifier, work work) (http.Handler, error) {
	endpoint, err := idempotency.NewEndpoint(name, v, s.native, nil)
	if err != nil {
		return nil, err
	}
	return endpoint.Handle(func(ctx context.Context, tx T, _ *hmacverify.Delivery) error {
		return work(ctx, s.on(tx))
	}), nil
}

// transactionOf is a transaction of a native store.
type transactionOf[T any] struct {
	store storeOf[T]
	tx    T
}

func (t transactionOf[T]) exec(ctx context.Context, query string) error {
	return t.store.execute(ctx, t.tx, query)
}

func (t transactionOf[T]) claim(ctx context.Context, key idempotency.Key) error {
	return t.store.ClaimTx(ctx, t.tx, key)
}

func (t transactionOf[T]) claimBatch(ctx context.Context, keys []idempotency.Key) ([]bool, error) {
	return t.store.ClaimBatchTx(ctx, t.tx, keys)
}

func (t transactionOf[T]) complete(ctx context.Context, c lease.Claim) error {
	return t.store.CompleteTx(ctx, t.tx, c)
}

// newStore returns a store, and a database to look into. If it is primed, it has just
// seen a duplicate, so that it looks for another one first.
func newStore(t *testing.T, s *server, primed bool, wait time.Duration) (store, *sql.DB) {
	t.Helper()
	store, db := newStoreOn(t, s, 4, wait)
	if !primed {
		return store, db
	}
	for range 2 {
		if err := store.run(t.Context(), keyOf("primer"), nothing); !acknowledges(err) {
			t.Fatal(err)
		}
	}
	return store, db
}

// newStoreOn returns a store on that many connections. Those of sqlstore are db's.
func newStoreOn(t *testing.T, s *server, conns int, wait time.Duration) (store, *sql.DB) {
	t.Helper()
	db := s.open(t)
	db.SetMaxOpenConns(conns)
	if s.pgxpool {
		store := newPgxstore(t, s, conns, wait, nil)
		return storeOf[pgx.Tx]{store, store.begin, func(ctx context.Context, tx pgx.Tx, query string) error {
			_, err := tx.Exec(ctx, query)
			return err
		}}, db
	}
	store, err := sqlstore.New(db, s.dialect, options(wait))
	if err != nil {
		t.Fatal(err)
	}
	return onStandard(store, db), db
}

// onStandard is a store of sqlstore on db.
func onStandard(events *sqlstore.Store, db *sql.DB) store {
	begin := func(ctx context.Context, f func(tx *sql.Tx) error) error {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		if err := f(tx); err != nil {
			return err
		}
		// lib/pq takes a COMMIT for a success whose wait for the standby was canceled
		// because ctx has ended.
		return cmp.Or(tx.Commit(), ctx.Err())
	}
	return storeOf[*sql.Tx]{events, begin, func(ctx context.Context, tx *sql.Tx, query string) error {
		_, err := tx.ExecContext(ctx, query)
		return err
	}}
}

func options(wait time.Duration) *sqlstore.Options {
	return &sqlstore.Options{Wait: wait, Observe: func(context.Context, idempotency.Event) {}}
}

// A pgxStore is a pgxstore.Store and its pool.
type pgxStore struct {
	*pgxstore.Store
	pool *pgxpool.Pool
}

func (s pgxStore) begin(ctx context.Context, f func(tx pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, s.pool, f)
}

// newPgxstore returns a store on a pool that calls acquired, unless that is nil, with
// each connection before it hands it out.
func newPgxstore(t *testing.T, s *server, conns int, wait time.Duration, acquired func(ctx context.Context, c *pgx.Conn) error) pgxStore {
	t.Helper()
	config, err := pgxpool.ParseConfig(s.dsn(s.port))
	if err != nil {
		t.Fatal(err)
	}
	config.MaxConns = int32(conns)
	if acquired != nil {
		config.PrepareConn = func(ctx context.Context, c *pgx.Conn) (bool, error) {
			err := acquired(ctx, c)
			return err == nil, err
		}
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	store, err := pgxstore.New(pool, options(wait))
	if err != nil {
		t.Fatal(err)
	}
	return pgxStore{store, pool}
}
