package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"time"
)

// The pauses between attempts double from minPause to maxPause, less a random part of
// up to a half, so that transactions that met do not meet again.
const (
	minPause = 2 * time.Millisecond
	maxPause = 100 * time.Millisecond
	minTries = 3
)

// A backoff says how long to wait before the next attempt, and when to give up.
type backoff struct {
	until time.Time
	least int // attempts, even after until
	tries int
}

func (s *Store) backoff(start time.Time) backoff {
	b := backoff{until: start.Add(s.o.Wait), least: minTries}
	if s.dialect == SQLite {
		b.least = 1 // each may take the driver's busy_timeout
	}
	return b
}

// wait pauses and reports whether to try again.
func (b *backoff) wait(ctx context.Context) bool {
	b.tries++
	pause := min(minPause<<min(b.tries-1, 10), maxPause)
	pause -= rand.N(pause / 2)
	if b.tries >= b.least && time.Now().Add(pause).After(b.until) {
		return false
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// retry calls f with what a statement outside of a transaction runs on, as the only
// writer if the database has one only, until it meets no conflict.
func (s *Store) retry(ctx context.Context, f func(c conn) error) error {
	return s.retryConflicts(ctx, func() error { return s.asWriter(ctx, f) })
}

// retryConflicts calls f until it meets no conflict, for at most Options.Wait.
func (s *Store) retryConflicts(ctx context.Context, f func() error) error {
	pauses := s.backoff(time.Now())
	for {
		err := f()
		if !conflict(s.dialect, err) || !pauses.wait(ctx) {
			return err
		}
	}
}

// inTx calls f in a transaction, which it commits if f returns nil, and starts again
// after a conflict.
func (s *Store) inTx(ctx context.Context, f func(tx *sql.Tx) error) error {
	return s.inTransaction(ctx, func(t *transaction) error {
		if err := f(t.tx); err != nil {
			return err
		}
		return t.commit(ctx)
	})
}

// inTransaction calls f in a transaction, and starts again after a conflict. What f
// does not commit is rolled back.
func (s *Store) inTransaction(ctx context.Context, f func(t *transaction) error) error {
	return s.retryConflicts(ctx, func() error {
		t, err := s.begin(ctx, nil, func() {})
		if err != nil {
			return err
		}
		defer func() { t.endAfter(err) }()
		err = f(t)
		return err
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
	if unfit(s.dialect, err) {
		drop(c)
	}
	return err
}

// errWaited means that a lock was not acquired in time.
var errWaited = errors.New("another transaction has the record")

// withWait calls f, which may wait for another transaction. If that takes longer than
// it may, the driver closes the connection, and the error is errWaited.
func (s *Store) withWait(ctx context.Context, f func(context.Context) error) error {
	// Options.Wait and a second: a statement that does not wait takes time too,
	// and MariaDB, which counts whole seconds, gives up by itself.
	longest := time.Duration(wholeSeconds(s.o.Wait)+1) * time.Second
	bounded, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	err := f(bounded)
	if err != nil && bounded.Err() != nil && ctx.Err() == nil {
		return errWaited
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
