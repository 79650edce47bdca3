package sqlstore

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/hookonce/hookonce/idempotency"
)

// maxClaimTries bounds how often a claim finds neither a free key nor a record
// that stands in the way, before it pauses. Once is what a record takes that is
// rolled back, purged or taken over in between.
const maxClaimTries = 5

// errChanging means that others were faster each time. It is a conflict.
var errChanging = errors.New("the record keeps changing")

// A bid is what a claim asks for: a record in that state, of that owner, for that
// long.
type bid struct {
	key         idempotency.Key
	state       idempotency.State
	owner       []byte
	lease       time.Duration
	fp          idempotency.Fingerprint
	maxAttempts int
}

// errWaited means that a lock was not had in time.
var errWaited = errors.New("another transaction has the record")

// claim makes the record of b's key what b asks for, and reports whether it won.
// If it did not, rec is what stands in the way. It waits for other transactions
// for as long as Options.Wait: on the database itself the statements see to that,
// on a connection, in a transaction, and on SQLite the context does.
func (s *Store) claim(ctx context.Context, c conn, b bid) (rec idempotency.Record, won bool, err error) {
	if c == conn(s.db) && s.dialect != SQLite {
		return s.tryClaim(ctx, c, b)
	}
	err = s.waiting(ctx, func(ctx context.Context) error {
		rec, won, err = s.tryClaim(ctx, c, b)
		return err
	})
	return rec, won, err
}

// waiting calls f, which may wait for another transaction. If it takes longer than
// that may, the driver closes the connection, and the error is errWaited.
func (s *Store) waiting(ctx context.Context, f func(context.Context) error) error {
	bounded, cancel := context.WithTimeout(ctx, s.longest())
	defer cancel()
	err := f(bounded)
	if err != nil && bounded.Err() != nil && ctx.Err() == nil {
		return errWaited
	}
	return err
}

// longest is Options.Wait and more: a statement that waits for nobody takes time
// too, and MariaDB, which counts whole seconds, answers by itself.
func (s *Store) longest() time.Duration {
	return time.Duration(wholeSeconds(s.o.Wait)+1) * time.Second
}

// tryClaim is claim for as long as it takes. It inserts first and reads only on
// loss: a new event then costs one statement, and a duplicate writes nothing.
func (s *Store) tryClaim(ctx context.Context, c conn, b bid) (idempotency.Record, bool, error) {
	for range maxClaimTries {
		won, err := s.insert(ctx, c, b)
		if err != nil {
			return idempotency.Record{}, false, err
		}
		if won {
			return idempotency.Record{State: b.state, Token: 1, Attempts: 1, Fingerprint: b.fp}, true, nil
		}
		// A loser that finds no record was no duplicate, whatever the INSERT
		// said: the other transaction has been rolled back.
		rec, err := s.find(ctx, c, b.key)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil || !free(rec, b.fp) {
			// The driver may have sent an INSERT again whose answer was lost.
			ours := err == nil && rec.State == idempotency.Claimed && b.state == rec.State && bytes.Equal(b.owner, rec.Owner[:])
			return rec, ours, err
		}
		rec, settled, err := s.takeOver(ctx, c, b, rec)
		if err != nil || settled {
			return rec, err == nil && rec.State != idempotency.Dead, err
		}
	}
	return idempotency.Record{}, false, errChanging
}

// free reports whether a claim may take rec over.
func free(rec idempotency.Record, fp idempotency.Fingerprint) bool {
	lapsed := rec.State == idempotency.Claimed && rec.LeaseLeft <= 0
	return (rec.State == idempotency.Released || lapsed) && rec.Fingerprint.Matches(fp)
}

// on returns the statements to run on c.
func (s *Store) on(c conn) *statements {
	if c == conn(s.db) {
		return &s.bounded
	}
	return &s.sql
}

func (s *Store) insert(ctx context.Context, c conn, b bid) (won bool, err error) {
	args := []any{[]byte(b.key.Scope), []byte(b.key.ID), b.state, b.owner, b.lease.Microseconds(), nullable(b.fp)}
	switch s.dialect {
	case PostgreSQL:
		return changed(ctx, c, s.on(c).insert, args...)
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
// attempts are used up. It is not settled if somebody else was faster.
func (s *Store) takeOver(ctx context.Context, c conn, b bid, rec idempotency.Record) (after idempotency.Record, settled bool, err error) {
	scope, id := []byte(b.key.Scope), []byte(b.key.ID)
	if b.maxAttempts > 0 && rec.Attempts >= b.maxAttempts {
		settled, err = changed(ctx, c, s.on(c).bury, scope, id, rec.Token)
		rec.State = idempotency.Dead
		return rec, settled, err
	}
	args := []any{b.state, b.owner, b.lease.Microseconds(), nullable(b.fp), scope, id, rec.Token}
	settled, err = changed(ctx, c, s.on(c).takeOver, args...)
	rec.Stolen = rec.State == idempotency.Claimed
	rec.State, rec.Token, rec.Attempts = b.state, rec.Token+1, rec.Attempts+1
	if rec.Fingerprint == (idempotency.Fingerprint{}) {
		rec.Fingerprint = b.fp
	}
	return rec, settled, err
}

// find returns the record of key; without one the error is [sql.ErrNoRows].
func (s *Store) find(ctx context.Context, c conn, key idempotency.Key) (idempotency.Record, error) {
	var (
		rec       idempotency.Record
		owner, fp []byte
		leaseLeft int64
		result    storedResult
		lastError sql.NullString
	)
	row := c.QueryRowContext(ctx, s.sql.find, []byte(key.Scope), []byte(key.ID))
	err := row.Scan(&rec.State, &owner, &rec.Token, &rec.Attempts, &leaseLeft, &fp, &result.status, &result.mediaType, &result.body, &lastError)
	if err != nil {
		return rec, err
	}
	copy(rec.Owner[:], owner)
	copy(rec.Fingerprint[:], fp)
	rec.LeaseLeft = time.Duration(leaseLeft) * time.Microsecond
	rec.LastError = lastError.String
	if rec.State == idempotency.Done {
		rec.Result = result.get()
	}
	return rec, nil
}

// nullable returns fp as a parameter; one that was not taken is NULL.
func nullable(fp idempotency.Fingerprint) []byte {
	if fp == (idempotency.Fingerprint{}) {
		return nil
	}
	return fp[:]
}
