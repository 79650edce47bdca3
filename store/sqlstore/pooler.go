package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hookonce/hookonce/store/internal/records"
)

// poolerWait is how long checkPooler waits for a second connection: a pool of one has
// none.
const poolerWait = time.Second

// checkPooler finds a pooler in transaction mode in front of PostgreSQL, such as
// PgBouncer, over which the driver keeps prepared statements that the next server
// connection does not have. A statement is run on one connection; a transaction on
// another takes the server's connection away, since poolers hand out the one that was
// used last; and the statement is run again.
func (s *Store) checkPooler(ctx context.Context) error {
	if s.dialect != PostgreSQL {
		return nil
	}
	query := func(c conn) error {
		var ignored any
		return c.QueryRowContext(ctx, "SELECT $1::int", 1).Scan(&ignored)
	}
	first, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer first.Close()
	if err := query(first); err != nil {
		return s.poolerError(err)
	}
	bounded, cancel := context.WithTimeout(ctx, poolerWait)
	defer cancel()
	second, err := s.db.Conn(bounded)
	if err != nil {
		return ctx.Err() // nil: a pool of one connection
	}
	defer second.Close()
	tx, err := second.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := query(tx); err != nil {
		return s.poolerError(err)
	}
	return s.poolerError(query(first))
}

// poolerError explains the errors about prepared statements: 26000
// (invalid_sql_statement_name) and 42P05 (duplicate_prepared_statement).
func (s *Store) poolerError(err error) error {
	if !records.HasState(err, "26000") && !records.HasState(err, "42P05") {
		return err
	}
	return fmt.Errorf("%w: %w", errPooler, err)
}

var errPooler = errors.New("a pooler in transaction mode loses the driver's prepared statements: " +
	"with pgx set default_query_exec_mode=exec (or simple_protocol, or cache_describe) in the data source name, " +
	"with lib/pq binary_parameters=yes, or use the pooler in session mode")
