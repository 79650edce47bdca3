package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"math"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
)

// fail records that the work has failed because of err, if that is to be recorded,
// and returns the outcome. The work has been rolled back.
func (r *run) fail(ctx context.Context, err error) idempotency.Outcome {
	failed := idempotency.Outcome{Kind: idempotency.KindFailed, Err: err}
	permanent := idempotency.IsPermanent(err)
	if !permanent && !r.store.o.RecordFailures {
		return failed
	}
	// It is recorded although the work's context may have ended, and waits no
	// longer for the next delivery of the event than that would for this one.
	dead := false
	recordErr := r.store.withWait(context.WithoutCancel(ctx), func(ctx context.Context) (err error) {
		dead, err = r.recordFailure(ctx, failed.Err, permanent)
		return err
	})
	switch {
	case recordErr != nil && permanent:
		// The sender must not stop before the event is recorded as dead.
		return unavailable("record failure", recordErr)
	case recordErr != nil:
		r.observe(ctx, idempotency.KindStoreError, recordErr)
	case dead:
		return idempotency.OutcomeOf(idempotency.KindDead, failed.AsError())
	}
	return failed
}

// recordFailure counts the attempt, and reports whether the event is dead now.
func (r *run) recordFailure(ctx context.Context, cause error, permanent bool) (dead bool, err error) {
	maxAttempts := cmp.Or(r.store.o.MaxAttempts, math.MaxInt32)
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
	err = r.store.inTx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, r.store.sql().fail,
			[]byte(key.Scope), []byte(key.ID), first, lease.Reason(cause), counts,
			nullable(r.item.Fingerprint), microseconds(r.store.o.AttemptInterval), maxAttempts)
		err = rivalIndex(err)
		if err == nil {
			err = r.store.keepPayload(ctx, tx, r.item) // it was rolled back with the work
		}
		return err
	})
	if err != nil || !permanent && r.store.o.MaxAttempts == 0 {
		return false, err
	}
	// Of deliveries that fail at the same time, none knows from its claim that
	// it was the last attempt; and one that finds the event dead writes nothing.
	rec, err := r.store.find(ctx, r.store.db, key)
	if err == nil {
		err = r.store.confirm(ctx, key, rec, idempotency.Fingerprint{})
	}
	return err == nil && (permanent || rec.record.State == lease.Dead), err
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
