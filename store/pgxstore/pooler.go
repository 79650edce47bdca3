package pgxstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// checkMode finds the mode in which a pooler in transaction mode, such as PgBouncer, makes
// pgx execute other statements than it has prepared, now and then: QueryExecModeDescribeExec
// prepares a statement in one round trip and executes it in the next, and in between
// another client may have prepared its own on the same connection to the server. That a
// pooler loses QueryExecModeCacheStatement's named statements is found by sqlstore.
func (s *Store) checkMode(ctx context.Context) error {
	if s.pool.Config().ConnConfig.DefaultQueryExecMode != pgx.QueryExecModeDescribeExec {
		return nil
	}
	pooled, err := s.pooled(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("pgxstore: check: looking for a pooler: %w", err)
	case pooled:
		return errDescribeExec
	}
	return nil
}

var errDescribeExec = errors.New("pgxstore: check: behind a pooler in transaction mode, " +
	"pgx's describe_exec executes statements of others: set default_query_exec_mode=exec " +
	"(or simple_protocol, or cache_describe) in the connection string, or use the pooler in session mode")

// poolerWait is how long pooled waits for a second connection: a pool of one has none.
const poolerWait = time.Second

// pooled reports whether a connection of the pool is not one of the server's: a second one
// has the process that the first had, or takes it away.
func (s *Store) pooled(ctx context.Context) (bool, error) {
	first, err := s.pool.Acquire(ctx)
	if err != nil {
		return false, err
	}
	defer first.Release()
	before, err := process(ctx, first)
	if err != nil {
		return false, err
	}
	bounded, cancel := context.WithTimeout(ctx, poolerWait)
	defer cancel()
	second, err := s.pool.Acquire(bounded)
	if err != nil {
		return false, ctx.Err() // nil: a pool of one connection
	}
	defer second.Release()
	tx, err := second.Begin(ctx)
	if err != nil {
		return false, err
	}
	defer tx.Rollback(ctx)
	other, err := process(ctx, tx)
	if err != nil {
		return false, err
	}
	after, err := process(ctx, first)
	return other == before || after != before, err
}

// process returns the ID of the server's process that a connection talks to.
func process(ctx context.Context, c interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}) (pid uint32, err error) {
	err = c.QueryRow(ctx, "SELECT pg_backend_pid()", pgx.QueryExecModeSimpleProtocol).Scan(&pid)
	return pid, err
}
