package records

import (
	"context"
	"database/sql"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hookonce/hookonce/idempotency"
)

// A Conn is what statements run on.
type Conn interface {
	// Exec runs a statement and returns how many rows it has changed. It must
	// return ctx's error if ctx has ended: PostgreSQL keeps a change whose wait for
	// a synchronous standby was canceled, which lib/pq takes for success.
	Exec(ctx context.Context, query string, args ...any) (int64, error)

	// QueryRow reads one row. Without one, the error of Scan wraps [sql.ErrNoRows].
	QueryRow(ctx context.Context, query string, args ...any) Row

	// QueryKeys reads rows of a scope and an ID.
	QueryKeys(ctx context.Context, query string, args ...any) ([]idempotency.Key, error)

	// QueryRows calls scan for each row.
	QueryRows(ctx context.Context, query string, args []any, scan func(Row) error) error

	// Alone reports whether each statement is committed by itself.
	Alone() bool
}

// A Row is the answer to a query.
type Row interface{ Scan(dest ...any) error }

// Changed runs a statement on c and reports whether it has changed a row.
func Changed(ctx context.Context, c Conn, query string, args ...any) (bool, error) {
	n, err := c.Exec(ctx, query, args...)
	return err == nil && n > 0, err
}

// A Table is a table of records. Create one with [NewTable].
type Table struct {
	Dialect Dialect
	Name    string
	Wait    time.Duration // for another transaction
	Privacy Privacy       // of payloads

	texts      atomic.Pointer[texts]
	located    atomic.Bool  // the names in texts are qualified
	maxPacket  atomic.Int64 // of a MySQL server, in bytes; 0 until it is known
	duplicates atomic.Bool  // the latest claim was a duplicate
}

// NewTable returns a Table. Its error begins with the name of package who.
func NewTable(who string, d Dialect, name string, wait time.Duration) (*Table, error) {
	if err := CheckTable(who, d, name); err != nil {
		return nil, err
	}
	t := &Table{Dialect: d, Name: name, Wait: wait}
	t.texts.Store(textsOf(d, name, wait, false))
	return t, nil
}

// SQL returns the statements to run in a transaction.
func (t *Table) SQL() *Statements { return &t.texts.Load().inTx }

// on returns the statements to run on c.
func (t *Table) on(c Conn) *Statements {
	if c.Alone() {
		return &t.texts.Load().alone
	}
	return t.SQL()
}

// Locate finds out, once, in which schema the table is, and qualifies its name with it.
// The work may change search_path, or the current database, for its transaction or for
// good; what the store does afterwards must find the same table, or an event would have
// a record in each of two.
//
// An error is not returned: the statement that comes next meets it too. Nor does it break
// a transaction of the caller's, in which it may run: a table that does not exist is no
// error here.
func (t *Table) Locate(ctx context.Context, c Conn) {
	if t.located.Load() || t.SQL().Locate == "" {
		return
	}
	var schema sql.NullString
	var packet int64
	var noShare bool
	err := c.QueryRow(ctx, t.SQL().Locate).Scan(&schema, &packet, &noShare)
	if err != nil {
		return
	}
	t.maxPacket.Store(packet)
	name, qualified := t.Name, strings.Contains(t.Name, ".")
	if schema.String != "" && !qualified {
		name, qualified = schema.String+"."+name, true
	}
	if name != t.Name || noShare {
		t.texts.Store(textsOf(t.Dialect, name, t.Wait, noShare))
	}
	t.located.Store(qualified)
}

// sawDuplicate notes whether the latest claim was a duplicate.
func (t *Table) sawDuplicate(yes bool) {
	if t.duplicates.Load() != yes {
		t.duplicates.Store(yes)
	}
}
