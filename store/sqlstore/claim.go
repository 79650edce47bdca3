package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/hookonce/hookonce/idempotency"
)

// maxClaimTries bounds how often a claim finds neither a free key nor a record.
// Once is what a record takes that is rolled back or purged in between.
const maxClaimTries = 5

// claim inserts the record of key as done on tx, and reports whether it won. If
// it did not, rec is what stands in the way.
//
// It inserts first and reads only on loss: a new event then costs one statement,
// and a duplicate writes nothing.
func (s *Store) claim(ctx context.Context, tx *sql.Tx, key idempotency.Key, fp idempotency.Fingerprint) (rec idempotency.Record, won bool, err error) {
	for range maxClaimTries {
		won, err := s.insertDone(ctx, tx, key, fp)
		if err != nil {
			return rec, false, s.claimError(err)
		}
		if won {
			return idempotency.Record{State: idempotency.Done, Token: 1, Attempts: 1, Fingerprint: fp}, true, nil
		}
		// A loser that finds no record was no duplicate, whatever the INSERT
		// said: the other transaction has been rolled back.
		rec, err := s.find(ctx, tx, key)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return rec, false, s.claimError(err)
		}
		if !free(rec, fp) {
			return rec, false, nil
		}
		won, err = s.takeOver(ctx, tx, key, rec.Token, fp)
		if err != nil {
			return rec, false, s.claimError(err)
		}
		if won {
			rec.State, rec.Token, rec.Attempts = idempotency.Done, rec.Token+1, rec.Attempts+1
			return rec, true, nil
		}
	}
	return rec, false, idempotency.Unavailable("claim", errors.New("the record keeps changing"))
}

// claimError says what an error of a claim means: that somebody else has the key
// in flight, or that the store is unavailable. Conflicts stay visible in it.
func (s *Store) claimError(err error) error {
	if lockTimeout(s.dialect, err) {
		return &idempotency.InFlightError{}
	}
	return idempotency.Unavailable("claim", err)
}

// free reports whether a run may take rec over.
func free(rec idempotency.Record, fp idempotency.Fingerprint) bool {
	lapsed := rec.State == idempotency.Claimed && rec.LeaseLeft <= 0
	return (rec.State == idempotency.Released || lapsed) && rec.Fingerprint.Matches(fp)
}

func (s *Store) insertDone(ctx context.Context, tx *sql.Tx, key idempotency.Key, fp idempotency.Fingerprint) (won bool, err error) {
	args := []any{[]byte(key.Scope), []byte(key.ID), nullable(fp)}
	if s.dialect == PostgreSQL {
		args = append(args, fmt.Sprintf("%dms", max(1, s.o.Wait.Milliseconds())))
	}
	var ignored any
	err = tx.QueryRowContext(ctx, s.sql.insertDone, args...).Scan(&ignored)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

func (s *Store) takeOver(ctx context.Context, tx *sql.Tx, key idempotency.Key, token int64, fp idempotency.Fingerprint) (won bool, err error) {
	res, err := tx.ExecContext(ctx, s.sql.takeOver, []byte(key.Scope), []byte(key.ID), token, nullable(fp))
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n == 1, err
}

func (s *Store) find(ctx context.Context, tx *sql.Tx, key idempotency.Key) (idempotency.Record, error) {
	var (
		rec        idempotency.Record
		owner, fp  []byte
		leaseLeft  int64
		status     sql.NullInt64
		mediaType  sql.NullString
		body       []byte
		lastError  sql.NullString
		row        = tx.QueryRowContext(ctx, s.sql.find, []byte(key.Scope), []byte(key.ID))
		err        = row.Scan(&rec.State, &owner, &rec.Token, &rec.Attempts, &leaseLeft, &fp, &status, &mediaType, &body, &lastError)
		resultKept = status.Valid
	)
	if err != nil {
		return rec, err
	}
	copy(rec.Owner[:], owner)
	copy(rec.Fingerprint[:], fp)
	rec.LeaseLeft = time.Duration(leaseLeft) * time.Microsecond
	rec.LastError = lastError.String
	if resultKept {
		rec.Result = &idempotency.Result{Status: int(status.Int64), ContentType: mediaType.String, Body: body}
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
