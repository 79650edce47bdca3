package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hookonce/hookonce/idempotency"
)

// errRolledBack means that the database has rolled the transaction back, and that the
// work did not return the error by which it said so.
var errRolledBack = errors.New("the transaction was rolled back under the work, which returned no error")

// finish keeps the result of the work and commits. Its outcome is KindCompleted if the
// server has committed, KindFailed if it has not because of what the work did or
// because the work took too long, and KindUnavailable if that is not known or says
// nothing of the work.
func (r *run) finish(ctx context.Context, t *transaction, result *idempotency.Result) idempotency.Outcome {
	err := r.prepare(ctx, t.tx, result)
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("%w: %w", errNotSent, ctx.Err())
	}
	if err == nil {
		err = t.commit(ctx)
	}
	switch {
	case err == nil:
		return idempotency.Outcome{Kind: idempotency.KindCompleted, Result: result}
	case errors.Is(err, errNotSent):
		return idempotency.Outcome{Kind: idempotency.KindFailed, Err: fmt.Errorf("%w: %w", idempotency.ErrTimeout, err)}
	case refused(r.store.dialect, err):
		return idempotency.Outcome{Kind: idempotency.KindFailed, Err: fmt.Errorf("commit: %w", err)}
	}
	return unavailable("commit", err)
}

// prepare does what is to be done before COMMIT. On MySQL it looks whether the record
// is still what the claim has made it: a deadlock rolls the transaction back, and if
// the work has swallowed that error, COMMIT of the nothing that is left would succeed.
// The other databases refuse it.
func (r *run) prepare(ctx context.Context, tx *sql.Tx, result *idempotency.Result) error {
	if result != nil {
		if err := r.keepResult(ctx, tx, result); err != nil {
			return fmt.Errorf("keep result: %w", err)
		}
	}
	if r.store.dialect != MySQL {
		return nil
	}
	err := r.store.withWait(ctx, func(ctx context.Context) error { return r.stands(ctx, tx) })
	if errors.Is(err, sql.ErrNoRows) || errors.Is(err, errNotOurs) {
		return errRolledBack
	}
	return err
}

// refused reports whether err, of COMMIT or of a statement of ours after the work,
// says that nothing was committed because of what the work did. This and the tables
// below are the one place that decides it; see also conflict, which comes first.
//
//	23xxx, SQLITE_CONSTRAINT        refused: a deferred constraint
//	25P02, the texts, errRolledBack refused: the work swallowed an error
//	25P03, 25P04                    refused: the work let the transaction idle, or run, too long
//	57014                           refused: a deferred trigger took too long
//	sql.ErrTxDone                   refused: the work called Commit or Rollback
//	conn busy, busy buffer          refused: the work left rows open
//	any other code of the server    refused
//	codes in notTheWork             unavailable: full, read-only, going down
//	no code, no known text          unknown: the connection was lost, no answer in time
func refused(d Dialect, err error) bool {
	if errors.Is(err, sql.ErrTxDone) || errors.Is(err, errRolledBack) {
		return true
	}
	if state := stateOf(err); d == PostgreSQL && state != "" {
		return !slices.ContainsFunc(notTheWork, func(class string) bool { return strings.HasPrefix(state, class) })
	}
	if hasNumber(d, err, func(int) bool { return true }) {
		return !hasNumber(d, err, func(n int) bool {
			if d == SQLite {
				return slices.Contains(sqliteNotTheWork, n&0xff) // of an extended code
			}
			return slices.Contains(mysqlNotTheWork, n)
		})
	}
	text := strings.ToLower(err.Error())
	return slices.ContainsFunc(refusals, func(s string) bool { return strings.Contains(text, s) })
}

// notTheWork are the classes of SQLSTATE, and states, that say nothing of the work; see
// https://www.postgresql.org/docs/current/errcodes-appendix.html
var notTheWork = []string{
	"08",             // connection_exception
	"25006",          // read_only_sql_transaction: the node is a standby now
	"26000", "42P05", // prepared statements of another session, behind a pooler
	"40003", // statement_completion_unknown
	"53",    // insufficient_resources, such as disk_full
	"57P",   // admin_shutdown, crash_shutdown, cannot_connect_now
	"58",    // system_error, such as io_error
	"F0",    // config_file_error
	"XX",    // internal_error, data_corrupted
}

// mysqlNotTheWork are the error numbers that say nothing of the work.
var mysqlNotTheWork = []int{
	1021, 1026, 1030, // disk full, error on write, error of the storage engine
	1037, 1038, 1041, // out of memory
	1047, 1053, // not ready for queries (Galera), shutting down
	1105, 1180, // unknown error, error during COMMIT
	1290, 1792, 1836, // read-only
	1317, 1927, 3169, // query or connection killed
}

// sqliteNotTheWork are the primary result codes that say nothing of the work; see
// https://www.sqlite.org/rescode.html
var sqliteNotTheWork = []int{
	7,      // SQLITE_NOMEM
	8,      // SQLITE_READONLY
	9,      // SQLITE_INTERRUPT
	10, 11, // SQLITE_IOERR, SQLITE_CORRUPT
	13, 14, // SQLITE_FULL, SQLITE_CANTOPEN
	15, 22, 26, // SQLITE_PROTOCOL, SQLITE_NOLFS, SQLITE_NOTADB
}

// refusals are errors that the drivers themselves make, in lower case.
var refusals = []string{
	"commit unexpectedly resulted in rollback",             // pgx: the work swallowed an error
	"could not complete operation in a failed transaction", // lib/pq: likewise
	"unexpected command tag rollback",                      // lib/pq: likewise
	"unexpected transaction status",                        // lib/pq: the work executed COMMIT or ROLLBACK
	"conn busy",                                            // pgx: the work left rows open
	"busy buffer",                                          // go-sql-driver/mysql: likewise
	"commands out of sync",                                 // go-sql-driver/mysql: likewise
}
