package sqlstore

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
)

// maxClaimTries bounds how often a claim finds neither a free key nor a record that
// stands in the way, before it pauses. One retry covers a record rolled back, purged
// or taken over meanwhile.
const maxClaimTries = 5

// errChanging means that other claims were faster each time, or that the index was being
// rebuilt. It is a conflict.
var errChanging = errors.New("the record keeps changing")

// A claimRequest is what a claim asks for: a record in that state, of that owner, for
// that long.
type claimRequest struct {
	key         idempotency.Key
	state       lease.State
	owner       []byte
	length      time.Duration
	fp          idempotency.Fingerprint
	maxAttempts int
	interval    time.Duration // between failures that count
}

// claim makes the record of b's key what b asks for, and reports whether it won. If
// it did not, rec is what stands in the way. It waits for other transactions for at
// most Options.Wait. Outside of a transaction the statements bound the wait for the
// key; the context bounds all others, such as the wait for a table that is locked.
func (s *Store) claim(ctx context.Context, c conn, b claimRequest) (rec stored, won bool, err error) {
	err = s.withWait(ctx, func(ctx context.Context) error {
		rec, won, err = s.tryClaim(ctx, c, b)
		return err
	})
	return rec, won, err
}

// tryClaim is claim without a bound on its wait. It inserts first and reads only if
// it lost: a new event costs one statement, and a duplicate writes nothing.
func (s *Store) tryClaim(ctx context.Context, c conn, b claimRequest) (stored, bool, error) {
	for range maxClaimTries {
		won, err := s.insert(ctx, c, b)
		if err != nil {
			return stored{}, false, err
		}
		if won {
			return stored{record: lease.Record{State: b.state, Token: 1, Attempts: 1, Counted: true, Fingerprint: b.fp}}, true, nil
		}
		// A loser that finds no record was no duplicate, whatever the INSERT
		// said: the other transaction has been rolled back.
		rec, err := s.find(ctx, c, b.key)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil || !free(rec.record, b.fp) {
			// The driver may have sent an INSERT again whose answer was lost.
			ours := err == nil && rec.record.State == lease.Claimed && b.state == rec.record.State && bytes.Equal(b.owner, rec.record.Owner[:])
			return rec, ours, err
		}
		rec, settled, err := s.takeOver(ctx, c, b, rec)
		if err != nil || settled {
			return rec, err == nil && rec.record.State != lease.Dead, err
		}
	}
	return stored{}, false, errChanging
}

// free reports whether a claim may take rec over.
func free(rec lease.Record, fp idempotency.Fingerprint) bool {
	lapsed := rec.State == lease.Claimed && rec.LeaseLeft <= 0
	return (rec.State == lease.Released || lapsed) && rec.Fingerprint.Matches(fp)
}

func (s *Store) insert(ctx context.Context, c conn, b claimRequest) (won bool, err error) {
	args := []any{[]byte(b.key.Scope), []byte(b.key.ID), b.state, b.owner, b.length.Microseconds(), nullable(b.fp)}
	switch s.dialect {
	case PostgreSQL:
		won, err = changed(ctx, c, s.on(c).insert, args...)
		return won, rivalIndex(err)
	case MySQL:
		_, err := c.ExecContext(ctx, s.on(c).insert, args...)
		if hasNumber(s.dialect, err, func(n int) bool { return n == mysqlDuplicate }) {
			return false, nil
		}
		return err == nil, err
	}
	var ignored any
	err = c.QueryRowContext(ctx, s.on(c).insert, args...).Scan(&ignored)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// takeOver claims a key whose record rec is free, or makes the record Dead if its
// attempts are used up. It is not settled if another claim was faster.
func (s *Store) takeOver(ctx context.Context, c conn, b claimRequest, rec stored) (after stored, settled bool, err error) {
	scope, id := []byte(b.key.Scope), []byte(b.key.ID)
	if b.maxAttempts > 0 && rec.record.Attempts >= b.maxAttempts {
		settled, err = changed(ctx, c, s.on(c).bury, scope, id, rec.record.Token)
		rec.record.State, rec.early = lease.Dead, false // once we have committed it
		return rec, settled, err
	}
	counts := 1
	if b.interval >= time.Microsecond && rec.record.State == lease.Released && rec.record.Attempts > 0 && rec.record.Age < b.interval {
		counts = 0
	}
	args := []any{b.state, b.owner, counts, b.length.Microseconds(), nullable(b.fp), scope, id, rec.record.Token}
	settled, err = changed(ctx, c, s.on(c).takeOver, args...)
	rec.record.Stolen = rec.record.State == lease.Claimed
	rec.record.State, rec.record.Token, rec.record.Attempts = b.state, rec.record.Token+1, rec.record.Attempts+counts
	rec.record.Counted = counts > 0
	if rec.record.Fingerprint == (idempotency.Fingerprint{}) {
		rec.record.Fingerprint = b.fp
	}
	return rec, settled, err
}

// nullable returns fp as a parameter; one that was not taken is NULL.
func nullable(fp idempotency.Fingerprint) []byte {
	if fp == (idempotency.Fingerprint{}) {
		return nil
	}
	return fp[:]
}
