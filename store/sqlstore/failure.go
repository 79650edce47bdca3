package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"math"

	"github.com/hookonce/hookonce/idempotency"
)

// A workError is an error of the work, as opposed to one of the store.
type workError struct{ error }

func (e *workError) Unwrap() error { return e.error }

// fail records that the work has failed because of err, if that is to be
// recorded, and returns the error to report. The work has been rolled back.
func (r *run) fail(ctx context.Context, err error) error {
	dead := idempotency.IsPermanent(err)
	if !dead && !r.o.RecordFailures {
		return idempotency.WorkError(err)
	}
	// It goes ahead when the work's context has ended, and waits no longer for the
	// next delivery of the event than that would for this one.
	writeErr := r.waiting(context.WithoutCancel(ctx), func(ctx context.Context) error {
		return r.recordFailure(ctx, err, dead)
	})
	if writeErr != nil {
		if dead {
			// Nobody may be told that the event is Dead before it is.
			return idempotency.Unavailable("record failure", writeErr)
		}
		r.notify(ctx, idempotency.EventStoreError, writeErr)
	}
	return idempotency.WorkError(err)
}

func (r *run) recordFailure(ctx context.Context, cause error, dead bool) error {
	maxAttempts := cmp.Or(r.o.MaxAttempts, math.MaxInt32)
	if dead {
		maxAttempts = 1
	}
	first := idempotency.Released
	if maxAttempts == 1 {
		first = idempotency.Dead
	}
	err := r.inTx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, r.sql.fail,
			[]byte(r.key.Scope), []byte(r.key.ID), first, idempotency.Reason(cause), maxAttempts)
		if err == nil {
			err = r.keepPayload(ctx, tx, r.key) // it was rolled back with the work
		}
		if err != nil {
			return err
		}
		return tx.Commit()
	})
	if err != nil || dead || r.o.MaxAttempts == 0 || r.o.Observe == nil {
		r.dead = err == nil && dead
		return err
	}
	// Of deliveries that fail at once, none knows from its claim that it was the
	// last that the event had.
	rec, err := r.find(ctx, r.db, r.key)
	r.dead = err == nil && rec.State == idempotency.Dead
	return err
}
