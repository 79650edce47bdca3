package records

import (
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// What the work can have done to its transaction, besides what the server says.
var (
	ErrEnded      = fmt.Errorf("the work ended the transaction: %w", sql.ErrTxDone)
	errRolledBack = errors.New("the transaction was rolled back under the work, which returned no error")
	ErrRowsOpen   = errors.New("the work left rows open on its transaction")
)

// Refused reports whether err, of COMMIT, says that the server has committed nothing
// because of what the work did. This and the tables below are the one place that
// decides it; Conflict, whose errors are retried, comes first.
//
//	23xxx, SQLITE_CONSTRAINT      failed: a deferred constraint
//	25P02, refusals, no record    failed: the work swallowed an error
//	25P03, 25P04                  failed: the work idled, or ran, for too long
//	sql.ErrTxDone                 failed: the work ended the transaction
//	ErrRowsOpen, refusals         failed: the work left rows open
//	42501, 42P01 and their like   failed: the work took another role, or another schema
//	any other code of the server  failed
//	the codes in notTheWork       unavailable: full, read-only, going down
//	all else                      unknown: a lost connection, no answer in time
func (d Dialect) Refused(err error) bool {
	coded := func(int) bool { return true }
	switch {
	case d.brokenByWork(err):
		return true
	case d == PostgreSQL:
		state := StateOf(err)
		return state != "" && !slices.ContainsFunc(notTheWork, func(class string) bool { return strings.HasPrefix(state, class) })
	case d == SQLite:
		return d.hasNumber(err, coded) &&
			!d.hasNumber(err, func(n int) bool { return slices.Contains(sqliteNotTheWork, n&0xff) }) // of an extended code
	}
	return d.hasNumber(err, coded) &&
		!d.hasNumber(err, func(n int) bool { return slices.Contains(mysqlNotTheWork, n) })
}

// brokenByWork reports whether err, of COMMIT or of a statement of ours before it, says
// that the work has left a transaction that cannot be committed. Other errors of such a
// statement are ours.
func (d Dialect) brokenByWork(err error) bool {
	switch {
	case errors.Is(err, sql.ErrTxDone) || errors.Is(err, errRolledBack) || errors.Is(err, ErrRowsOpen):
		return true
	case d == PostgreSQL && StateOf(err) != "":
		return slices.Contains(brokenStates, StateOf(err))
	case d == MySQL && d.hasNumber(err, func(n int) bool { return slices.Contains(mysqlBroken, n) }):
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
