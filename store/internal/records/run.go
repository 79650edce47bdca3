package records

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
)

// Run implements [idempotency.Runner].
func (e *Engine[T]) Run(ctx context.Context, item idempotency.Item, work idempotency.Work[T]) idempotency.Outcome {
	return e.RunShort(ctx, item, work, nil)
}

// A Shortcut claims, does the work and commits in one go. The error is nil if the claim
// has won, and then the outcome is as of the work and its COMMIT; it is what the claim
// met; or it is ErrLost, and a transaction with one statement after the other finds out.
type Shortcut func(ctx context.Context, r Request) (idempotency.Outcome, error)

// ErrLost means that the claim has lost, or that its answer is lost: in that case it may
// have been committed, and if not, whichever claim is committed first keeps the other
// from it.
var ErrLost = errors.New("the claim has lost, or its answer is lost")

// RunShort is Run by way of a shortcut, if that is not nil, as long as its claim wins.
func (e *Engine[T]) RunShort(ctx context.Context, item idempotency.Item, work idempotency.Work[T], short Shortcut) idempotency.Outcome {
	if err := item.Key.Validate(); err != nil {
		return idempotency.OutcomeOf(idempotency.KindInvalidKey, err)
	}
	e.Table.Locate(ctx, e.Database.Pool())
	r := &run[T]{engine: e, item: item, work: work, short: short, owner: lease.NewOwner(), start: time.Now()}

	// A panic is not recovered, so that its value and its stack stay what they
	// are. This runs when it has rolled the transaction back.
	returned := false
	defer func() {
		if !returned && r.working {
			o := r.fail(ctx, errPanicked)
			r.observe(ctx, o.Kind, o.Err)
		}
	}()
	o := r.settle(ctx)
	returned = true
	e.Database.Shed(ctx, o.Err)
	o.Attempt = r.attempt
	return o
}

// A run is one delivery on its way through a transaction, or through several if
// there are conflicts.
type run[T any] struct {
	engine  *Engine[T]
	item    idempotency.Item
	work    idempotency.Work[T]
	short   Shortcut // nil: none
	start   time.Time
	owner   lease.Owner
	attempt int   // 0 if failures are not recorded
	token   int64 // of the claim
	working bool  // the claim has won
}

var errPanicked = errors.New("the work panicked")

// settle runs transactions until one has settled what becomes of the delivery.
func (r *run[T]) settle(ctx context.Context) idempotency.Outcome {
	rec, done, err := r.engine.LookUpFirst(ctx, r.item.Key, r.engine.Table.FindDone)
	switch {
	case err != nil:
		return r.engine.AfterWait(ctx, r.item.Key)
	case done:
		return r.answer(ctx, rec)
	}
	pauses := r.engine.Table.backoff(r.start)
	o := r.try(ctx)
	for r.engine.Table.Dialect.Conflict(o.Err) && pauses.wait(ctx) {
		o = r.try(ctx)
	}
	switch {
	case r.engine.Table.Dialect.Conflict(o.Err):
		return Unavailable("conflicts", o.AsError())
	case o.Kind == idempotency.KindFailed:
		return r.fail(ctx, o.Err)
	}
	return o
}

// try is a shortcut if there is one that leads anywhere, else once.
func (r *run[T]) try(ctx context.Context) idempotency.Outcome {
	if r.short == nil {
		return r.once(ctx)
	}
	o, err := r.short(ctx, r.request())
	switch {
	case errors.Is(err, ErrLost):
		r.short = nil
		return r.once(ctx)
	case r.engine.Table.Dialect.LockTimeout(err):
		return r.engine.AfterWait(ctx, r.item.Key)
	case err != nil:
		return Unavailable("claim", err)
	}
	r.claimed(ctx, lease.Record{Token: 1, Attempts: 1})
	return o
}

// once is one transaction from BEGIN to COMMIT. Its outcome is KindFailed if the work
// failed or its COMMIT was refused, which is not recorded yet.
func (r *run[T]) once(ctx context.Context) (o idempotency.Outcome) {
	r.working = false
	leave, err := r.engine.Database.Enter(ctx)
	if err != nil {
		return Unavailable("begin", err)
	}
	t, err := r.engine.Database.Begin(ctx, leave, ForRun)
	if err != nil {
		return Unavailable("begin", err)
	}
	defer func() { t.End(o.Err) }() // also when the work panics

	rec, won, err := r.engine.Table.Claim(ctx, t, r.request())
	if r.engine.Table.Dialect.LockTimeout(err) {
		t.End(err)
		return r.engine.AfterWait(ctx, r.item.Key)
	}
	if err != nil {
		return Unavailable("claim", err)
	}
	r.engine.SawDuplicate(rec, won)
	if !won {
		return r.refuse(ctx, t, rec)
	}
	return r.workIn(ctx, t, rec.Record)
}

