package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/hookonce/hookonce/idempotency"
)

// Transactional returns the runner whose record and work are one commit:
//
//	BEGIN; insert the record as done; the work, on the same transaction; COMMIT
//
// so the work takes effect exactly once, whatever crashes when. The work gets the
// transaction by [Tx]; what it does elsewhere is not part of it, and is repeated
// when a conflict makes the runner begin again.
//
// A delivery of an event that another process has in flight waits, at most
// Options.Wait, for that one's commit. Deadlocks, serialization failures and busy
// databases are tried again from BEGIN, for as long and at least twice more.
func (s *Store) Transactional() *Transactional { return &Transactional{s} }

// Transactional is the [idempotency.Runner] of [Store.Transactional].
type Transactional struct{ store *Store }

var _ idempotency.Runner = (*Transactional)(nil)

// Run implements [idempotency.Runner].
func (t *Transactional) Run(ctx context.Context, key idempotency.Key, fp idempotency.Fingerprint, work idempotency.Work) (*idempotency.Result, error) {
	if err := key.Validate(); err != nil {
		return nil, err
	}
	r := &run{Store: t.store, key: key, fp: fp, work: work, start: time.Now()}

	// A panic is not recovered, so that its value and its stack stay what they
	// are. This runs when it has rolled the transaction back.
	returned := false
	defer func() {
		if !returned && r.working {
			r.notifyEnd(ctx, r.fail(ctx, errNotReturned))
		}
	}()
	result, err := r.settle(ctx)
	returned = true
	r.notifyEnd(ctx, err)
	return result, err
}

// RunTx calls work in a transaction that also records key as done, and commits
// it. It returns nil only if that is durable; if work returns an error, nothing
// of the transaction is left and RunTx returns that error. The other errors are
// those of [idempotency.Runner].
//
// After a conflict in the database work may be called again, from the start. It
// must return the errors of its statements, and on MySQL not contain any that
// commits by itself; see the package documentation.
func (s *Store) RunTx(ctx context.Context, key idempotency.Key, work func(ctx context.Context, tx *sql.Tx) error) error {
	_, err := s.Transactional().Run(ctx, key, idempotency.Fingerprint{}, func(ctx context.Context) (*idempotency.Result, error) {
		tx, _ := Tx(ctx)
		return nil, work(ctx, tx)
	})
	return err
}

// A run is one delivery on its way through a transaction, or through several if
// there are conflicts.
type run struct {
	*Store
	key     idempotency.Key
	fp      idempotency.Fingerprint
	work    idempotency.Work
	start   time.Time
	attempt int
	token   int64 // of the claim
	working bool  // the claim has won
	dead    bool  // the event is, since this run's failure
}

var (
	errNotReturned = errors.New("the work panicked")
	errNotOurs     = errors.New("the record is an earlier attempt's")
)

func (r *run) settle(ctx context.Context) (*idempotency.Result, error) {
	rec, done, err := r.lookUp(ctx, r.key, r.findDone)
	switch {
	case err != nil:
		return nil, &idempotency.InFlightError{}
	case done:
		return r.refusal(rec)
	}
	return r.untilSettled(ctx)
}

// untilSettled begins again while the database says that it should.
func (r *run) untilSettled(ctx context.Context) (*idempotency.Result, error) {
	pauses := r.backoff(r.start)
	result, err := r.once(ctx)
	for conflict(r.dialect, err) && pauses.wait(ctx) {
		result, err = r.once(ctx)
	}
	failed, byWork := errors.AsType[*workError](err)
	switch {
	case conflict(r.dialect, err):
		err = idempotency.Unavailable("conflicts", err)
	case byWork:
		err = r.fail(ctx, failed.error)
	}
	return result, err
}

