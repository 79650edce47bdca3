package records

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/hookonce/hookonce/idempotency"
)

// CommitTimeout bounds the wait for the answer to a COMMIT.
const CommitTimeout = 10 * time.Second

// What can become of a COMMIT, besides what the server says.
var (
	ErrNotSent  = errors.New("the context ended before COMMIT was sent")
	ErrNoAnswer = fmt.Errorf("no answer to COMMIT within %v", CommitTimeout)
)

// finish keeps the result of the work and commits. Its outcome is KindCompleted if the
// server has committed, KindFailed if it has not because of what the work did or
// because the work took too long, and KindUnavailable if that is not known or says
// nothing of the work.
func (r *run[T]) finish(ctx context.Context, t Transaction[T], result *idempotency.Result) idempotency.Outcome {
	err := r.prepare(ctx, t, result)
	if err != nil && ctx.Err() == nil {
		// Drivers say of a connection that is busy with rows that it is bad. If it
		// is, it cannot roll back, before which database/sql closes the rows.
		if errors.Is(err, driver.ErrBadConn) && t.Rollback() == nil {
			err = ErrRowsOpen
		}
		return uncommitted(err, r.engine.Table.Dialect.brokenByWork(err))
	}
	err = t.Commit(ctx)
	switch {
	case err == nil:
		return idempotency.Outcome{Kind: idempotency.KindCompleted, Result: result}
	case errors.Is(err, ErrNotSent):
		return uncommitted(fmt.Errorf("%w: %w", idempotency.ErrTimeout, err), true)
	}
	return r.engine.Table.Dialect.Uncommitted(err)
}

// Uncommitted is the outcome of a COMMIT that has returned err.
func (d Dialect) Uncommitted(err error) idempotency.Outcome {
	return uncommitted(err, d.Refused(err))
}

func uncommitted(err error, failed bool) idempotency.Outcome {
	if failed {
		return idempotency.Outcome{Kind: idempotency.KindFailed, Err: fmt.Errorf("commit: %w", err)}
	}
	return Unavailable("commit", err)
}

// prepare does what is to be done before COMMIT. On MySQL it looks whether the record
// is still what the claim has made it: a deadlock rolls the transaction back, and if
// the work has swallowed that error, COMMIT of the nothing that is left would succeed.
// The other databases refuse it, and so does the Commit of a guarded transaction.
func (r *run[T]) prepare(ctx context.Context, t Transaction[T], result *idempotency.Result) error {
	if err := t.Usable(); err != nil {
		return err
	}
	if result == nil && (r.engine.Table.Dialect != MySQL || t.Guarded()) {
		return nil
	}
	ours := false
	err := r.engine.Table.WithWait(ctx, func(ctx context.Context) (err error) {
		if result != nil {
			ours, err = r.keepResult(ctx, t, result)
		} else {
			ours, err = r.stands(ctx, t)
		}
		return err
	})
	switch {
	case err != nil || ours:
		return err
	case t.Guarded():
		return ErrAborted
	}
	return errRolledBack
}
