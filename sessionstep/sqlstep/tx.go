package sqlstep

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/hookonce/hookonce/sessionstep/internal/join"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// transact calls f with the transaction that ctx carries, or with one of its own, and
// shows the observer what f has changed.
func (s *Store) transact(ctx context.Context, f func(tx join.Conn) (*draft, error)) error {
	if tx, ok := joined(ctx); ok {
		return s.in(ctx, tx, f)
	}
	tx, err := s.db.BeginTx(ctx, s.isolation())
	if err != nil {
		return fmt.Errorf("sqlstep: begin: %w", err)
	}
	defer tx.Rollback() // does nothing after Commit; covers a panic of f
	d, err := f(conn{tx})
	if err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("sqlstep: commit: %w", err)
	}
	s.observed(ctx, d)
	return nil
}

// in calls f with a transaction that the caller commits.
func (s *Store) in(ctx context.Context, tx join.Conn, f func(tx join.Conn) (*draft, error)) error {
	d, err := f(tx)
	if err != nil {
		return err
	}
	s.observed(ctx, d)
	return nil
}

func (s *Store) observed(ctx context.Context, d *draft) {
	if d == nil || s.observe == nil {
		return
	}
	for _, c := range d.changes() {
		s.observe(ctx, d.id, c)
	}
}

// joined returns the transaction that ctx carries.
func joined(ctx context.Context) (join.Conn, bool) {
	if tx, ok := join.From(ctx); ok {
		return tx, true
	}
	tx, ok := sqlstore.Tx(ctx)
	return conn{tx}, ok
}

// isolation is READ COMMITTED where there is a choice. With the session's row locked
// it is enough, and a higher default of the server or the pool would turn waiting
// into serialization failures, which are not retried here.
func (s *Store) isolation() *sql.TxOptions {
	if s.dialect == sqlstore.SQLite {
		return nil
	}
	return &sql.TxOptions{Isolation: sql.LevelReadCommitted}
}

// reader returns the transaction that ctx carries, so that a read sees what that has
// written and does not wait for a second connection; without one, the database.
func (s *Store) reader(ctx context.Context) join.Conn {
	if tx, ok := joined(ctx); ok {
		return tx
	}
	return conn{s.db}
}

// A conn is a *sql.DB or a *sql.Tx as a [join.Conn].
type conn struct {
	on interface {
		ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
		QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	}
}

func (c conn) Exec(ctx context.Context, query string, args ...any) error {
	_, err := c.on.ExecContext(ctx, query, args...)
	return err
}

func (c conn) Query(ctx context.Context, query string, args []any, each func(join.Row) error) error {
	rows, err := c.on.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
