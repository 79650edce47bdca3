package sqlstore

import (
	"context"
	"database/sql"
	"strings"
)

// sql returns the statements to run in a transaction.
func (s *Store) sql() *statements { return &s.texts.Load().inTx }

// on returns the statements to run on c.
func (s *Store) on(c conn) *statements {
	if c == conn(s.db) {
		return &s.texts.Load().alone
	}
	return s.sql()
}

// locate finds out, once, in which schema the table is, and qualifies its name with it.
// The work may change search_path, or the current database, for its transaction or for
// good; what the store does afterwards must find the same table, or an event would have
// a record in each of two.
//
// An error is not returned: the statement that comes next meets it too. Nor does it break
// a transaction of the caller's, in which it may run: a table that does not exist is no
// error here.
func (s *Store) locate(ctx context.Context, c conn) {
	if s.located.Load() || s.sql().locate == "" {
		return
	}
	var schema sql.NullString
	var packet int64
	err := c.QueryRowContext(ctx, s.sql().locate).Scan(&schema, &packet)
	if err != nil {
		return
	}
	s.maxPacket.Store(packet)
	qualified := strings.Contains(s.o.Table, ".")
	if schema.String != "" && !qualified {
		s.texts.Store(textsOf(s.dialect, schema.String+"."+s.o.Table, s.o.Wait))
		qualified = true
	}
	s.located.Store(qualified)
}
