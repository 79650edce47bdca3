package records

import "strings"

// Unfit reports whether err says that the connection leads to a node that takes no
// writes, or that earlier work has left it with a role, or a mode, that may not write.
func (d Dialect) Unfit(err error) bool {
	// A standby refuses the READ WRITE in the BEGIN of lib/pq with feature_not_supported.
	return d.says(err, unfit) || d == PostgreSQL && HasState(err, "0A000") && !stalePlan(err)
}

// ReadOnly reports whether err says that the server takes no writes at all.
func (d Dialect) ReadOnly(err error) bool {
	is := func(c class) bool { return c&readOnly == readOnly }
	if d == PostgreSQL {
		return is(stateClass(StateOf(err)))
	}
	return d == MySQL && d.hasNumber(err, func(n int) bool { return is(numbers[n]) })
}

// MissingTable reports whether err says that the table of a query does not exist.
func (d Dialect) MissingTable(err error) bool {
	if d == SQLite {
		// SQLITE_ERROR is the code of every error in a statement.
		return err != nil && strings.Contains(err.Error(), "no such table")
	}
	return d.says(err, noTable)
}