// workIn does the work in t, whose claim has won, and commits it.
func (r *run[T]) workIn(ctx context.Context, t Transaction[T], rec lease.Record) idempotency.Outcome {
	if err := r.engine.KeepPayload(ctx, t, r.item); err != nil {
		return Unavailable("keep payload", err)
	}
	r.claimed(ctx, rec)
	result, err := r.work(r.engine.Database.WithTx(ctx, t.Tx()), t.Tx())
	if err != nil {
		return r.undo(ctx, t, err)
	}
	return r.finish(ctx, t, result)
}

func (r *run[T]) claimed(ctx context.Context, rec lease.Record) {
	if r.engine.Settings.RecordFailures {
		r.attempt = rec.Attempts
	}
	r.working, r.token = true, rec.Token
	r.observe(ctx, idempotency.KindClaimed, nil)
}

// request asks for a record that is Done already.
func (r *run[T]) request() Request {
	return Request{
		Key:         r.item.Key,
		State:       lease.Done,
		Owner:       r.owner[:],
		Fingerprint: r.item.Fingerprint,
		MaxAttempts: r.engine.Settings.MaxAttempts,
		Interval:    r.engine.Settings.AttemptInterval,
	}
}

// refuse ends a delivery whose claim has lost. That the event is dead may be news of
// this very claim, and is kept.
func (r *run[T]) refuse(ctx context.Context, t Transaction[T], rec Stored) idempotency.Outcome {
	if rec.Record.State == lease.Dead {
		if err := t.Commit(ctx); err != nil {
			return Unavailable("commit", err)
		}
	}
	t.End(nil) // which frees the connection, and the locks on the record
	return r.answer(ctx, rec)
}

// undo rolls back because the work has returned err. If that is not possible, the
// connection was lost under the work, which says nothing of the event; unless the
// driver closed it because the work ran out of time.
func (r *run[T]) undo(ctx context.Context, t Transaction[T], err error) idempotency.Outcome {
	rollbackErr := t.Rollback()
	if r.engine.Table.Dialect.Conflict(rollbackErr) {
		return Unavailable("roll back", rollbackErr)
	}
	if rollbackErr == nil || errors.Is(rollbackErr, sql.ErrTxDone) || r.engine.Table.Dialect == SQLite || ctx.Err() != nil || late(err) {
		return idempotency.Outcome{Kind: idempotency.KindFailed, Err: err}
	}
	return Unavailable("roll back", fmt.Errorf("%w, after the work's error %q", rollbackErr, err))
}

// late reports whether err says that the work ran out of time. lib/pq says that by
// PostgreSQL's query_canceled.
func late(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || HasState(err, "57014")
}

// stands reports whether the record is still what the claim has made it.
func (r *run[T]) stands(ctx context.Context, c Conn) (bool, error) {
	rec, err := r.engine.Table.Find(ctx, c, r.item.Key)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	ours := rec.Record.State == lease.Done && rec.Record.Owner == r.owner && rec.Record.Token == r.token
	return ours, err
}

// keepResult adds the result to the record, if that is still what the claim has made
// it, and reports whether it is.
func (r *run[T]) keepResult(ctx context.Context, c Conn, result *idempotency.Result) (bool, error) {
	args := append(ResultArgs(result), []byte(r.item.Key.Scope), []byte(r.item.Key.ID), r.owner[:], r.token)
	return Changed(ctx, c, r.engine.Table.SQL().AddResult, args...)
}

func (r *run[T]) observe(ctx context.Context, kind idempotency.Kind, err error) {
	r.engine.Database.Observe(ctx, idempotency.Event{
		Kind:     kind,
		Key:      r.item.Key,
		Attempt:  r.attempt,
		Duration: time.Since(r.start),
		Err:      err,
	})
}

// Unavailable is the outcome of something that the store could not do.
func Unavailable(what string, err error) idempotency.Outcome {
	return idempotency.OutcomeOf(idempotency.KindUnavailable, fmt.Errorf("%s: %w", what, err))
}
