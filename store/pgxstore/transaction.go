package pgxstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/internal/records"
)

// A transaction begins with its first statement, in one round trip. It ends with the
// context that it was begun with, but only until its COMMIT is sent. A COMMIT must not be
// canceled: while PostgreSQL waits for a synchronous standby, that makes it keep and show
// a commit which a failover loses.
type transaction struct {
	pool   *pgxpool.Pool
	begin  string
	tx     pgx.Tx // nil until it has begun
	detach func() bool
	leave  func()
	sent   bool // the goroutine that commits releases it

	mu    sync.Mutex    // guards what abandon takes
	taken *pgxpool.Conn // nil when it was released or abandoned
	conn  *pgx.Conn
}

// beginTransaction takes a connection for a transaction, which calls leave when it has
// ended.
func beginTransaction(ctx context.Context, pool *pgxpool.Pool, begin string, leave func()) (*transaction, error) {
	c, err := pool.Acquire(ctx)
	if err != nil {
		leave()
		return nil, err
	}
	t := &transaction{pool: pool, begin: begin, taken: c, conn: c.Conn(), leave: sync.OnceFunc(leave)}
	t.detach = context.AfterFunc(ctx, t.abandon)
	return t, nil
}

// abandon ends a transaction whose context has ended before its work, which may hang for
// ever: that must hold neither a connection nor a place that others wait for. The work
// may be using the connection, so the pool forgets it and its socket is closed, which is
// all that is safe; that ends the transaction.
func (t *transaction) abandon() {
	t.mu.Lock()
	taken, c := t.taken, t.conn.PgConn()
	t.taken = nil
	t.mu.Unlock()
	if taken == nil {
		return
	}
	taken.Hijack()
	t.leave()
	c.Conn().Close() // in a statement, pgx then sends a cancel request
}

// Tx returns what the work gets.
func (t *transaction) Tx() pgx.Tx { return t.tx }

// Guarded implements [records.Transaction].
func (t *transaction) Guarded() bool { return false }

// Alone implements [records.Conn].
func (t *transaction) Alone() bool { return false }

// Exec runs a statement, with BEGIN before it if it is the first.
func (t *transaction) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	if t.tx != nil {
		return conn{t.tx, false}.Exec(ctx, query, args...)
	}
	n, err := t.first(ctx, query, args)
	// A connection that is found dead is replaced, by another of those that are idle,
	// or a new one. What the server did on it was not committed.
	for left := t.pool.Stat().IdleConns() + 1; err != nil && t.conn.IsClosed() && ctx.Err() == nil && left > 0; left-- {
		if replaceErr := t.replace(ctx); replaceErr != nil {
			return 0, replaceErr
		}
		n, err = t.first(ctx, query, args)
	}
	return n, err
}

// first runs the first statement.
func (t *transaction) first(ctx context.Context, query string, args []any) (int64, error) {
	batch := new(pgx.Batch)
	batch.BeginTx(pgx.TxOptions{BeginQuery: t.begin})
	batch.Queue(query, args...)
	results := t.conn.SendBatch(ctx, batch)
	t.tx = results.Tx()
	_, err := results.Exec()
	if err != nil {
		results.Close()
		return 0, err
	}
	tag, err := results.Exec()
	if closeErr := results.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = ctx.Err()
	}
	return tag.RowsAffected(), err
}

// replace takes another connection. It gives back the dead one first, which may be the
// only one of the pool.
func (t *transaction) replace(ctx context.Context) error {
	t.mu.Lock()
	if t.taken != nil {
		t.taken.Release()
	}
	t.taken = nil
	t.mu.Unlock()
	c, err := t.pool.Acquire(ctx)
	if err != nil {
		t.leave()
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if ctx.Err() != nil { // abandon may have found nothing to abandon
		c.Release()
		t.leave()
		return ctx.Err()
	}
	t.taken, t.conn, t.tx = c, c.Conn(), nil
	return nil
}

// QueryRow implements [records.Conn].
func (t *transaction) QueryRow(ctx context.Context, query string, args ...any) records.Row {
	if t.tx == nil {
		if _, err := t.Exec(ctx, "SELECT"); err != nil { // with BEGIN
			return failedRow{err}
		}
	}
	return t.tx.QueryRow(ctx, query, args...)
}

// A failedRow is the answer to a query that could not be sent.
type failedRow struct{ err error }

func (r failedRow) Scan(...any) error { return r.err }

// QueryKeys implements [records.Conn].
func (t *transaction) QueryKeys(ctx context.Context, query string, args ...any) ([]idempotency.Key, error) {
	return conn{t.tx, false}.QueryKeys(ctx, query, args...)
}

// QueryRows implements [records.Conn].
func (t *transaction) QueryRows(ctx context.Context, query string, args []any, scan func(records.Row) error) error {
	if t.tx == nil {
		if _, err := t.Exec(ctx, "SELECT"); err != nil { // with BEGIN
			return err
		}
	}
	return conn{t.tx, false}.QueryRows(ctx, query, args, scan)
}

var errLost = errors.New("the connection was lost")

// Usable implements [records.Transaction]. PostgreSQL takes COMMIT for a success, with a
// warning that pgx drops, where there is no transaction.
func (t *transaction) Usable() error {
	c := t.conn.PgConn()
	switch {
	case c.IsClosed():
		return errLost
	case c.IsBusy():
		return records.ErrRowsOpen
	case c.TxStatus() == 'I':
		return records.ErrEnded
	}
	return nil
}

// Commit implements [records.Transaction].
func (t *transaction) Commit(ctx context.Context) error {
	if !t.detach() || ctx.Err() != nil { // whichever of the two was first
		return fmt.Errorf("%w: %w", records.ErrNotSent, ctx.Err())
	}
	t.sent = true
	answer := make(chan error, 1)
	go func() {
		err := t.tx.Commit(context.WithoutCancel(ctx))
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

// Rollback implements [records.Transaction]. A connection with rows left open can take
// no statement; to close it rolls back.
func (t *transaction) Rollback() error {
	bounded, cancel := context.WithTimeout(context.Background(), records.CommitTimeout)
	defer cancel()
	c := t.conn.PgConn()
	switch {
	case c.IsClosed():
		return errLost
	case c.IsBusy():
		return t.conn.Close(bounded)
	case c.TxStatus() == 'I':
		return sql.ErrTxDone
	}
	_, err := t.conn.Exec(bounded, "ROLLBACK")
	return err
}

// End implements [records.Transaction].
func (t *transaction) End(err error) {
	t.detach()
	if t.sent {
		return
	}
	if t.held() {
		t.Rollback()
	}
	if records.PostgreSQL.Unfit(err) {
		t.close()
	}
	t.release()
}

// held reports whether the connection is the transaction's still.
func (t *transaction) held() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.taken != nil
}

func (t *transaction) close() {
	bounded, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	t.conn.Close(bounded)
}

// release gives the connection back. The pool closes one that is not clean.
func (t *transaction) release() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.taken == nil {
		return
	}
	t.taken.Release()
	t.taken = nil
	t.leave()
}
