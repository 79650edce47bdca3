package records

// A class is what an error of the server says. This file is the one place that decides
// it, for PostgreSQL and MySQL and for the engines that speak as they do. The codes of
// those that were never run are their makers'; .github/ENGINES.md says which these are.
type class uint8

const (
	conflict  class = 1 << iota // rolled back because of another transaction: again, from BEGIN
	waited                      // a lock was not acquired in time
	unfit                       // the connection is on a node, or in a mode, that takes no writes
	blameless                   // of COMMIT: it says nothing of the work, or not what became of it
	broken                      // of COMMIT, or of our last statement before: the work's doing
	noTable                     // the table does not exist

	readOnly = unfit | blameless
)

// states are the classes of SQLSTATEs, and of those that begin so; see
// https://www.postgresql.org/docs/current/errcodes-appendix.html
var states = map[string]class{
	"08":    blameless,          // connection_exception
	"25006": readOnly,           // read_only_sql_transaction: the node is a standby now
	"25P02": broken,             // in_failed_sql_transaction
	"25P03": broken,             // idle_in_transaction_session_timeout
	"25P04": broken,             // transaction_timeout
	"3F000": broken | noTable,   // invalid_schema_name; the claim found the table
	"42501": unfit | broken,     // insufficient_privilege; the claim had the right
	"42P01": broken | noTable,   // undefined_table
	"53":    blameless,          // insufficient_resources, such as disk_full
	"55P03": waited,             // lock_not_available
	"57014": waited | blameless, // query_canceled; of COMMIT, by an administrator
	"57P":   blameless,          // admin_shutdown, crash_shutdown, cannot_connect_now
	"58":    blameless,          // system_error, such as io_error
	"F0":    blameless,          // config_file_error
	"XX":    blameless,          // internal_error, data_corrupted; of CockroachDB, all that has no other

	// serialization_failure; see
	// https://www.postgresql.org/docs/current/mvcc-serialization-failure-handling.html
	// CockroachDB and YugabyteDB restart transactions with it, Aurora DSQL has it for
	// OC000 and OC001, Spanner's PGAdapter for ABORTED, all of them also at COMMIT:
	// https://www.cockroachlabs.com/docs/stable/transaction-retry-error-reference
	// https://docs.yugabyte.com/stable/develop/learn/transactions/transactions-errorcodes-ysql/
	// https://docs.aws.amazon.com/aurora-dsql/latest/userguide/working-with-concurrency-control.html
	"40001": conflict,
	"40P01": conflict, // deadlock_detected

	// statement_completion_unknown: CockroachDB's "result is ambiguous", of which it
	// says that the transaction may have been committed:
	// https://www.cockroachlabs.com/docs/stable/common-errors#result-is-ambiguous
	"40003": blameless,
}

// numbers are the classes of the error numbers of MySQL and MariaDB; see
// https://dev.mysql.com/doc/mysql-errors/8.0/en/server-error-reference.html
var numbers = map[int]class{
	1020: conflict,           // ER_CHECKREAD, of MariaDB's snapshot isolation
	1205: waited | blameless, // ER_LOCK_WAIT_TIMEOUT; the transaction stays open
	1213: conflict,           // ER_LOCK_DEADLOCK; the transaction is rolled back
	1969: waited,             // ER_STATEMENT_TIMEOUT, of MariaDB's max_statement_time
	3101: conflict,           // ER_TRANSACTION_ROLLBACK_DURING_COMMIT, of group replication

	1021: blameless, 1026: blameless, 1030: blameless, // disk full, error on write, error of the storage engine
	1037: blameless, 1038: blameless, 1041: blameless, // out of memory; of Vitess, throttled
	1047: readOnly,  // ER_UNKNOWN_COM_ERROR: a Galera node outside of its cluster
	1053: blameless, // ER_SERVER_SHUTDOWN
	1105: blameless, // ER_UNKNOWN_ERROR; of Vitess, also a transaction that took too long
	1180: blameless, // ER_ERROR_DURING_COMMIT
	1203: blameless, // ER_TOO_MANY_USER_CONNECTIONS; of Vitess, a pool is exhausted
	1290: readOnly,  // ER_OPTION_PREVENTS_STATEMENT: read-only
	1317: blameless, // ER_QUERY_INTERRUPTED; of Vitess, what gRPC calls Aborted and Canceled
	1792: readOnly,  // ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION
	1836: readOnly,  // ER_READ_ONLY_MODE
	1927: blameless, // ER_CONNECTION_KILLED
	3169: blameless, // ER_SESSION_WAS_KILLED

	1044: broken, 1143: broken, // access denied to a database, to a column
	1046: broken,           // no database selected
	1049: broken | noTable, // ER_BAD_DB_ERROR
	1142: unfit | broken,   // ER_TABLEACCESS_DENIED_ERROR
	1146: broken | noTable, // ER_NO_SUCH_TABLE

	// TiDB's own; see https://docs.pingcap.com/tidb/stable/error-codes
	8002: conflict,                                    // a transaction with FOR UPDATE met one at COMMIT
	8005: conflict,                                    // write conflict: the transaction's start is stale
	8022: conflict,                                    // COMMIT failed and was rolled back
	8027: blameless,                                   // the server's schema is outdated
	8028: conflict,                                    // the table was altered
	9001: blameless, 9002: blameless, 9003: blameless, // timeouts of PD and TiKV, TiKV is busy
	9004: blameless, 9005: blameless, // locks are not resolved in time, a region is away
	9007: conflict, // write conflict
}

// stateClass returns the class of a SQLSTATE: of its own, or of those that begin as it does.
func stateClass(state string) class {
	for _, n := range []int{5, 3, 2} {
		if c, ok := states[state[:min(n, len(state))]]; ok {
			return c
		}
	}
	return 0
}

// says reports whether an error of d's server in err's tree is of class c.
func (d Dialect) says(err error, c class) bool {
	switch d {
	case PostgreSQL:
		return anyError(err, func(err error) bool {
			e, ok := err.(interface{ SQLState() string })
			return ok && stateClass(e.SQLState())&c != 0
		})
	case MySQL:
		return d.hasNumber(err, func(n int) bool { return numbers[n]&c != 0 })
	}
	return false
}
