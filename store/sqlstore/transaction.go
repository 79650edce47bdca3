package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"time"
)

// commitTimeout bounds the wait for the answer to a COMMIT.
const commitTimeout = 10 * time.Second

var (
	errNotSent  = errors.New("the context ended before COMMIT was sent")
	errNoAnswer = fmt.Errorf("no answer to COMMIT within %v", commitTimeout)
)

// A transaction ends with the context that it was begun with, but only until its
// COMMIT is sent. A COMMIT must not be canceled: while PostgreSQL waits for a
// synchronous standby, that makes it keep and show a commit which a failover loses.
type transaction struct {
	tx        *sql.Tx
	conn      *sql.Conn // that tx is on; nil on PostgreSQL, see begin
	dialect   Dialect
	detach    func() bool
	cancel    context.CancelFunc
	sent      bool // the goroutine that commits releases it
	committed bool
}

func (s *Store) begin(ctx context.Context) (*transaction, error) {
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	t := &transaction{dialect: s.dialect, cancel: cancel, detach: context.AfterFunc(ctx, cancel)}
	err := t.begin(own, s.db)
	if err != nil {
		t.end()
		if ctx.Err() != nil {
			err = ctx.Err() // the driver knows that of our own context only
		}
		return nil, err
	}
	return t, nil
}

// begin takes a connection where one is asked or cleaned up later. Otherwise it leaves
// that to database/sql, which tries another one if BEGIN finds the first dead.
func (t *transaction) begin(own context.Context, db *sql.DB) (err error) {
	if t.dialect == PostgreSQL {
		t.tx, err = db.BeginTx(own, nil)
		return err
	}
	if t.conn, err = db.Conn(own); err != nil {
		return err
	}
	t.tx, err = t.conn.BeginTx(own, nil)
	return err
}

// commit commits unless ctx has ended, which is errNotSent. Once sent, COMMIT runs
// whatever happens to ctx. If there is no answer in time, commit returns errNoAnswer
// and leaves the connection to the driver until there is one.
func (t *transaction) commit(ctx context.Context) error {
	if !t.detach() || ctx.Err() != nil { // whichever of the two was first
		return fmt.Errorf("%w: %w", errNotSent, ctx.Err())
	}
	if t.dialect == SQLite { // a file answers, and nothing may touch the connection before
		err := t.tx.Commit()
		t.committed = err == nil
		return err
	}
	t.sent = true
	answer := make(chan error, 1)
	go func() {
		err := t.tx.Commit()
		t.release()
		answer <- err
	}()
	timeout := time.NewTimer(commitTimeout)
	defer timeout.Stop()
	select {
	case err := <-answer:
		return err
	case <-timeout.C:
		return errNoAnswer
	}
}

// end rolls back what was not committed.
func (t *transaction) end() {
	t.detach()
	if t.sent {
		return
	}
	if t.tx != nil {
		t.tx.Rollback()
		if t.dialect == SQLite && !t.committed {
			t.clean()
		}
	}
	t.release()
}

func (t *transaction) release() {
	if t.conn != nil {
		t.conn.Close()
	}
	t.cancel()
}

// usable reports whether the connection can take a statement. Rows that are left open
// keep that of go-sql-driver/mysql from it, and a statement would break it.
func (t *transaction) usable() bool {
	valid := true
	if t.conn != nil {
		t.conn.Raw(func(conn any) error {
			v, ok := conn.(driver.Validator)
			valid = !ok || v.IsValid()
			return nil
		})
	}
	return valid
}

// clean ends a transaction that database/sql believes to have ended. SQLite keeps it
// open after most errors of COMMIT, and not every driver rolls back then
// (glebarez/go-sqlite): every later BEGIN on the connection would fail, and what is
// written without one would never be committed. A connection that cannot be cleaned
// is dropped; others are kept, because a database in memory goes with its connection.
func (t *transaction) clean() {
	_, err := t.conn.ExecContext(context.Background(), "ROLLBACK")
	if err == nil || strings.Contains(err.Error(), "no transaction is active") {
		return
	}
	t.conn.Raw(func(any) error { return driver.ErrBadConn })
}
