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
// because of what the work did. Conflict, whose errors are retried, comes first.
//
//	23xxx, SQLITE_CONSTRAINT      failed: a deferred constraint
//	25P02, refusals, no record    failed: the work swallowed an error
//	25P03, 25P04                  failed: the work idled, or ran, for too long
//	sql.ErrTxDone                 failed: the work ended the transaction
//	ErrRowsOpen, refusals         failed: the work left rows open
//	42501, 42P01 and their like   failed: the work took another role, or another schema
//	any other code of the server  failed
//	the codes that are blameless  unavailable: full, read-only, going down
//	all else                      unknown: a lost connection, no answer in time
func (d Dialect) Refused(err error) bool {
	coded := func(int) bool { return true }
	switch {
	case d.brokenByWork(err):
		return true
	case d == PostgreSQL:
		state := StateOf(err)
		return state != "" && stateClass(state)&blameless == 0
	case d == SQLite:
		return d.hasNumber(err, coded) &&
			!d.hasNumber(err, func(n int) bool { return slices.Contains(sqliteNotTheWork, n&0xff) }) // of an extended code
	}
	return d.hasNumber(err, coded) && !d.says(err, blameless)
}

// brokenByWork reports whether err, of COMMIT or of a statement of ours before it, says
// that the work has left a transaction that cannot be committed. Other errors of such a
// statement are ours.
func (d Dialect) brokenByWork(err error) bool {
	switch {
	case errors.Is(err, sql.ErrTxDone) || errors.Is(err, errRolledBack) || errors.Is(err, ErrRowsOpen):
		return true
	case d == PostgreSQL && StateOf(err) != "":
		return stateClass(StateOf(err))&broken != 0
	case d == MySQL && d.says(err, broken):
		return true
	}
	text := strings.ToLower(err.Error())
	return slices.ContainsFunc(refusals, func(s string) bool { return strings.Contains(text, s) })
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
