package sqlstep

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/hookonce/hookonce/store/sqlstore"
)

// transact calls f with the transaction that ctx carries, or with one of its own.
func (s *Store) transact(ctx context.Context, f func(tx *sql.Tx) error) error {
	if tx, ok := sqlstore.Tx(ctx); ok {
		return f(tx)
	}
	tx, err := s.db.BeginTx(ctx, s.isolation())
	if err != nil {
		return fmt.Errorf("sqlstep: begin: %w", err)
	}
	defer tx.Rollback() // does nothing after Commit; covers a panic of f
	if err := f(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("sqlstep: commit: %w", err)
	}
	return nil
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

// query reads in the transaction that ctx carries, so that it sees what that has
// written and does not wait for a second connection.
func (s *Store) query(ctx context.Context, statement string, args ...any) (*sql.Rows, error) {
	if tx, ok := sqlstore.Tx(ctx); ok {
		return tx.QueryContext(ctx, statement, args...)
	}
	return s.db.QueryContext(ctx, statement, args...)
}
