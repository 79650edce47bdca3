package pgxstore

import (
	"cmp"
	"context"
	"database/sql"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/internal/records"
)

// A database is a Store as a [records.Database].
type database struct{ s *Store }

func (d database) Pool() records.Conn { return conn{d.s.pool, true} }

func (d database) Retry(ctx context.Context, f func(records.Conn) error) error {
	return d.s.engine.Table.RetryConflicts(ctx, func() error { return f(d.Pool()) })
}

func (d database) OnConn(ctx context.Context, f func(records.Conn) error) error { return f(d.Pool()) }

// Enter implements [records.Database]. Of the pool, runs leave one connection to others:
// to work that needs a second one, which would wait forever if all were held by such
// work, and to what is recorded after a failure. A run within the work of another holds
// a connection of that one's share.
func (d database) Enter(ctx context.Context) (leave func(), err error) {
	slots := d.s.slots
	if _, nested := Tx(ctx); slots == nil || nested {
		return func() {}, nil
	}
	select {
	case slots <- struct{}{}:
		return func() { <-slots }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (d database) Begin(ctx context.Context, leave func(), p records.Purpose) (records.Transaction[pgx.Tx], error) {
	begin := "BEGIN"
	switch p {
	case records.ForRun:
		begin = d.s.begin
	case records.ForQueue:
		begin = begins[sql.LevelReadCommitted]
	}
	return beginTransaction(ctx, d.s.pool, begin, leave)
}

func (d database) WithTx(ctx context.Context, tx pgx.Tx) context.Context { return withTx(ctx, tx) }
func (d database) Observe(ctx context.Context, e idempotency.Event)      { d.s.Observe(ctx, e) }
func (d database) Shed(_ context.Context, err error)                     { d.s.shed(err) }

// shedInterval is how often the connections of the pool are replaced, at most.
const shedInterval = 500 * time.Millisecond

// shed has the pool close its connections, each when it is idle, if err says that one is
// unfit: after a failover the pool goes on with those to the node that was the primary,
// as they are alive. It bounds how often, for a database that is read-only as a whole.
func (s *Store) shed(err error) {
	if err == nil || !s.engine.Table.Dialect.Unfit(err) {
		return
	}
	last, now := s.shedAt.Load(), time.Now().UnixNano()
	if now-last >= int64(shedInterval) && s.shedAt.CompareAndSwap(last, now) {
		s.pool.Reset()
	}
}

// queries is what a pool and a transaction have in common.
type queries interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// A conn is a pool or a transaction as a [records.Conn].
type conn struct {
	on    queries
	alone bool
}

func (c conn) Alone() bool { return c.alone }

func (c conn) QueryRow(ctx context.Context, query string, args ...any) records.Row {
	return c.on.QueryRow(ctx, query, args...)
}

func (c conn) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	tag, err := c.on.Exec(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return tag.RowsAffected(), cmp.Or(err, ctx.Err())
}

func (c conn) QueryKeys(ctx context.Context, query string, args ...any) ([]idempotency.Key, error) {
	rows, err := c.on.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (idempotency.Key, error) {
		var scope, id []byte
		err := row.Scan(&scope, &id)
		return idempotency.Key{Scope: string(scope), ID: string(id)}, err
	})
}

func (c conn) QueryRows(ctx context.Context, query string, args []any, scan func(records.Row) error) error {
	rows, err := c.on.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return cmp.Or(rows.Err(), ctx.Err())
}
