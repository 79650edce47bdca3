package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/internal/records"
)

// ErrNotDead means that [Store.Retry] was called for an event that is not dead.
var ErrNotDead = idempotency.ErrNotDead

// listFor is how long a call of [Store.Failures] goes on looking.
const listFor = time.Second

// Failures returns up to limit events that failed, in the order of their keys,
// starting after the given key; the zero Key starts at the first. Events that fail in
// a transaction are listed only under Options.RecordFailures.
//
// No index has what failed, because it would cost what succeeds. So Failures goes
// through the table, and returns after about a second with what it has found. next is
// where the next call is to continue: it is the zero Key if there are no more.
func (s *Store) Failures(ctx context.Context, after idempotency.Key, limit int) (page []lease.Status, next idempotency.Key, err error) {
	if limit < 1 {
		return nil, next, fmt.Errorf("sqlstore: failures: a limit of %d: it must be positive", limit)
	}
	from := records.Position{Scope: []byte(after.Scope), ID: []byte(after.ID)}
	for start := time.Now(); ; {
		to, more, err := s.batchEnd(ctx, s.table.SQL().NextKey, from, records.ListBatch)
		if err != nil {
			return nil, next, fmt.Errorf("sqlstore: failures: %w", err)
		}
		found, err := s.failuresWithin(ctx, from, to, limit-len(page))
		if err != nil {
			return nil, next, fmt.Errorf("sqlstore: failures: %w", err)
		}
		page = append(page, found...)
		switch {
		case len(page) >= limit:
			return page, page[len(page)-1].Key, nil
		case !more:
			return page, idempotency.Key{}, nil
		case time.Since(start) > listFor:
			return page, idempotency.Key{Scope: string(to.Scope), ID: string(to.ID)}, nil
		}
		from = to
	}
}

// failuresWithin returns up to limit events that failed, of the keys after from up to to.
func (s *Store) failuresWithin(ctx context.Context, from, to records.Position, limit int) (failures []lease.Status, err error) {
	args := append(append(from.After(s.table.Dialect), to.After(s.table.Dialect)...), limit)
	rows, err := s.db.QueryContext(ctx, s.table.SQL().Failures, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var (
			f         lease.Status
			scope, id []byte
			lastError sql.NullString
			age       int64
		)
		if err := rows.Scan(&scope, &id, &f.State, &f.Attempts, &lastError, &age); err != nil {
			return nil, err
		}
		f.Key = idempotency.Key{Scope: string(scope), ID: string(id)}
		f.LastError = lastError.String
		f.Age = time.Duration(age) * time.Microsecond
		failures = append(failures, f)
	}
	return failures, rows.Err()
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
