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

// ErrNotDead means that [Store.Retry] was called for an event that is not dead.
var ErrNotDead = errors.New("sqlstore: event is not dead")

// A FailedEvent is an event that failed, and that is not being processed.
type FailedEvent struct {
	Key       idempotency.Key
	State     lease.State // Released, Dead, or Claimed if its process died
	Attempts  int
	LastError string        // of the latest attempt that could tell
	Age       time.Duration // since the latest change of the record
}

// Failures returns up to limit events that failed, in the order of their keys,
// starting after the given key; the zero Key starts at the first. Events that fail in
// a transaction are listed only under Options.RecordFailures.
//
// It scans the table: call it for a person, not every second.
func (s *Store) Failures(ctx context.Context, after idempotency.Key, limit int) ([]FailedEvent, error) {
	args := append(s.after(position{[]byte(after.Scope), []byte(after.ID)}), limit)
	rows, err := s.db.QueryContext(ctx, s.sql.failures, args...)
	if err != nil {
		return nil, fmt.Errorf("sqlstore: failures: %w", err)
	}
	defer rows.Close()
	var failures []FailedEvent
	for rows.Next() {
		var (
			f         FailedEvent
			scope, id []byte
			lastError sql.NullString
			age       int64
		)
		if err := rows.Scan(&scope, &id, &f.State, &f.Attempts, &lastError, &age); err != nil {
			return nil, fmt.Errorf("sqlstore: failures: %w", err)
		}
		f.Key = idempotency.Key{Scope: string(scope), ID: string(id)}
		f.LastError = lastError.String
		f.Age = time.Duration(age) * time.Microsecond
		failures = append(failures, f)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("sqlstore: failures: %w", err)
	}
	return failures, nil
}

// Retry frees a dead event: its next delivery is processed, and its attempts count
// from 1 again. If the event is not dead, the error is [ErrNotDead].
func (s *Store) Retry(ctx context.Context, key idempotency.Key) error {
	var ok bool
	err := s.retry(ctx, func() (err error) {
		ok, err = changed(ctx, s.db, s.sql.retry, []byte(key.Scope), []byte(key.ID))
		return err
	})
	if err != nil {
		return fmt.Errorf("sqlstore: retry: %w", err)
	}
	if !ok {
		return ErrNotDead
	}
	return nil
}
