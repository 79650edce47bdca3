package sqltest_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/hookonce/hookonce/store/sqlstore"
)

// A standIn is a driver around that of a real database, which answers as an engine does
// that cannot be had for these tests. It tests what we make of the answers; that they are
// the engine's is its documentation's word.
type standIn struct {
	driver.Connector

	mu      sync.Mutex
	faults  []fault
	answers map[string][]driver.Value // rows, by a part of the query
	closed  int
}

// A fault is an error in place of an answer, once.
type fault struct {
	at      string // a part of the statement, or "COMMIT"
	err     error
	applied bool // the statement, or COMMIT, is done all the same
	hang    bool // there is no answer until the context ends
}

// take returns the fault that query meets.
func (s *standIn) take(query string) (f fault, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.faults, func(f fault) bool { return strings.Contains(query, f.at) })
	if i < 0 {
		return fault{}, false
	}
	f = s.faults[i]
	s.faults = slices.Delete(s.faults, i, i+1)
	return f, true
}

// fail makes the next statements, or COMMITs, meet f.
func (s *standIn) fail(f fault, times int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = slices.Repeat([]fault{f}, times)
}

func (s *standIn) connectionsClosed() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// newStandIn returns a database by its own driver, and the same by a standIn.
func newStandIn(t *testing.T, d sqlstore.Dialect) (plain, db *sql.DB, s *standIn) {
	t.Helper()
	s = &standIn{}
	if d == sqlstore.MySQL {
		plain = openMariaDB(t)
		s.Connector = connectorTo(t, plain)
	} else {
		dsn := newPostgreSQL(t)
		plain = open(t, "pgx", dsn)
		connector, err := stdlib.GetDefaultDriver().(driver.DriverContext).OpenConnector(dsn)
		if err != nil {
			t.Fatal(err)
		}
		s.Connector = connector
	}
	db = sql.OpenDB(s)
	t.Cleanup(func() { db.Close() })
	return plain, db, s
}

func (s *standIn) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := s.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &standInConn{c.(standInDriver), s}, nil
}

// standInDriver is what the connections of both drivers can do.
type standInDriver interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.NamedValueChecker
	driver.SessionResetter
}

type standInConn struct {
	standInDriver
	s *standIn
}

// IsValid is go-sql-driver's; pgx has none.
func (c *standInConn) IsValid() bool {
	v, ok := c.standInDriver.(driver.Validator)
	return !ok || v.IsValid()
}

func (c *standInConn) Close() error {
	c.s.mu.Lock()
	c.s.closed++
	c.s.mu.Unlock()
	return c.standInDriver.Close()
}

func (c *standInConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	f, ok := c.s.take(query)
	if !ok {
		return c.standInDriver.ExecContext(ctx, query, args)
	}
	if f.hang {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if f.applied {
		if _, err := c.standInDriver.ExecContext(ctx, query, args); err != nil {
			return nil, err
		}
	}
	return nil, f.err
}

func (c *standInConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	for part, row := range c.s.answers {
		if strings.Contains(query, part) {
			return &oneRow{row: row}, nil
		}
	}
	f, ok := c.s.take(query)
	if !ok {
		return c.standInDriver.QueryContext(ctx, query, args)
	}
	if f.hang {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if f.applied {
		rows, err := c.standInDriver.QueryContext(ctx, query, args)
		if err != nil {
			return nil, err
		}
		defer rows.Close()
		row := make([]driver.Value, len(rows.Columns()))
		for err == nil {
			err = rows.Next(row)
		}
		if err != io.EOF {
			return nil, err
		}
	}
	return nil, f.err
}

// oneRow is a result of one row.
type oneRow struct {
	row  []driver.Value
	read bool
}

func (r *oneRow) Columns() []string { return make([]string, len(r.row)) }
func (r *oneRow) Close() error      { return nil }

func (r *oneRow) Next(dest []driver.Value) error {
	if r.read {
		return io.EOF
	}
	copy(dest, r.row)
	r.read = true
	return nil
}

func (c *standInConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	tx, err := c.standInDriver.BeginTx(ctx, o)
	return standInTx{tx, c.s}, err
}

type standInTx struct {
	driver.Tx
	s *standIn
}

func (tx standInTx) Commit() error {
	f, ok := tx.s.take("COMMIT")
	switch {
	case !ok:
		return tx.Tx.Commit()
	case f.applied:
		return errors.Join(tx.Tx.Commit(), f.err)
	}
	return errors.Join(tx.Tx.Rollback(), f.err)
}

func pgError(state, message string) error {
	return &pgconn.PgError{Severity: "ERROR", Code: state, Message: message}
}

func mysqlError(number uint16, message string) error {
	return &mysql.MySQLError{Number: number, Message: message}
}
