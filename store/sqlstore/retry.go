package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/hookonce/hookonce/store/internal/records"
)

// retry calls f with what a statement outside of a transaction runs on, as the only
// writer if the database has one only, until it meets no conflict.
func (s *Store) retry(ctx context.Context, f func(c conn) error) error {
	return s.table.RetryConflicts(ctx, func() error { return s.asWriter(ctx, f) })
}

// inTx calls f in a transaction, which it commits if f returns nil, and starts again
// after a conflict.
func (s *Store) inTx(ctx context.Context, f func(tx *sql.Tx) error) error {
	return s.engine.InTransaction(ctx, func(t records.Transaction[*sql.Tx]) error {
		if err := f(t.Tx()); err != nil {
			return err
		}
		return t.Commit(ctx)
	})
}

// onConn calls f with what a statement runs on that may wait for another transaction.
// MySQL cannot bound how long it waits, so there it is a connection, which the context
// can close; the wait for a connection is not bounded.
func (s *Store) onConn(ctx context.Context, otherwise conn, f func(conn) error) error {
	if s.dialect != MySQL {
		return f(otherwise)
	}
	c, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	err = f(c)
	if s.table.Dialect.Unfit(err) {
		drop(c)
	}
	return err
}

// errWriterBusy means that SQLite's single writer was not free in time.
var errWriterBusy = errors.New("another write is under way")

// asWriter calls f while no other goroutine of this process writes, if the database
// has a single writer. It takes a connection first: while it waits for one, it must not
// keep those that have one from writing.
func (s *Store) asWriter(ctx context.Context, f func(conn) error) error {
	if s.writeLock == nil {
		return f(s.db)
	}
	c, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	unlock, err := s.lockWriter(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return f(c)
}

// lockWriter waits, at most Options.Wait, until no other run of this store writes to a
// SQLite database; on the others it does nothing. SQLite has one writer at a time:
// those of one process queue here, in order, instead of finding the database busy
// again and again until one gives up.
func (s *Store) lockWriter(ctx context.Context) (unlock func(), err error) {
	if s.writeLock == nil {
		return func() {}, nil
	}
	unlock = func() { <-s.writeLock }
	select {
	case s.writeLock <- struct{}{}:
		return unlock, nil
	default:
	}
	timeout := time.NewTimer(s.o.Wait)
	defer timeout.Stop()
	select {
	case s.writeLock <- struct{}{}:
		return unlock, nil
	case <-timeout.C:
		return nil, errWriterBusy
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
