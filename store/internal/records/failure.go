package records

import (
	"cmp"
	"context"
	"math"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
)

// fail records that the work has failed because of err, if that is to be recorded,
// and returns the outcome. The work has been rolled back.
func (r *run[T]) fail(ctx context.Context, err error) idempotency.Outcome {
	failed := idempotency.Outcome{Kind: idempotency.KindFailed, Err: err}
	permanent := idempotency.IsPermanent(err)
	if !permanent && !r.engine.Settings.RecordFailures {
		return failed
	}
	// It is recorded although the work's context may have ended, and waits no
	// longer for the next delivery of the event than that would for this one.
	dead := false
	recordErr := r.engine.Table.WithWait(context.WithoutCancel(ctx), func(ctx context.Context) (err error) {
		dead, err = r.recordFailure(ctx, failed.Err, permanent)
		return err
	})
	switch {
	case recordErr != nil && permanent:
		// The sender must not stop before the event is recorded as dead.
		return Unavailable("record failure", recordErr)
	case recordErr != nil:
		r.observe(ctx, idempotency.KindStoreError, recordErr)
	case dead:
		return idempotency.OutcomeOf(idempotency.KindDead, failed.AsError())
	}
	return failed
}

// recordFailure counts the attempt, and reports whether the event is dead now.
func (r *run[T]) recordFailure(ctx context.Context, cause error, permanent bool) (dead bool, err error) {
	maxAttempts := cmp.Or(r.engine.Settings.MaxAttempts, math.MaxInt32)
	if permanent {
		maxAttempts = 1
	}
	counts, first := 1, lease.Released
	switch {
	case idempotency.IsAnswer(cause):
		counts, maxAttempts = 0, math.MaxInt32
	case maxAttempts == 1:
		first = lease.Dead
	}
	key := r.item.Key
	table := r.engine.Table
	err = r.engine.InTransaction(ctx, func(t Transaction[T]) error {
		_, err := t.Exec(ctx, table.SQL().Fail,
			[]byte(key.Scope), []byte(key.ID), int(first), lease.Reason(cause), counts,
			nullable(r.item.Fingerprint), microseconds(r.engine.Settings.AttemptInterval), maxAttempts)
		if err != nil {
			return RivalIndex(err)
		}
		if err := r.engine.KeepPayload(ctx, t, r.item); err != nil { // it was rolled back with the work
			return err
		}
		return t.Commit(ctx)
	})
	if err != nil || !permanent && r.engine.Settings.MaxAttempts == 0 {
		return false, err
	}
	// Of deliveries that fail at the same time, none knows from its claim that
	// it was the last attempt; and one that finds the event dead writes nothing.
	rec, err := table.Find(ctx, r.engine.Database.Pool(), key)
	if err == nil {
		err = r.engine.Confirm(ctx, key, rec, idempotency.Fingerprint{})
	}
	return err == nil && (permanent || rec.Record.State == lease.Dead), err
}

// microseconds returns an attempt interval as a parameter. One of less than a
// microsecond counts every failure, also those whose times are in another order than
// their rows: the times of an INSERT are from before it waited.
func microseconds(interval time.Duration) int64 {
	if interval < time.Microsecond {
		return -time.Hour.Microseconds()
	}
	return interval.Microseconds()
}
