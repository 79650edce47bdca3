package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hookonce/hookonce/idempotency"
)

// What the work can have done to its transaction, besides what the server says.
var (
	errEnded      = fmt.Errorf("the work ended the transaction: %w", sql.ErrTxDone)
	errRolledBack = errors.New("the transaction was rolled back under the work, which returned no error")
	errRowsOpen   = errors.New("the work left rows open on its transaction")
)

// finish keeps the result of the work and commits. Its outcome is KindCompleted if the
// server has committed, KindFailed if it has not because of what the work did or
// because the work took too long, and KindUnavailable if that is not known or says
// nothing of the work.
func (r *run) finish(ctx context.Context, t *transaction, result *idempotency.Result) idempotency.Outcome {
	err := r.prepare(ctx, t, result)
	if err != nil && ctx.Err() == nil {
		// Drivers say of a connection that is busy with rows that it is bad. If it
		// is, it cannot roll back, before which database/sql closes the rows.
		if errors.Is(err, driver.ErrBadConn) && t.tx.Rollback() == nil {
			err = errRowsOpen
		}
		return r.uncommitted(err, brokenByWork(r.store.dialect, err))
	}
	err = t.commit(ctx)
	switch {
	case err == nil:
		return idempotency.Outcome{Kind: idempotency.KindCompleted, Result: result}
	case errors.Is(err, errNotSent):
		return r.uncommitted(fmt.Errorf("%w: %w", idempotency.ErrTimeout, err), true)
	}
	return r.uncommitted(err, refused(r.store.dialect, err))
}

func (r *run) uncommitted(err error, failed bool) idempotency.Outcome {
	if failed {
		return idempotency.Outcome{Kind: idempotency.KindFailed, Err: fmt.Errorf("commit: %w", err)}
	}
	return unavailable("commit", err)
}

// prepare does what is to be done before COMMIT. On MySQL it looks whether the record
// is still what the claim has made it: a deadlock rolls the transaction back, and if
// the work has swallowed that error, COMMIT of the nothing that is left would succeed.
// The other databases refuse it.
func (r *run) prepare(ctx context.Context, t *transaction, result *idempotency.Result) error {
	if err := t.usable(); err != nil {
		return err
	}
	if result == nil && r.store.dialect != MySQL {
		return nil
	}
	ours := false
	err := r.store.withWait(ctx, func(ctx context.Context) (err error) {
		if result != nil {
			ours, err = r.keepResult(ctx, t.tx, result)
		} else {
			ours, err = r.stands(ctx, t.tx)
		}
		return err
	})
	if err == nil && !ours {
		return errRolledBack
	}
	return err
}

// refused reports whether err, of COMMIT, says that the server has committed nothing
// because of what the work did. This and the tables below are the one place that
// decides it; conflict, whose errors are retried, comes first.
//
//	23xxx, SQLITE_CONSTRAINT      failed: a deferred constraint
//	25P02, refusals, no record    failed: the work swallowed an error
//	25P03, 25P04                  failed: the work idled, or ran, for too long
//	sql.ErrTxDone                 failed: the work ended the transaction
//	errRowsOpen, refusals         failed: the work left rows open
//	42501, 42P01 and their like   failed: the work took another role, or another schema
//	any other code of the server  failed
//	the codes in notTheWork       unavailable: full, read-only, going down
//	all else                      unknown: a lost connection, no answer in time
func refused(d Dialect, err error) bool {
	coded := func(int) bool { return true }
	switch {
	case brokenByWork(d, err):
		return true
	case d == PostgreSQL:
		state := stateOf(err)
		return state != "" && !slices.ContainsFunc(notTheWork, func(class string) bool { return strings.HasPrefix(state, class) })
	case d == SQLite:
		return hasNumber(d, err, coded) &&
			!hasNumber(d, err, func(n int) bool { return slices.Contains(sqliteNotTheWork, n&0xff) }) // of an extended code
	}
	return hasNumber(d, err, coded) &&
		!hasNumber(d, err, func(n int) bool { return slices.Contains(mysqlNotTheWork, n) })
}

// brokenByWork reports whether err, of COMMIT or of a statement of ours before it, says
// that the work has left a transaction that cannot be committed. Other errors of such a
// statement are ours.
func brokenByWork(d Dialect, err error) bool {
	switch {
	case errors.Is(err, sql.ErrTxDone) || errors.Is(err, errRolledBack) || errors.Is(err, errRowsOpen):
		return true
	case d == PostgreSQL && stateOf(err) != "":
		return slices.Contains(brokenStates, stateOf(err))
	case d == MySQL && hasNumber(d, err, func(n int) bool { return slices.Contains(mysqlBroken, n) }):
		return true
	}
	text := strings.ToLower(err.Error())
	return slices.ContainsFunc(refusals, func(s string) bool { return strings.Contains(text, s) })
}

// brokenStates are the SQLSTATEs of brokenByWork. The claim found the table, and had the
// right to write to it.
var brokenStates = []string{
	"25P02",          // in_failed_sql_transaction
	"25P03",          // idle_in_transaction_session_timeout
	"25P04",          // transaction_timeout
	"3F000", "42P01", // invalid_schema_name, undefined_table
	"42501", // insufficient_privilege
}

// mysqlBroken are the error numbers of brokenByWork, for the same reasons.
var mysqlBroken = []int{
	1044, 1142, 1143, // access denied to a database, a table, a column
	1046, mysqlNoDatabase, mysqlNoTable, // no database selected
}

// notTheWork are the classes of SQLSTATE, and states, that say nothing of the work; see
// https://www.postgresql.org/docs/current/errcodes-appendix.html
var notTheWork = []string{
	"08",    // connection_exception
	"25006", // read_only_sql_transaction: the node is a standby now
	"40003", // statement_completion_unknown
	"53",    // insufficient_resources, such as disk_full
	"57014", // query_canceled, by an administrator
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
	"already a query being processed on this connection",   // lib/pq: the work left rows open
	"conn busy",            // pgx: likewise
	"busy buffer",          // go-sql-driver/mysql: likewise
	"commands out of sync", // go-sql-driver/mysql: likewise
}
