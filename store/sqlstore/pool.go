package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/hookonce/hookonce/idempotency"
)

// enter waits until a run may begin its transaction. Of a limited pool, runs leave one
// connection to others: to work that needs a second one, which would wait for ever if
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

// reservedFor bounds a statement on the reserved connection, which others wait for.
const reservedFor = time.Second

// A reserve is a connection that is kept for leases while there are any, so that the
// work that runs under them cannot keep them from being renewed by taking all of the
// pool.
type reserve struct {
	lock  chan struct{} // a semaphore, which guards conn
	conn  *sql.Conn     // nil: none is kept
	mu    sync.Mutex    // guards until
	until time.Time     // when the last lease expires
}

// keep reserves a connection for a lease of that length, if the pool is limited and has
// more than one. It takes it before the lease begins, as any claim waits for one.
func (s *Store) keep(ctx context.Context, length time.Duration) {
	if s.db.Stats().MaxOpenConnections < 2 {
		return
	}
	s.extend(length)
	r := &s.reserve
	if !r.acquire(ctx) {
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
	time.AfterFunc(length, r.expire)
}

// extend says that a lease of that length begins now.
func (s *Store) extend(length time.Duration) {
	r := &s.reserve
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
	r.conn.Close()
	r.conn = nil
}

// onReserved calls f, which must be harmless to repeat, with the reserved connection. If
// there is none, or it fails, it calls f with the pool.
func (s *Store) onReserved(ctx context.Context, f func(context.Context, conn) error) error {
	err := s.tryReserved(ctx, f)
	if err == nil || errors.Is(err, idempotency.ErrLeaseLost) || conflict(s.dialect, err) || ctx.Err() != nil {
		return err
	}
	return s.asWriter(ctx, func(c conn) error { return f(ctx, c) })
}

var errNoReserve = errors.New("no connection is reserved")

func (s *Store) tryReserved(ctx context.Context, f func(context.Context, conn) error) error {
	r := &s.reserve
	if !r.acquire(ctx) {
		return ctx.Err()
	}
	defer r.release()
	if r.conn == nil {
		return errNoReserve
	}
	bounded, cancel := context.WithTimeout(ctx, reservedFor)
	defer cancel()
	unlock, err := s.lockWriter(bounded)
	if err != nil {
		return err
	}
	defer unlock()
	err = f(bounded, r.conn)
	if err != nil && !errors.Is(err, idempotency.ErrLeaseLost) && !conflict(s.dialect, err) {
		if unfit(s.dialect, err) {
			drop(r.conn)
		}
		r.close() // the next claim reserves another
	}
	return err
}

// shedInterval is how often idle connections are closed, at most.
const shedInterval = 500 * time.Millisecond

// shed closes the idle connections of the pool if err says that a connection is unfit:
// after a failover the pool goes on with those to the node that was the primary, as they
// are alive. New ones lead to the new primary, if the data source name, or what it names,
// says where that is. It bounds how often, for a database that is read-only as a whole.
func (s *Store) shed(ctx context.Context, err error) {
	if err == nil || !unfit(s.dialect, err) {
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
	c.Raw(func(any) error { return driver.ErrBadConn })
}

// shedLater is shed for a transaction of the caller's, whose connection is idle when that
// has ended.
func (s *Store) shedLater(err error) {
	if unfit(s.dialect, err) {
		time.AfterFunc(shedInterval/5, func() { s.shed(context.Background(), err) })
	}
}

// unfit reports whether err says that the connection leads to a node that takes no
// writes, or that earlier work has left it with a role, or a mode, that may not write.
func unfit(d Dialect, err error) bool {
	switch d {
	case PostgreSQL:
		// read_only_sql_transaction; insufficient_privilege; and of lib/pq, whose BEGIN
		// says READ WRITE, feature_not_supported.
		return hasState(err, "25006") || hasState(err, "42501") || hasState(err, "0A000") && !stalePlan(err)
	case MySQL:
		return hasNumber(d, err, func(n int) bool { return slices.Contains(mysqlUnfit, n) })
	}
	return false
}

// mysqlUnfit are the error numbers of unfit.
var mysqlUnfit = []int{
	1047,             // ER_UNKNOWN_COM_ERROR: a Galera node outside of its cluster
	1142,             // ER_TABLEACCESS_DENIED_ERROR
	1290, 1792, 1836, // read-only: an option, the transaction, the server
}
