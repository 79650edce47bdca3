package sqlstore

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
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
// It goes through the table in the order of the primary key, in batches with a
// statement each. It skips locked rows, and no claim waits for it. There is no index on the time: that would cost every event, and
// would be the hot end of a distributed table.
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

// position is the key that a batch starts after or ends with.
type position struct{ scope, id []byte }

// last is after every key.
var last = position{scope: []byte(strings.Repeat("\xff", idempotency.MaxKeyBytes+1))}

// sweep goes through a table and deletes what is too old.
func (s *Store) sweep(ctx context.Context, p purge) (n int, err error) {
	for from := (position{scope: []byte{}, id: []byte{}}); ; {
		to, more, err := s.batchEnd(ctx, p.next, from, records.PurgeBatch)
		if err != nil {
			return n, fmt.Errorf("sqlstore: purge: %w", err)
		}
		var deleted int
		err = s.retry(ctx, func(c conn) error {
			deleted, err = s.purgeOne(ctx, c, p, from, to)
			return err
		})
		if err != nil {
			return n, fmt.Errorf("sqlstore: purge: %w", err)
		}
		n += deleted
		if !more {
			return n, nil
		}
		from = to
	}
}

// batchEnd returns the last key of the batch of n that starts after from.
func (s *Store) batchEnd(ctx context.Context, nextKey string, from position, n int) (to position, more bool, err error) {
	args := append(s.after(from), n-1)
	err = s.db.QueryRowContext(ctx, nextKey, args...).Scan(&to.scope, &to.id)
	if errors.Is(err, sql.ErrNoRows) {
		return last, false, nil
	}
	return to, true, err
}

// after returns the parameters of a condition on the key.
func (s *Store) after(p position) []any {
	if s.dialect == MySQL {
		return []any{p.scope, p.scope, p.id}
	}
	return []any{p.scope, p.id}
}

func (s *Store) purgeOne(ctx context.Context, c conn, p purge, from, to position) (int, error) {
	args := append(append(s.after(from), s.after(to)...), p.age.Microseconds())
	if p.delete != "" {
		return s.findAndDelete(ctx, p, args)
	}
	res, err := c.ExecContext(ctx, p.find, args...)
	if err != nil {
		return 0, err
	}
	n, err := res.RowsAffected()
	return int(n), err
}

// findAndDelete is purgeOne in two statements, at READ COMMITTED: at a higher
// level InnoDB would lock the gaps between the keys, and new events would wait.
func (s *Store) findAndDelete(ctx context.Context, p purge, args []any) (int, error) {
	t, err := s.begin(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted}, func() {})
	if err != nil {
		return 0, err
	}
	defer t.end()
	keys, err := keysOf(t.tx.QueryContext(ctx, p.find, args...))
	if err != nil || len(keys) == 0 {
		return 0, err
	}
	list, err := json.Marshal(keys)
	if err != nil {
		return 0, err
	}
	if _, err := t.tx.ExecContext(ctx, p.delete, string(list)); err != nil {
		return 0, err
	}
	return len(keys), t.Commit(ctx)
}

// keysOf reads rows of scope and ID, in hexadecimal.
func keysOf(rows *sql.Rows, err error) (keys [][2]string, _ error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var scope, id []byte
		if err := rows.Scan(&scope, &id); err != nil {
			return nil, err
		}
		keys = append(keys, [2]string{hex.EncodeToString(scope), hex.EncodeToString(id)})
	}
	return keys, rows.Err()
}