// once is one transaction from BEGIN to COMMIT.
func (r *run) once(ctx context.Context) (*idempotency.Result, error) {
	r.working = false
	unlock, err := r.lockWriter(ctx)
	if err != nil {
		return nil, idempotency.Unavailable("begin", err)
	}
	defer unlock()
	tx, err := r.db.BeginTx(ctx, nil)
	if err != nil {
		return nil, idempotency.Unavailable("begin", err)
	}
	defer tx.Rollback() // nothing after Commit; else also when the work panics

	rec, won, err := r.claim(ctx, tx, r.bid())
	if lockTimeout(r.dialect, err) {
		return nil, &idempotency.InFlightError{}
	}
	if err != nil {
		return nil, idempotency.Unavailable("claim", err)
	}
	r.claimed(won || rec.State != idempotency.Done)
	if !won {
		return r.refuse(tx, rec)
	}
	if err := r.keepPayload(ctx, tx, r.key); err != nil {
		return nil, idempotency.Unavailable("keep payload", err)
	}
	if r.o.RecordFailures {
		r.attempt = rec.Attempts
	}
	r.working, r.token = true, rec.Token
	r.notify(ctx, idempotency.EventClaimed, nil)
	ctx = idempotency.WithAttempt(ctx, idempotency.Attempt{Key: r.key, Number: r.attempt})
	result, err := r.work(withTx(ctx, tx))
	if err != nil {
		return nil, r.undo(ctx, tx, err)
	}
	if result != nil {
		if err := r.keep(ctx, tx, result); err != nil {
			return nil, idempotency.Unavailable("keep result", err)
		}
	}
	if err := r.commit(ctx, tx); err != nil {
		return nil, idempotency.Unavailable("commit", err)
	}
	return result, nil
}

// refuse ends a delivery whose claim has lost. That the event is Dead may be news
// of this very claim, and is kept.
func (r *run) refuse(tx *sql.Tx, rec idempotency.Record) (*idempotency.Result, error) {
	if rec.State == idempotency.Dead {
		if err := tx.Commit(); err != nil {
			return nil, idempotency.Unavailable("commit", err)
		}
	}
	return r.refusal(rec)
}

// refusal returns why rec refuses the delivery, and its result if that is the
// delivery's too.
func (r *run) refusal(rec idempotency.Record) (*idempotency.Result, error) {
	err := rec.Refuse(r.fp)
	if err != idempotency.ErrDuplicate {
		return nil, err
	}
	return rec.Result, err
}

// undo rolls back because the work has returned err. If that is not possible, the
// connection was lost under the work, which says nothing of the event; but not if
// the driver has closed it because the work ran out of time.
func (r *run) undo(ctx context.Context, tx *sql.Tx, err error) error {
	rollbackErr := tx.Rollback()
	if rollbackErr == nil || errors.Is(rollbackErr, sql.ErrTxDone) || r.dialect == SQLite || ctx.Err() != nil || late(err) {
		return &workError{err}
	}
	return idempotency.Unavailable("roll back", fmt.Errorf("%w, after the work's error %q", rollbackErr, err))
}

// late reports whether err says that the work ran out of time. lib/pq says that by
// PostgreSQL's query_canceled.
func late(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || hasState(err, "57014")
}

// bid asks for a record that is Done already. It has no owner, so nothing that is
// fenced can touch it.
func (r *run) bid() bid {
	return bid{key: r.key, state: idempotency.Done, owner: []byte{}, fp: r.fp, maxAttempts: r.o.MaxAttempts}
}

// commit commits tx. On MySQL it looks first whether the record is still what the
// claim has made it: a deadlock rolls the transaction back, and if the work has
// swallowed that error, COMMIT of the nothing that is left would succeed. The other
// databases refuse it.
func (r *run) commit(ctx context.Context, tx *sql.Tx) error {
	if r.dialect == MySQL {
		if err := r.waiting(ctx, func(ctx context.Context) error { return r.stands(ctx, tx) }); err != nil {
			return fmt.Errorf("the transaction was rolled back under the work: %w", err)
		}
	}
	return tx.Commit()
}

// stands reports as an error that the record is not what the claim has made it.
func (r *run) stands(ctx context.Context, tx *sql.Tx) error {
	rec, err := r.find(ctx, tx, r.key)
	if err == nil && (rec.State != idempotency.Done || rec.Token != r.token) {
		err = errNotOurs
	}
	return err
}

func (r *run) keep(ctx context.Context, tx *sql.Tx, result *idempotency.Result) error {
	args := append(resultArgs(result), []byte(r.key.Scope), []byte(r.key.ID))
	_, err := tx.ExecContext(ctx, r.sql.keepResult, args...)
	return err
}
