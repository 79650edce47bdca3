package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hookonce/hookonce/idempotency"
)

// enter waits until a run may begin its transaction. Of a limited pool, runs leave one
// connection to others: to work that needs a second one, which would wait forever if
// all were held by such work, and to what is recorded after a failure.
//
// A run within the work of another holds a connection of that one's share.
func (s *Store) enter(ctx context.Context) (leave func(), err error) {
	s.measure.Do(func() {
		if n := s.db.Stats().MaxOpenConnections; n > 1 {
			s.slots = make(chan struct{}, n-1)
		}
	})
	if _, nested := Tx(ctx); s.slots == nil || nested {
		return func() {}, nil
	}
	select {
	case s.slots <- struct{}{}:
		return func() { <-s.slots }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

const (
	// poolPatience is how long a statement about a lease waits for a connection of
	// the pool before it takes the reserved one.
	poolPatience = 50 * time.Millisecond

	// reservedFor bounds a statement on the reserved connection, for which others wait.
	reservedFor = time.Second
)

// A reserve is a connection that is kept for leases while there are any, so that the
// work that runs under them cannot keep them from being renewed by taking all of the
// pool.
type reserve struct {
	kept  atomic.Bool   // conn is set
	lock  chan struct{} // a semaphore, which guards conn
	conn  *sql.Conn
	mu    sync.Mutex // guards until
	until time.Time  // when the last lease expires
}

// keep reserves a connection for a lease of that length, if the pool is limited and has
// more than one. It takes it before the lease begins, as any claim waits for one.
func (s *Store) keep(ctx context.Context, length time.Duration) {
	if s.db.Stats().MaxOpenConnections < 2 {
		return
	}
	r := &s.reserve
	r.extend(length)
	if r.kept.Load() || !r.acquire(ctx) {
		return
	}
	defer r.release()
	if r.conn != nil {
		return
	}
	c, err := s.db.Conn(ctx)
	if err != nil {
		return // the claim meets it too
	}
	r.conn = c
	r.kept.Store(true)
	time.AfterFunc(length, r.expire)
}

// extend says that a lease of that length begins now.
func (r *reserve) extend(length time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if end := time.Now().Add(length); end.After(r.until) {
		r.until = end
	}
}

func (r *reserve) acquire(ctx context.Context) bool {
	select {
	case r.lock <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (r *reserve) release() { <-r.lock }

// expire gives the connection back when all leases have expired.
func (r *reserve) expire() {
	r.lock <- struct{}{}
	defer r.release()
	r.mu.Lock()
	left := time.Until(r.until)
	r.mu.Unlock()
	switch {
	case r.conn == nil:
	case left > 0:
		time.AfterFunc(left, r.expire)
	default:
		r.close()
	}
}

func (r *reserve) close() {
	r.kept.Store(false)
	r.conn.Close()
	r.conn = nil
}

// unfitTries is how many connections that cannot write a statement about a lease may
// meet, one after the other.
const unfitTries = 10

// leased calls f, a statement about a lease that is harmless to repeat, as the only
// writer if the database has one only. On a connection that cannot write it has done
// nothing, and another is tried at once: the lease was claimed on one that can, and would
// hold up the event until it expires.
func (s *Store) leased(ctx context.Context, f func(context.Context, conn) error) error {
	err := s.leasedOnce(ctx, f)
	for left := unfitTries; s.table.Dialect.Unfit(err) && left > 0; left-- {
		s.shed(ctx, err)
		c, connErr := s.db.Conn(ctx)
		if connErr != nil {
			return err
		}
		if err = s.writeOn(ctx, c, f); s.table.Dialect.Unfit(err) {
			drop(c)
		}
		c.Close()
	}
	return err
}

// leasedOnce calls f with a connection of the pool or, if all are in use, with the
// reserved one.
func (s *Store) leasedOnce(ctx context.Context, f func(context.Context, conn) error) error {
	if ctx.Err() != nil {
		return ctx.Err() // a connection that was taken before would not ask
	}
	if !s.reserve.kept.Load() {
		return s.asWriter(ctx, func(c conn) error { return f(ctx, c) })
	}
	patience, cancel := context.WithTimeout(ctx, poolPatience)
	c, err := s.db.Conn(patience)
	cancel()
	if err == nil {
		defer c.Close()
		if err = s.writeOn(ctx, c, f); s.table.Dialect.Unfit(err) {
			drop(c)
		}
	} else {
		err = s.writeOnReserved(ctx, f)
	}
	if errors.Is(err, driver.ErrBadConn) && ctx.Err() == nil {
		return s.asWriter(ctx, func(c conn) error { return f(ctx, c) })
	}
	return err
}

func (s *Store) writeOn(ctx context.Context, c *sql.Conn, f func(context.Context, conn) error) error {
	unlock, err := s.lockWriter(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return f(ctx, c)
}

// writeOnReserved returns [driver.ErrBadConn] if there is no connection, or it fails.
func (s *Store) writeOnReserved(ctx context.Context, f func(context.Context, conn) error) error {
	r := &s.reserve
	if !r.acquire(ctx) {
		return ctx.Err()
	}
	defer r.release()
	if r.conn == nil {
		return driver.ErrBadConn
	}
	bounded, cancel := context.WithTimeout(ctx, reservedFor)
	defer cancel()
	err := s.writeOn(bounded, r.conn, f)
	if err == nil || errors.Is(err, idempotency.ErrLeaseLost) || errors.Is(err, errWriterBusy) || s.table.Dialect.Conflict(err) {
		return err
	}
	drop(r.conn)
	r.close() // the next claim reserves another
	return driver.ErrBadConn
}

// shedInterval is how often idle connections are closed, at most.
const shedInterval = 500 * time.Millisecond

// shed closes the idle connections of the pool if err says that a connection is unfit:
// after a failover the pool goes on with those to the node that was the primary, as they
// are alive. New ones lead to the new primary, if the data source name, or what it names,
// says where that is. It bounds how often, for a database that is read-only as a whole.
func (s *Store) shed(ctx context.Context, err error) {
	if err == nil || !s.table.Dialect.Unfit(err) {
		return
	}
	last, now := s.shedAt.Load(), time.Now().UnixNano()
	if now-last < int64(shedInterval) || !s.shedAt.CompareAndSwap(last, now) {
		return
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), shedInterval)
	defer cancel()
	for range s.db.Stats().Idle {
		c, err := s.db.Conn(bounded)
		if err != nil {
			return
		}
		defer c.Close() // all are taken first, lest one be taken twice
		defer drop(c)
	}
}

// drop has the pool close the connection.
func drop(c *sql.Conn) {
	raw(c, func(any) error { return driver.ErrBadConn })
}

// raw is c.Raw for a connection that database/sql may be closing: it rolls back a
// transaction whose context ends in a goroutine of its own, and closes the connection if
// that fails. Raw dereferences nil if that comes between its check and its lock (Go
// 1.26), which is the same as a connection that was closed before.
func raw(c *sql.Conn, f func(conn any) error) (err error) {
	called := false
	defer func() {
		if !called && recover() != nil {
			err = sql.ErrConnDone
		}
	}()
	return c.Raw(func(conn any) error {
		called = true
		return f(conn)
	})
}

// shedLater is shed for a transaction of the caller's, whose connection is idle when that
// has ended.
func (s *Store) shedLater(err error) {
	if s.table.Dialect.Unfit(err) {
		time.AfterFunc(shedInterval/5, func() { s.shed(context.Background(), err) })
	}
}
