package sqlstore

import (
	"cmp"
	"context"
	"database/sql"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/internal/records"
)

// A database is a Store as a [records.Database].
type database struct{ s *Store }

func (d database) Pool() records.Conn { return d.s.pool() }

func (d database) Retry(ctx context.Context, f func(records.Conn) error) error {
	return d.s.retry(ctx, func(c conn) error { return f(d.s.on(c)) })
}

func (d database) OnConn(ctx context.Context, f func(records.Conn) error) error {
	return d.s.onConn(ctx, d.s.db, func(c conn) error { return f(d.s.on(c)) })
}

func (d database) Enter(ctx context.Context) (leave func(), err error) { return d.s.enter(ctx) }

func (d database) Begin(ctx context.Context, leave func(), p records.Purpose) (records.Transaction[*sql.Tx], error) {
	var o *sql.TxOptions
	switch {
	case p == records.ForRun:
		o = d.s.txOptions()
	case p == records.ForQueue && d.s.dialect != SQLite:
		o = &sql.TxOptions{Isolation: sql.LevelReadCommitted}
	}
	t, err := d.s.begin(ctx, o, leave)
	if err != nil {
		return nil, err
	}
	return t, nil
}

func (d database) WithTx(ctx context.Context, tx *sql.Tx) context.Context { return withTx(ctx, tx) }
func (d database) Shed(ctx context.Context, err error)                    { d.s.shed(ctx, err) }
func (d database) Observe(ctx context.Context, e idempotency.Event)       { d.s.Observe(ctx, e) }

// conn is what *sql.DB, *sql.Tx and *sql.Conn have in common.
type conn interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// on is c as a [records.Conn].
func (s *Store) on(c conn) records.Conn { return sqlConn{c, c == conn(s.db), s.dialect == MySQL} }

// pool is s.db as a [records.Conn].
func (s *Store) pool() records.Conn { return sqlConn{s.db, true, s.dialect == MySQL} }

type sqlConn struct {
	conn   conn
	alone  bool
	inText bool // the parameters of statements
}

// text returns a statement and its parameters as they are sent.
func (c sqlConn) text(query string, args []any) (string, []any) {
	if c.inText {
		return inText(query, args)
	}
	return query, args
}

func (c sqlConn) Alone() bool { return c.alone }

func (c sqlConn) QueryRow(ctx context.Context, query string, args ...any) records.Row {
	query, args = c.text(query, args)
	return c.conn.QueryRowContext(ctx, query, args...)
}

func (c sqlConn) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	query, args = c.text(query, args)
	res, err := c.conn.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	n, err := res.RowsAffected()
	return n, cmp.Or(err, ctx.Err())
}

func (c sqlConn) QueryKeys(ctx context.Context, query string, args ...any) (keys []idempotency.Key, err error) {
	query, args = c.text(query, args)
	rows, err := c.conn.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var scope, id []byte
		if err := rows.Scan(&scope, &id); err != nil {
			return nil, err
		}
		keys = append(keys, idempotency.Key{Scope: string(scope), ID: string(id)})
	}
	return keys, cmp.Or(rows.Err(), ctx.Err())
}

func (c sqlConn) QueryRows(ctx context.Context, query string, args []any, scan func(records.Row) error) error {
	query, args = c.text(query, args)
	rows, err := c.conn.QueryContext(ctx, query, args...)
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

// changed runs a statement on c and reports whether it has changed a row.
func (s *Store) changed(ctx context.Context, c conn, query string, args ...any) (bool, error) {
	return records.Changed(ctx, s.on(c), query, args...)
}
