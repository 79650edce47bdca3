package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
)

// ErrNotFound means that the store has no record of an event: it was never seen, or
// it was purged or forgotten, or it failed without Options.RecordFailures.
var ErrNotFound = idempotency.ErrNotFound

// Lookup returns the status of an event, or [ErrNotFound].
func (s *Store) Lookup(ctx context.Context, key idempotency.Key) (lease.Status, error) {
	status, err := s.lookup(ctx, s.db, key)
	if err != nil && !errors.Is(err, ErrNotFound) {
		err = fmt.Errorf("sqlstore: lookup: %w", err)
	}
	return status, err
}

func (s *Store) lookup(ctx context.Context, c conn, key idempotency.Key) (lease.Status, error) {
	status := lease.Status{Key: key}
	var lastError sql.NullString
	var age, left int64
	row := c.QueryRowContext(ctx, s.table.SQL().Lookup, []byte(key.Scope), []byte(key.ID))
	err := row.Scan(&status.State, &status.Attempts, &lastError, &age, &left)
	if errors.Is(err, sql.ErrNoRows) {
		return lease.Status{}, ErrNotFound
	}
	if err != nil {
		return lease.Status{}, err
	}
	status.LastError = lastError.String
	status.Age = time.Duration(age) * time.Microsecond
	if status.State == lease.Claimed {
		status.LeaseLeft = time.Duration(left) * time.Microsecond
	}
	return status, nil
}

// Forget deletes the record of an event, and its payload, so that its next delivery
// is processed as if it were the first: also if the event was processed already. The
// observer sees [idempotency.KindForgotten].
//
// An event that is being processed is not forgotten: the error is
// [idempotency.ErrInFlight]. Without a record it is [ErrNotFound].
func (s *Store) Forget(ctx context.Context, key idempotency.Key) error {
	start := time.Now()
	err := s.forget(ctx, key)
	if err != nil && !errors.Is(err, ErrNotFound) && !errors.Is(err, idempotency.ErrInFlight) {
		err = fmt.Errorf("sqlstore: forget: %w", err)
	}
	if err == nil {
		s.Observe(ctx, idempotency.Event{Kind: idempotency.KindForgotten, Key: key, Duration: time.Since(start)})
	}
	return err
}

func (s *Store) forget(ctx context.Context, key idempotency.Key) error {
	scope, id := []byte(key.Scope), []byte(key.ID)
	err := s.inTx(ctx, func(tx *sql.Tx) error {
		return s.table.WithWait(ctx, func(ctx context.Context) error {
			forgotten, err := s.changed(ctx, tx, s.table.SQL().Forget, scope, id)
			if err != nil {
				return err
			}
			if !forgotten {
				if _, err := s.lookup(ctx, tx, key); err != nil {
					return err
				}
				return idempotency.ErrInFlight
			}
			_, err = tx.ExecContext(ctx, s.table.SQL().ForgetPayload, scope, id)
			return err
		})
	})
	if s.table.Dialect.LockTimeout(err) {
		return idempotency.ErrInFlight
	}
	return err
}
