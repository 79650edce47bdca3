package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/internal/records"
)

// Purge deletes the records that were last changed longer than Options.Retention ago,
// whatever their state, unless their lease has not expired; and the payloads older
// than Options.PayloadRetention. It returns the number of deleted records. Call it
// once a day, from any number of processes.
//
// It goes through the table in the order of the primary key, in batches, and deletes by
// key. It skips locked rows, and no claim waits for it. There is no index on the time:
// that would cost every event, and would be the hot end of a distributed table.
func (s *Store) Purge(ctx context.Context) (int, error) {
	start := time.Now()
	n, err := s.purgeAll(ctx)
	s.shed(ctx, err)
	s.Observe(ctx, idempotency.Event{
		Kind:     idempotency.KindPurged,
		Duration: time.Since(start),
		Count:    n,
		Err:      err,
	})
	return n, err
}

func (s *Store) purgeAll(ctx context.Context) (n int, err error) {
	n, err = s.sweep(ctx, purge{s.table.SQL().NextKey, s.table.SQL().Purge, s.table.SQL().Delete, s.o.Retention})
	if err != nil {
		return n, err
	}
	_, err = s.sweep(ctx, purge{s.table.SQL().NextPayload, s.table.SQL().PurgePayloads, s.table.SQL().DeletePayloads, s.o.PayloadRetention})
	return n, err
}

// A purge is the statements that purge a table, and the age that is too old.
type purge struct {
	next, find, delete string
	age                time.Duration
}

// last is after every key.
var last = records.Position{Scope: []byte(strings.Repeat("\xff", idempotency.MaxKeyBytes+1))}

// purgeFor bounds a batch, where the server does not pass over locked rows.
const purgeFor = 30 * time.Second

// sweep goes through a table and deletes what is too old.
func (s *Store) sweep(ctx context.Context, p purge) (n int, err error) {
	for from := (records.Position{Scope: []byte{}, ID: []byte{}}); ; {
		to, more, err := s.batchEnd(ctx, p.next, from, records.PurgeBatch)
		if err != nil {
			return n, fmt.Errorf("sqlstore: purge: %w", err)
		}
		query, args, end := s.table.PurgeBetween(p.find, from, to)
		args = append(args, p.age.Microseconds())
		var deleted int64
		err = s.retry(ctx, func(c conn) error {
			bounded, cancel := context.WithTimeout(ctx, purgeFor)
			defer cancel()
			if p.delete != "" {
				deleted, err = s.findAndDelete(bounded, p, query, args)
			} else {
				deleted, err = s.on(c).Exec(bounded, query, args...)
			}
			return err
		})
		if err != nil {
			return n, fmt.Errorf("sqlstore: purge: %w", err)
		}
		n += int(deleted)
		if !more {
			return n, nil
		}
		from = end
	}
}

// batchEnd returns the last key of the batch of n that starts after from.
func (s *Store) batchEnd(ctx context.Context, nextKey string, from records.Position, n int) (to records.Position, more bool, err error) {
	args := append(from.After(s.table.Dialect), n-1)
	err = s.db.QueryRowContext(ctx, nextKey, args...).Scan(&to.Scope, &to.ID)
	if errors.Is(err, sql.ErrNoRows) {
		return last, false, nil
	}
	return to, true, err
}

// findAndDelete purges a batch in two statements, at READ COMMITTED: at a higher
// level InnoDB would lock the gaps between the keys, and new events would wait.
func (s *Store) findAndDelete(ctx context.Context, p purge, query string, args []any) (deleted int64, err error) {
	t, err := s.begin(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted}, func() {})
	if err != nil {
		return 0, err
	}
	defer t.end()
	found, err := t.QueryKeys(ctx, query, args...)
	if err != nil || len(found) == 0 {
		return 0, err
	}
	list := append(records.KeyArgs(found), p.age.Microseconds())
	deleted, err = t.Exec(ctx, s.table.DeleteKeys(p.delete, len(found)), list...)
	if err != nil {
		return 0, err
	}
	return deleted, t.Commit(ctx)
}
