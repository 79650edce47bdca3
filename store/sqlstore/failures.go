package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
)

// ErrNotDead means that [Store.Retry] was called for an event that is not dead.
var ErrNotDead = idempotency.ErrNotDead

// Failures returns up to limit events that failed, in the order of their keys,
// starting after the given key; the zero Key starts at the first. Events that fail in
// a transaction are listed only under Options.RecordFailures.
//
// It scans the table: call it for a person, not every second.
func (s *Store) Failures(ctx context.Context, after idempotency.Key, limit int) ([]lease.Status, error) {
	args := append(s.after(position{[]byte(after.Scope), []byte(after.ID)}), limit)
	rows, err := s.db.QueryContext(ctx, s.table.SQL().Failures, args...)
	if err != nil {
		return nil, fmt.Errorf("sqlstore: failures: %w", err)
	}
	defer rows.Close()
	var failures []lease.Status
	for rows.Next() {
		var (
			f         lease.Status
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
	err := s.retry(ctx, func(c conn) (err error) {
		ok, err = s.changed(ctx, c, s.table.SQL().Retry, []byte(key.Scope), []byte(key.ID))
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
