package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"testing"
)

// dying is a connection that does not outlive a transaction that is rolled back.
type dying struct{}

func (d dying) Connect(context.Context) (driver.Conn, error) { return d, nil }
func (d dying) Driver() driver.Driver                        { return nil }
func (d dying) Prepare(string) (driver.Stmt, error)          { return nil, driver.ErrSkip }
func (d dying) Begin() (driver.Tx, error)                    { return d, nil }
func (d dying) Close() error                                 { return nil }
func (d dying) Commit() error                                { return nil }
func (d dying) Rollback() error                              { return driver.ErrBadConn }

// A connection may be asked for while database/sql closes it.
func TestRaw_ConnectionClosing(t *testing.T) {
	t.Parallel()
	db := sql.OpenDB(dying{})
	defer db.Close()
	for range 2_000 {
		ctx, cancel := context.WithCancel(t.Context())
		c, err := db.Conn(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.BeginTx(ctx, nil); err != nil {
			t.Fatal(err)
		}
		cancel()
		for err == nil {
			err = raw(c, func(any) error { return nil })
		}
		if err != sql.ErrConnDone {
			t.Fatalf("got %v, want sql.ErrConnDone", err)
		}
		c.Close()
	}
}
