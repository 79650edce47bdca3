package sqlstore

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
)

// early is the condition that the server may show a commit to others before it is
// durable. find and findDone ask for it in the same round trip.
//
// InnoDB shows a commit before its redo log is flushed
// (https://bugs.mysql.com/bug.php?id=74303), unless the binary log takes part: then
// the log is flushed in the prepare step. Since MariaDB 12.3 the binary log may be
// InnoDB's own, and there is no such step.
//
// PostgreSQL shows locally what a synchronous standby may not have yet, if the wait
// for it was canceled, or if the server was restarted while it waited.
//
// SQLite shows a commit after it has synced the log or the journal.
var early = map[Dialect]string{
	PostgreSQL: `coalesce(current_setting('synchronous_standby_names', true), '') <> ''`,
	MySQL:      `(NOT (@@log_bin AND @@sql_log_bin) /*M!120300 OR TRUE */)`,
	SQLite:     `0`,
}

// errNotDurable means that a record was read that a crash might still undo. Nothing
// may be answered on the strength of it: the event is in flight.
var errNotDurable = errors.New("the record may not be durable yet")

// settles reports whether rec decides what a delivery with the fingerprint fp is
// answered, for good: all but a record that is in flight or free.
func settles(rec lease.Record, fp idempotency.Fingerprint) bool {
	return rec.State == lease.Done || rec.State == lease.Dead || !rec.Fingerprint.Matches(fp)
}

// confirm returns nil when rec, which was read under key, is durable, or if it does
// not settle a delivery with the fingerprint fp.
//
// Where the server shows commits early, it commits a write of its own: logs are
// sequential, so when that is durable, so is everything that was visible before. How
// old the record is does not matter: its commit may have waited for longer.
//
// The caller must hold no transaction and no connection, lest a pool of one be
// exhausted.
func (s *Store) confirm(ctx context.Context, key idempotency.Key, rec stored, fp idempotency.Fingerprint) error {
	if !rec.early || !settles(rec.record, fp) {
		return nil
	}
	err := s.withWait(ctx, func(ctx context.Context) error {
		return s.retry(ctx, func(c conn) error { return s.flush(ctx, c, key, rec) })
	})
	return s.notDurable(ctx, err)
}

// confirmTx is confirm in a transaction of the caller's, whose commit makes the
// record durable.
func (s *Store) confirmTx(ctx context.Context, tx *sql.Tx, key idempotency.Key, rec stored) error {
	if !rec.early || !settles(rec.record, idempotency.Fingerprint{}) {
		return nil
	}
	err := s.withWait(ctx, func(ctx context.Context) error {
		if s.dialect != MySQL {
			return s.flush(ctx, tx, key, rec)
		}
		scratch := []byte(rand.Text())
		if _, err := tx.ExecContext(ctx, s.sql().scratch, scratch); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, s.sql().unscratch, scratch)
		return err
	})
	return s.notDurable(ctx, err)
}

// flush runs the write on c. The record must still be there: a statement that finds
// none writes nothing, and waits for nothing. It must be what was read: c may be on a
// server that took over meanwhile, or was restarted, and has an older state of it.
func (s *Store) flush(ctx context.Context, c conn, key idempotency.Key, rec stored) error {
	found, err := changed(ctx, c, s.sql().flush, []byte(key.Scope), []byte(key.ID), rec.record.State)
	if err == nil && !found {
		err = errNotDurable
	}
	return err
}

// notDurable returns errNotDurable if err says that a write did not end in time. Any
// other error says that the database could not do it.
func (s *Store) notDurable(ctx context.Context, err error) error {
	if err != nil && (ctx.Err() != nil || lockTimeout(s.dialect, err)) {
		return errNotDurable
	}
	return err
}

// answer is the outcome of a run that rec stands in the way of.
func (r *run) answer(ctx context.Context, rec stored) idempotency.Outcome {
	if err := r.store.confirm(ctx, r.item.Key, rec, r.item.Fingerprint); err != nil {
		return unconfirmed(err)
	}
	return rec.record.Refuse(r.item.Fingerprint)
}

// unconfirmed is the outcome of a claim that lost against a record that confirm has
// returned err for.
func unconfirmed(err error) idempotency.Outcome {
	if errors.Is(err, errNotDurable) {
		return idempotency.OutcomeOf(idempotency.KindInFlight, nil)
	}
	return unavailable("make the record durable", err)
}

// lost is what [Store.Claim] returns of a claim that rec stands in the way of: rec,
// or, until that is durable, what it would be if it could not be seen yet.
func (s *Store) lost(ctx context.Context, b claimRequest, rec stored) (lease.Record, bool, error) {
	err := s.confirm(ctx, b.key, rec, b.fp)
	if errors.Is(err, errNotDurable) {
		return lease.Record{State: lease.Claimed}, false, nil
	}
	if err != nil {
		return rec.record, false, fmt.Errorf("make the record durable: %w", err)
	}
	return rec.record, false, nil
}
