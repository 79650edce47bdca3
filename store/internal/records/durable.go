package records

import (
	"context"
	"crypto/rand"
	"errors"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
)

// early is the condition that the server may show a commit to others before it is
// durable. Find and FindDone ask for it in the same round trip.
//
// InnoDB shows a commit before its redo log is flushed
// (https://bugs.mysql.com/bug.php?id=74303), unless the binary log takes part: then
// the log is flushed in the prepare step. Since MariaDB 12.3 the binary log may be
// InnoDB's own, and there is no such step.
//
// PostgreSQL shows locally what a synchronous standby may not have yet, if the wait
// for it was canceled, or if the server was restarted while it waited. A primary that was
// cut off and demoted goes on showing it, and Patroni clears the list of standbys then: in
// recovery the write below is refused, and nothing is answered.
//
// SQLite shows a commit after it has synced the log or the journal.
var early = map[Dialect]string{
	PostgreSQL: `(pg_is_in_recovery() OR coalesce(current_setting('synchronous_standby_names', true), '') <> '')`,
	MySQL:      `(NOT (@@log_bin AND @@sql_log_bin) /*M!120300 OR TRUE */)`,
	SQLite:     `0`,
}

// ErrNotDurable means that a record was read that a crash might still undo. Nothing
// may be answered on the strength of it: the event is in flight.
var ErrNotDurable = errors.New("the record may not be durable yet")

// Settles reports whether rec decides what a delivery with the fingerprint fp is
// answered, for good: all but a record that is in flight or free.
func Settles(rec lease.Record, fp idempotency.Fingerprint) bool {
	return rec.State == lease.Done || rec.State == lease.Dead || !rec.Fingerprint.Matches(fp)
}

// confirmTx is Confirm in a transaction of the caller's, whose commit makes the
// record durable.
func (t *Table) confirmTx(ctx context.Context, c Conn, key idempotency.Key, rec Stored) error {
	if !rec.Early || !Settles(rec.Record, idempotency.Fingerprint{}) {
		return nil
	}
	err := t.WithWait(ctx, func(ctx context.Context) error {
		if t.Dialect != MySQL {
			return t.Flush(ctx, c, key, rec)
		}
		scratch := []byte(rand.Text())
		if _, err := c.Exec(ctx, t.SQL().Scratch, scratch); err != nil {
			return err
		}
		_, err := c.Exec(ctx, t.SQL().Unscratch, scratch)
		return err
	})
	return t.NotDurable(ctx, err)
}

// Flush runs the write that makes rec durable when it is committed on c. The record must still be there: a statement that finds
// none writes nothing, and waits for nothing. It must be what was read: c may be on a
// server that took over meanwhile, or was restarted, and has an older state of it.
func (t *Table) Flush(ctx context.Context, c Conn, key idempotency.Key, rec Stored) error {
	found, err := Changed(ctx, c, t.SQL().Flush, []byte(key.Scope), []byte(key.ID), int(rec.Record.State))
	if err == nil && !found {
		err = ErrNotDurable
	}
	return err
}

// NotDurable returns ErrNotDurable if err says that a write did not end in time. Any
// other error says that the database could not do it.
func (t *Table) NotDurable(ctx context.Context, err error) error {
	if err != nil && (ctx.Err() != nil || t.Dialect.LockTimeout(err)) {
		return ErrNotDurable
	}
	return err
}

// Confirm returns nil when rec, which was read under key, is durable, or if it does
// not settle a delivery with the fingerprint fp.
//
// Where the server shows commits early, it commits a write of its own: logs are
// sequential, so when that is durable, so is everything that was visible before. How
// old the record is does not matter: its commit may have waited for longer.
//
// The caller must hold no transaction and no connection, lest a pool of one be
// exhausted.
func (e *Engine[T]) Confirm(ctx context.Context, key idempotency.Key, rec Stored, fp idempotency.Fingerprint) error {
	if !rec.Early || !Settles(rec.Record, fp) {
		return nil
	}
	err := e.Table.WithWait(ctx, func(ctx context.Context) error {
		return e.Database.Retry(ctx, func(c Conn) error { return e.Table.Flush(ctx, c, key, rec) })
	})
	return e.Table.NotDurable(ctx, err)
}

// answer is the outcome of a run that rec stands in the way of.
func (r *run[T]) answer(ctx context.Context, rec Stored) idempotency.Outcome {
	if err := r.engine.Confirm(ctx, r.item.Key, rec, r.item.Fingerprint); err != nil {
		return Unconfirmed(err)
	}
	if rec.Record.State == lease.Done && rec.Record.Owner == r.owner { // a shortcut's, whose answer was lost
		r.claimed(ctx, rec.Record)
		return idempotency.Outcome{Kind: idempotency.KindCompleted}
	}
	return rec.Record.Refuse(r.item.Fingerprint)
}

// Unconfirmed is the outcome of a claim that lost against a record that Confirm has
// returned err for.
func Unconfirmed(err error) idempotency.Outcome {
	if errors.Is(err, ErrNotDurable) {
		return idempotency.OutcomeOf(idempotency.KindInFlight, nil)
	}
	return Unavailable("make the record durable", err)
}
