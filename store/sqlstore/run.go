package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
)

// RunTx calls work in a transaction that also records key as processed, and commits
// it. It returns nil only when that is durable. If work returns an error, RunTx rolls
// back and returns that error, and if the server refuses to commit what work did, the
// server's; all other errors wrap a sentinel of package idempotency, such as
// [idempotency.ErrDuplicate].
//
// A delivery of an event that another process has in flight waits, at most
// Options.Wait, for that one's commit. After a serialization failure or a deadlock
// work is called again, from BEGIN. It must return the errors of its statements;
// effects outside of tx are not rolled back.
func (s *Store) RunTx(ctx context.Context, key idempotency.Key, work func(ctx context.Context, tx *sql.Tx) error) error {
	return idempotency.Run(ctx, s, idempotency.Item{Key: key}, func(ctx context.Context, tx *sql.Tx) (*idempotency.Result, error) {
		return nil, work(ctx, tx)
	}).AsError()
}

// Run implements [idempotency.Runner]. Call [Store.RunTx], or [idempotency.Run] with a
// fingerprint or a payload.
func (s *Store) Run(ctx context.Context, item idempotency.Item, work idempotency.Work[*sql.Tx]) idempotency.Outcome {
	if s.db == nil {
		return unavailable("run", errors.New("zero Store: create it with New"))
	}
	if err := item.Key.Validate(); err != nil {
		return idempotency.OutcomeOf(idempotency.KindInvalidKey, err)
	}
	s.locate(ctx, s.db)
	r := &run{store: s, item: item, work: work, owner: lease.NewOwner(), start: time.Now()}

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
	s.shed(ctx, o.Err)
	o.Attempt = r.attempt
	return o
}

// A run is one delivery on its way through a transaction, or through several if
// there are conflicts.
type run struct {
	store   *Store
	item    idempotency.Item
	work    idempotency.Work[*sql.Tx]
	start   time.Time
	owner   lease.Owner
	attempt int   // 0 if failures are not recorded
	token   int64 // of the claim
	working bool  // the claim has won
}

var errPanicked = errors.New("the work panicked")

// settle runs transactions until one has settled what becomes of the delivery.
func (r *run) settle(ctx context.Context) idempotency.Outcome {
	rec, done, err := r.store.lookUpFirst(ctx, r.item.Key, r.store.findDone)
	switch {
	case err != nil:
		return r.store.afterWait(ctx, r.item.Key)
	case done:
		return r.answer(ctx, rec)
	}
	pauses := r.store.backoff(r.start)
	o := r.once(ctx)
	for conflict(r.store.dialect, o.Err) && pauses.wait(ctx) {
		o = r.once(ctx)
	}
	switch {
	case conflict(r.store.dialect, o.Err):
		return unavailable("conflicts", o.AsError())
	case o.Kind == idempotency.KindFailed:
		return r.fail(ctx, o.Err)
	}
	return o
}

// once is one transaction from BEGIN to COMMIT. Its outcome is KindFailed if the work
// failed or its COMMIT was refused, which is not recorded yet.
func (r *run) once(ctx context.Context) (o idempotency.Outcome) {
	r.working = false
	leave, err := r.store.enter(ctx)
	if err != nil {
		return unavailable("begin", err)
	}
	t, err := r.store.begin(ctx, r.store.txOptions(), leave)
	if err != nil {
		return unavailable("begin", err)
	}
	defer func() { t.endAfter(o.Err) }() // also when the work panics

	rec, won, err := r.store.claim(ctx, t.tx, r.claimRequest())
	if lockTimeout(r.store.dialect, err) {
		t.end()
		return r.store.afterWait(ctx, r.item.Key)
	}
	if err != nil {
		return unavailable("claim", err)
	}
	r.store.sawDuplicate(!won && rec.record.State == lease.Done)
	if !won {
		return r.refuse(ctx, t, rec)
	}
	return r.workIn(ctx, t, rec.record)
}

// workIn does the work in t, whose claim has won, and commits it.
func (r *run) workIn(ctx context.Context, t *transaction, rec lease.Record) idempotency.Outcome {
	if err := r.store.keepPayload(ctx, t.tx, r.item); err != nil {
		return unavailable("keep payload", err)
	}
	if r.store.o.RecordFailures {
		r.attempt = rec.Attempts
	}
	r.working, r.token = true, rec.Token
	r.observe(ctx, idempotency.KindClaimed, nil)
	result, err := r.work(withTx(ctx, t.tx), t.tx)
	if err != nil {
		return r.undo(ctx, t.tx, err)
	}
	return r.finish(ctx, t, result)
}

// claimRequest asks for a record that is Done already.
func (r *run) claimRequest() claimRequest {
	return claimRequest{
		key:         r.item.Key,
		state:       lease.Done,
		owner:       r.owner[:],
		fp:          r.item.Fingerprint,
		maxAttempts: r.store.o.MaxAttempts,
		interval:    r.store.o.AttemptInterval,
	}
}

// refuse ends a delivery whose claim has lost. That the event is dead may be news of
// this very claim, and is kept.
func (r *run) refuse(ctx context.Context, t *transaction, rec stored) idempotency.Outcome {
	if rec.record.State == lease.Dead {
		if err := t.commit(ctx); err != nil {
			return unavailable("commit", err)
		}
	}
	t.end() // which frees the connection, and the locks on the record
	return r.answer(ctx, rec)
}

// undo rolls back because the work has returned err. If that is not possible, the
// connection was lost under the work, which says nothing of the event; unless the
// driver closed it because the work ran out of time.
func (r *run) undo(ctx context.Context, tx *sql.Tx, err error) idempotency.Outcome {
	rollbackErr := tx.Rollback()
	if rollbackErr == nil || errors.Is(rollbackErr, sql.ErrTxDone) || r.store.dialect == SQLite || ctx.Err() != nil || late(err) {
		return idempotency.Outcome{Kind: idempotency.KindFailed, Err: err}
	}
	return unavailable("roll back", fmt.Errorf("%w, after the work's error %q", rollbackErr, err))
}

// late reports whether err says that the work ran out of time. lib/pq says that by
// PostgreSQL's query_canceled.
func late(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || hasState(err, "57014")
}

// stands reports whether the record is still what the claim has made it.
func (r *run) stands(ctx context.Context, tx *sql.Tx) (bool, error) {
	rec, err := r.store.find(ctx, tx, r.item.Key)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	ours := rec.record.State == lease.Done && rec.record.Owner == r.owner && rec.record.Token == r.token
	return ours, err
}

// keepResult adds the result to the record, if that is still what the claim has made
// it, and reports whether it is.
func (r *run) keepResult(ctx context.Context, tx *sql.Tx, result *idempotency.Result) (bool, error) {
	args := append(resultArgs(result), []byte(r.item.Key.Scope), []byte(r.item.Key.ID), r.owner[:], r.token)
	return changed(ctx, tx, r.store.sql().addResult, args...)
}

func (r *run) observe(ctx context.Context, kind idempotency.Kind, err error) {
	r.store.Observe(ctx, idempotency.Event{
		Kind:     kind,
		Key:      r.item.Key,
		Attempt:  r.attempt,
		Duration: time.Since(r.start),
		Err:      err,
	})
}

// unavailable is the outcome of something that the store could not do.
func unavailable(what string, err error) idempotency.Outcome {
	return idempotency.OutcomeOf(idempotency.KindUnavailable, fmt.Errorf("%s: %w", what, err))
}
