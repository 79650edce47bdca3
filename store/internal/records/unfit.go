package records

import (
	"slices"
	"strings"
)

// Unfit reports whether err says that the connection leads to a node that takes no
// writes, or that earlier work has left it with a role, or a mode, that may not write.
func (d Dialect) Unfit(err error) bool {
	switch d {
	case PostgreSQL:
		// read_only_sql_transaction; insufficient_privilege; and of lib/pq, whose BEGIN
		// says READ WRITE, feature_not_supported.
		return HasState(err, "25006") || HasState(err, "42501") || HasState(err, "0A000") && !stalePlan(err)
	case MySQL:
		return d.hasNumber(err, func(n int) bool { return slices.Contains(mysqlUnfit, n) })
	}
	return false
}

// mysqlUnfit are the error numbers of Unfit.
var mysqlUnfit = []int{
	1047,             // ER_UNKNOWN_COM_ERROR: a Galera node outside of its cluster
	1142,             // ER_TABLEACCESS_DENIED_ERROR
	1290, 1792, 1836, // read-only: an option, the transaction, the server
}

// MissingTable reports whether err says that the table of a query does not exist.
func (d Dialect) MissingTable(err error) bool {
	switch d {
	case PostgreSQL:
		return HasState(err, "42P01") || HasState(err, "3F000") // undefined_table, invalid_schema_name
	case MySQL:
		return d.hasNumber(err, func(n int) bool { return n == mysqlNoTable || n == mysqlNoDatabase })
	case SQLite:
		// SQLITE_ERROR is the code of every error in a statement.
		return err != nil && strings.Contains(err.Error(), "no such table")
	}
	return false
}

// Error numbers of MySQL and MariaDB.
const (
	mysqlNoDatabase = 1049 // ER_BAD_DB_ERROR
	mysqlNoTable    = 1146 // ER_NO_SUCH_TABLE
)
