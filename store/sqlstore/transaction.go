package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/hookonce/hookonce/store/internal/records"
)

// A transaction ends with the context that it was begun with, but only until its
// COMMIT is sent. A COMMIT must not be canceled: while PostgreSQL waits for a
// synchronous standby, that makes it keep and show a commit which a failover loses.
type transaction struct {
	tx        *sql.Tx
	sqlConn                 // tx, as statements of ours run on it
	conn      *sql.Conn     // that tx is on
	unlock    func()        // lets another transaction write; nil if it was not locked
	begun     chan struct{} // closed when the fields above are set
	dialect   Dialect
	detach    func() bool
	cancel    context.CancelFunc
	leave     func() // unlocks; further calls do nothing
	sent      bool   // the goroutine that commits releases it
	guarded   bool   // runs without autocommit: see guard
	committed bool
	unfit     bool // the connection is not to be used again
}

// begin begins a transaction, which calls leave when it has ended; o may be nil.
func (s *Store) begin(ctx context.Context, o *sql.TxOptions, leave func()) (*transaction, error) {
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	t := &transaction{dialect: s.dialect, cancel: cancel, begun: make(chan struct{})}
	t.leave = sync.OnceFunc(func() {
		if t.unlock != nil {
			t.unlock()
		}
		leave()
	})
	t.detach = context.AfterFunc(ctx, t.abandon)
	err := t.begin(own, s, o)
	t.sqlConn = sqlConn{t.tx, false, s.dialect == MySQL}
	close(t.begun)
	if err != nil {
		t.end()
		if ctx.Err() != nil {
			err = ctx.Err() // the driver knows that of our own context only
		}
		return nil, err
	}
	return t, nil
}

// begin takes a connection of its own, as that is asked or cleaned up later. One that
// BEGIN finds dead is replaced, as database/sql does where it takes the connection
// itself: it is closed, so that the next is another of those that are idle, or new.
func (t *transaction) begin(own context.Context, s *Store, o *sql.TxOptions) (err error) {
	for left := -1; ; left-- {
		if t.conn, err = s.db.Conn(own); err != nil {
			return err
		}
		if t.unlock, err = s.lockWriter(own); err != nil {
			return err
		}
		err = t.start(own, s, o)
		if !errors.Is(err, driver.ErrBadConn) || left == 0 {
			return err
		}
		if left < 0 {
			left = s.db.Stats().Idle + 1
		}
		t.unlock()
		t.unlock = nil
		t.conn.Close()
	}
}

// start begins the transaction on the connection.
func (t *transaction) start(own context.Context, s *Store, o *sql.TxOptions) error {
	guarded, err := s.guarded(own, t.conn)
	if err != nil {
		return err
	}
	if t.tx, err = t.conn.BeginTx(own, o); err != nil || !guarded {
		return err
	}
	return t.guard(own)
}

// Tx returns what the work gets.
func (t *transaction) Tx() *sql.Tx { return t.tx }

// Guarded reports whether Commit refuses a transaction that was rolled back under the work.
func (t *transaction) Guarded() bool { return t.guarded }

// Rollback rolls back. The error is a conflict if that was done before, and the work has
// perhaps failed for no other reason.
func (t *transaction) Rollback() error {
	var err error
	if t.guarded && t.Usable() == nil {
		err = t.intact()
	}
	rollbackErr := t.tx.Rollback()
	if records.Dialect(t.dialect).Conflict(err) {
		return err
	}
	return rollbackErr
}

// abandon ends a transaction whose context has ended before its work, which may hang for
// ever: that must hold neither a connection nor a place that others wait for.
func (t *transaction) abandon() {
	t.cancel()
	<-t.begun
	if t.conn != nil {
		if t.dialect == SQLite {
			t.clean()
		}
		if t.guarded { // nothing may run on it that would turn autocommit on, and commit
			drop(t.conn)
		}
		t.conn.Close() // waits for the rollback
	}
	t.leave()
}

