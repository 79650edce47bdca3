package records

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

// ErrChanging means that other claims were faster each time, or that the index was being
// rebuilt. It is a conflict.
var ErrChanging = errors.New("the record keeps changing")

// A Request is what a claim asks for: a record in that state, of that owner, for
// that long.
type Request struct {
	Key         idempotency.Key
	State       lease.State
	Owner       []byte
	Length      time.Duration
	Fingerprint idempotency.Fingerprint
	MaxAttempts int
	Interval    time.Duration // between failures that count
}

// Claim makes the record of b's key what b asks for, and reports whether it won. If
// it did not, rec is what stands in the way. It waits for other transactions for at
// most Options.Wait. Outside of a transaction the statements bound the wait for the
// key; the context bounds all others, such as the wait for a table that is locked.
func (t *Table) Claim(ctx context.Context, c Conn, b Request) (rec Stored, won bool, err error) {
	err = t.WithWait(ctx, func(ctx context.Context) error {
		rec, won, err = t.tryClaim(ctx, c, b)
		return err
	})
	return rec, won, err
}

// tryClaim is Claim without a bound on its wait. It inserts first and reads only if
// it lost: a new event costs one statement, and a duplicate writes nothing.
func (t *Table) tryClaim(ctx context.Context, c Conn, b Request) (Stored, bool, error) {
	for range maxClaimTries {
		won, err := t.Insert(ctx, c, b)
		if err != nil {
			return Stored{}, false, err
		}
		if won {
			return Stored{Record: lease.Record{State: b.State, Token: 1, Attempts: 1, Counted: true, Fingerprint: b.Fingerprint}}, true, nil
		}
		// A loser that finds no record was no duplicate, whatever the INSERT
		// said: the other transaction has been rolled back.
		rec, err := t.Find(ctx, c, b.Key)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil || !free(rec.Record, b.Fingerprint) {
			// The driver may have sent an INSERT again whose answer was lost.
			ours := err == nil && rec.Record.State == lease.Claimed && b.State == rec.Record.State && bytes.Equal(b.Owner, rec.Record.Owner[:])
			return rec, ours, err
		}
		rec, settled, err := t.takeOver(ctx, c, b, rec)
		if err != nil || settled {
			return rec, err == nil && rec.Record.State != lease.Dead, err
		}
	}
	return Stored{}, false, ErrChanging
}

// free reports whether a claim may take rec over.
func free(rec lease.Record, fp idempotency.Fingerprint) bool {
	lapsed := rec.State == lease.Claimed && rec.LeaseLeft <= 0
	return (rec.State == lease.Released || lapsed) && rec.Fingerprint.Matches(fp)
}

// Insert claims a key that has no record, and reports whether it has.
func (t *Table) Insert(ctx context.Context, c Conn, b Request) (won bool, err error) {
	args := b.Args()
	switch t.Dialect {
	case PostgreSQL:
		won, err = Changed(ctx, c, t.on(c).Insert, args...)
		return won, RivalIndex(err)
	case MySQL:
		_, err := c.Exec(ctx, t.on(c).Insert, args...)
		if t.Dialect.hasNumber(err, func(n int) bool { return n == mysqlDuplicate }) {
			return false, nil
		}
		return err == nil, err
	}
	var ignored any
	err = c.QueryRow(ctx, t.on(c).Insert, args...).Scan(&ignored)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// takeOver claims a key whose record rec is free, or makes the record Dead if its
// attempts are used up. It is not settled if another claim was faster.
func (t *Table) takeOver(ctx context.Context, c Conn, b Request, rec Stored) (after Stored, settled bool, err error) {
	scope, id := []byte(b.Key.Scope), []byte(b.Key.ID)
	if b.MaxAttempts > 0 && rec.Record.Attempts >= b.MaxAttempts {
		settled, err = Changed(ctx, c, t.on(c).Bury, scope, id, rec.Record.Token)
		rec.Record.State, rec.Early = lease.Dead, false // once we have committed it
		return rec, settled, err
	}
	counts := 1
	if b.Interval >= time.Microsecond && rec.Record.State == lease.Released && rec.Record.Attempts > 0 && rec.Record.Age < b.Interval {
		counts = 0
	}
	args := []any{int(b.State), b.Owner, counts, b.Length.Microseconds(), nullable(b.Fingerprint), scope, id, rec.Record.Token}
	settled, err = Changed(ctx, c, t.on(c).TakeOver, args...)
	rec.Record.Stolen = rec.Record.State == lease.Claimed
	rec.Record.State, rec.Record.Token, rec.Record.Attempts = b.State, rec.Record.Token+1, rec.Record.Attempts+counts
	rec.Record.Counted = counts > 0
	if rec.Record.Fingerprint == (idempotency.Fingerprint{}) {
		rec.Record.Fingerprint = b.Fingerprint
	}
	return rec, settled, err
}

// Args returns the parameters of an INSERT.
func (b Request) Args() []any {
	return []any{[]byte(b.Key.Scope), []byte(b.Key.ID), int(b.State), b.Owner, b.Length.Microseconds(), nullable(b.Fingerprint)}
}

// nullable returns fp as a parameter; one that was not taken is NULL.
func nullable(fp idempotency.Fingerprint) []byte {
	if fp == (idempotency.Fingerprint{}) {
		return nil
	}
	return fp[:]
}
