package sqltest_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/sqlstore"
)

const finished = 1000

// upsert is the usual way to claim by one statement: an expired record is taken
// over, and any other is locked and left alone.
func upsert(ctx context.Context, c interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
}, i int64) error {
	key := eventKey(i % finished)
	res, err := c.ExecContext(ctx, `
INSERT INTO by_hand (scope, id, state, owner, token, attempts, lease_until, changed_at)
VALUES ($1, $2, 2, '', 1, 1, 0, extract(epoch FROM now()) * 1000000)
ON CONFLICT (scope, id) DO UPDATE
SET token = by_hand.token + 1
WHERE by_hand.state = 1 AND by_hand.lease_until < extract(epoch FROM now()) * 1000000`, []byte(key.Scope), []byte(key.ID))
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n != 0 {
		return errors.Join(err, errors.New("not a duplicate"))
	}
	return nil
}

// Deliveries of events that are done: against the usual upsert, alone and in the
// transaction that the work would have been in. It also reports how many bytes of
// WAL each of them costs.
func BenchmarkDuplicates(b *testing.B) {
	for _, callers := range []int{1, 4, 16, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			db := newBusiness(b, sqlstore.PostgreSQL, callers)
			events := newStore(b, db, sqlstore.PostgreSQL, nil)
			if err := events.CreateTables(b.Context()); err != nil {
				b.Fatal(err)
			}
			for i := range int64(finished) {
				if err := events.RunTx(b.Context(), eventKey(i), nothing); err != nil {
					b.Fatal(err)
				}
			}
			mustExec(b, db, "CREATE TABLE by_hand (LIKE idempotency_records INCLUDING ALL)")
			mustExec(b, db, "INSERT INTO by_hand SELECT * FROM idempotency_records")
			mustExec(b, db, "VACUUM ANALYZE idempotency_records, by_hand")

			contenders := []contender{
				{"hookonce", func(ctx context.Context, i int64) error {
					err := events.RunTx(ctx, eventKey(i%finished), nothing)
					if errors.Is(err, idempotency.ErrDuplicate) {
						return nil
					}
					return errors.Join(err, errors.New("not a duplicate"))
				}},
				{"upsert", func(ctx context.Context, i int64) error { return upsert(ctx, db, i) }},
				{"upsert-in-tx", func(ctx context.Context, i int64) error {
					tx, err := db.BeginTx(ctx, nil)
					if err != nil {
						return err
					}
					defer tx.Rollback()
					return upsert(ctx, tx, i)
				}},
			}
			compare(b, callers, contenders...)
			for _, c := range contenders[:2] {
				b.ReportMetric(walBytes(b, db, c), c.name+"-WAL-B/op")
			}
		})
	}
}

// walBytes returns the least WAL that was written in a run of c, for each call:
// the server writes some of its own at any time.
func walBytes(b *testing.B, db *sql.DB, c contender) float64 {
	b.Helper()
	const calls = 50
	least := -1.0
	for range 20 {
		var before string
		var bytes float64
		if err := db.QueryRowContext(b.Context(), "SELECT pg_current_wal_insert_lsn()::text").Scan(&before); err != nil {
			b.Fatal(err)
		}
		for i := range int64(calls) {
			if err := c.do(b.Context(), i); err != nil {
				b.Fatal(err)
			}
		}
		err := db.QueryRowContext(b.Context(), "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), $1::text::pg_lsn)::float8", before).Scan(&bytes)
		if err != nil {
			b.Fatal(err)
		}
		if least < 0 || bytes/calls < least {
			least = bytes / calls
		}
	}
	return least
}