// Commit commits unless ctx has ended, which is records.ErrNotSent. Once sent, COMMIT runs
// whatever happens to ctx. If there is no answer in time, Commit returns records.ErrNoAnswer
// and leaves the connection to the driver until there is one.
func (t *transaction) Commit(ctx context.Context) error {
	if !t.detach() || ctx.Err() != nil { // whichever of the two was first
		return fmt.Errorf("%w: %w", records.ErrNotSent, ctx.Err())
	}
	if t.dialect == SQLite { // a file answers, and nothing may touch the connection before
		err := t.tx.Commit()
		t.committed = err == nil
		return err
	}
	t.sent = true
	answer := make(chan error, 1)
	go func() {
		err := t.intact()
		if err == nil {
			err = t.tx.Commit()
		} else {
			t.tx.Rollback()
		}
		t.committed = err == nil
		t.release()
		answer <- err
	}()
	timeout := time.NewTimer(records.CommitTimeout)
	defer timeout.Stop()
	select {
	case err := <-answer:
		return err
	case <-timeout.C:
		return records.ErrNoAnswer
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

// End is end after err, which may say that the connection is unfit.
func (t *transaction) End(err error) {
	if !t.sent {
		t.unfit = records.Dialect(t.dialect).Unfit(err)
	}
	t.end()
}

func (t *transaction) release() {
	if t.conn != nil {
		switch {
		case t.unfit:
			drop(t.conn)
		case t.guarded:
			t.unguard()
		}
		t.conn.Close()
	}
	t.cancel()
	t.leave()
}

// Usable returns nil if the connection can take a statement and the transaction is
// still open, as far as the driver tells. Rows that are left open keep that of
// go-sql-driver/mysql from it, and a statement would break it.
func (t *transaction) Usable() (err error) {
	raw(t.conn, func(conn any) error {
		v, ok := conn.(driver.Validator)
		switch {
		case ok && !v.IsValid():
			err = driver.ErrBadConn
		case t.dialect == PostgreSQL && idle(conn):
			err = records.ErrEnded
		}
		return nil
	})
	return err
}

// idle reports whether a connection of pgx is in no transaction. PostgreSQL takes COMMIT
// there for a success, with a warning that pgx drops; lib/pq refuses it. It is
// conn.Conn().PgConn().TxStatus() == 'I', of a driver that is not imported.
func idle(conn any) bool {
	value := reflect.ValueOf(conn)
	path, known := statusPaths.Load(value.Type())
	if !known {
		path, _ = statusPaths.LoadOrStore(value.Type(), statusPath(value.Type()))
	}
	methods := path.([]reflect.Value)
	for _, method := range methods {
		value = method.Call([]reflect.Value{value})[0]
	}
	return len(methods) > 0 && value.Uint() == 'I'
}

// statusPaths holds the statusPath of each type of connections. To look for a method by
// its name takes longer than to call it.
var statusPaths sync.Map

// statusPath returns the methods that lead from a connection to the status of its
// transaction, none if it has others. Their names are constants, so that the linker may
// still leave out methods that nothing calls.
func statusPath(t reflect.Type) []reflect.Value {
	conn, hasConn := t.MethodByName("Conn")
	if !hasConn || !returnsOne(conn) {
		return nil
	}
	pgConn, hasPgConn := conn.Type.Out(0).MethodByName("PgConn")
	if !hasPgConn || !returnsOne(pgConn) {
		return nil
	}
	status, hasStatus := pgConn.Type.Out(0).MethodByName("TxStatus")
	if !hasStatus || !returnsOne(status) || status.Type.Out(0).Kind() != reflect.Uint8 {
		return nil
	}
	return []reflect.Value{conn.Func, pgConn.Func, status.Func}
}

// returnsOne reports whether a method takes nothing and returns one value.
func returnsOne(m reflect.Method) bool { return m.Type.NumIn() == 1 && m.Type.NumOut() == 1 }

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
	drop(t.conn)
}
