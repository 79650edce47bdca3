package sqltest_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/hookonce/hookonce/store/sqlstore"
)

var (
	purgeEvents = flag.Int("purge.events", 100_000, "records in BenchmarkPurge")
	purgeEvery  = flag.Int("purge.every", 1, "every which of them is old in BenchmarkPurge")
)

// BenchmarkPurge compares a purge with one that does the same by what only its engine has:
// PostgreSQL's ctid, and JSON_TABLE of MySQL and MariaDB. An iteration is a round, in which
// each purges the same records. SQLite's purge has always been portable.
func BenchmarkPurge(b *testing.B) {
	for d, special := range map[sqlstore.Dialect]func(context.Context, *sql.DB) (int, error){
		sqlstore.PostgreSQL: purgeByCtid,
		sqlstore.MySQL:      purgeByJSONTable,
		sqlstore.SQLite:     nil,
	} {
		b.Run(string(d), func(b *testing.B) { benchmarkPurge(b, d, special) })
	}
}

func benchmarkPurge(b *testing.B, d sqlstore.Dialect, special func(context.Context, *sql.DB) (int, error)) {
	db := newBusiness(b, d, 2)
	events := newStore(b, db, d, nil)
	if err := events.CreateTables(b.Context()); err != nil {
		b.Fatal(err)
	}
	purges := []func() (int, error){func() (int, error) { return events.Purge(b.Context()) }}
	if special != nil {
		purges = append(purges, func() (int, error) { return special(b.Context(), db) })
	}
	seconds := make([][]float64, len(purges))
	for b.Loop() {
		for _, i := range rand.Perm(len(purges)) {
			mustExec(b, db, "DELETE FROM idempotency_records")
			fillRecords(b, db, d, *purgeEvents)
			mustExec(b, db, fmt.Sprintf("UPDATE idempotency_records SET changed_at = %d WHERE %s %% %d <> 0", time.Now().UnixMicro(), lastDigits[d], *purgeEvery))
			if d == sqlstore.PostgreSQL {
				mustExec(b, db, "VACUUM ANALYZE idempotency_records")
			}
			start := time.Now()
			n, err := purges[i]()
			seconds[i] = append(seconds[i], time.Since(start).Seconds())
			if err != nil || n < *purgeEvents/(*purgeEvery)*9/10 {
				b.Fatalf("purged %d, error %v", n, err)
			}
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(*purgeEvents)/median(seconds[0]), "records/s")
	if special != nil {
		ratios := make([]float64, len(seconds[0]))
		for i := range ratios {
			ratios[i] = seconds[1][i] / seconds[0][i]
		}
		b.ReportMetric(median(ratios), "x-special")
	}
}

// lastDigits is a number from the end of an ID, which is in hexadecimal.
var lastDigits = map[sqlstore.Dialect]string{
	sqlstore.PostgreSQL: "(get_byte(id, length(id) - 1) + 16 * get_byte(id, length(id) - 2))",
	sqlstore.MySQL:      "conv(right(id, 4), 16, 10)",
	sqlstore.SQLite:     "(unicode(substr(id, -1)) + 16 * unicode(substr(id, -2)))",
}

const (
	oldInPostgreSQL = "greatest(changed_at, lease_until) < (date_part('epoch', clock_timestamp()) * 1000000)::bigint - 2592000000000"
	oldInMySQL      = "greatest(changed_at, lease_until) < TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) - 2592000000000"
	notInInbox      = "NOT EXISTS (SELECT 1 FROM idempotency_records_inbox AS i WHERE i.scope = idempotency_records.scope AND i.id = idempotency_records.id)"
)

func purgeByCtid(ctx context.Context, db *sql.DB) (n int, err error) {
	const purge = `
DELETE FROM idempotency_records
WHERE ctid = ANY (ARRAY(
    SELECT ctid
    FROM idempotency_records
    WHERE ctid = ANY (ARRAY(
        SELECT ctid
        FROM idempotency_records
        WHERE (scope, id) > ($1, $2)
        ORDER BY scope, id
        LIMIT 500
    ))
      AND (scope, id) <= ($3, $4)
      AND ` + oldInPostgreSQL + ` AND ` + notInInbox + `
    FOR UPDATE SKIP LOCKED
))
  AND ` + oldInPostgreSQL
	const next = "SELECT scope, id FROM idempotency_records WHERE (scope, id) > ($1, $2) ORDER BY scope, id LIMIT 1 OFFSET 249"
	return inBatches(func(scope, id []byte) *sql.Row { return db.QueryRowContext(ctx, next, scope, id) },
		func(from, to [2][]byte) (int64, error) {
			res, err := db.ExecContext(ctx, purge, from[0], from[1], to[0], to[1])
			if err != nil {
				return 0, err
			}
			return res.RowsAffected()
		})
}

func purgeByJSONTable(ctx context.Context, db *sql.DB) (n int, err error) {
	const next = "SELECT scope, id FROM idempotency_records WHERE scope > ? OR scope = ? AND id > ? ORDER BY scope, id LIMIT 1 OFFSET 249"
	return inBatches(func(scope, id []byte) *sql.Row { return db.QueryRowContext(ctx, next, scope, scope, id) },
		func(from, to [2][]byte) (int64, error) { return purgeOneByJSONTable(ctx, db, from, to) })
}

func purgeOneByJSONTable(ctx context.Context, db *sql.DB, from, to [2][]byte) (int64, error) {
	const find = `
SELECT hex(scope), hex(id)
FROM idempotency_records
WHERE (scope > ? OR scope = ? AND id > ?) AND (scope < ? OR scope = ? AND id <= ?)
  AND ` + oldInMySQL + ` AND ` + notInInbox + `
FOR UPDATE SKIP LOCKED`
	const remove = `
DELETE r
FROM JSON_TABLE(?, '$[*]' COLUMNS (scope VARCHAR(510) PATH '$[0]', id VARCHAR(510) PATH '$[1]')) AS k
STRAIGHT_JOIN idempotency_records AS r ON r.scope = unhex(k.scope) AND r.id = unhex(k.id)`
	tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return 0, err
	}
	defer tx.Rollback()
	rows, err := tx.QueryContext(ctx, find, from[0], from[0], from[1], to[0], to[0], to[1])
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	var keys [][2]string
	for rows.Next() {
		var key [2]string
		if err := rows.Scan(&key[0], &key[1]); err != nil {
			return 0, err
		}
		keys = append(keys, key)
	}
	if rows.Err() != nil || len(keys) == 0 {
		return 0, rows.Err()
	}
	list, err := json.Marshal(keys)
	if err != nil {
		return 0, err
	}
	if _, err := tx.ExecContext(ctx, remove, string(list)); err != nil {
		return 0, err
	}
	return int64(len(keys)), tx.Commit()
}

// inBatches purges the keys after from up to to, again and again.
func inBatches(next func(scope, id []byte) *sql.Row, purge func(from, to [2][]byte) (int64, error)) (n int, err error) {
	for from := [2][]byte{{}, {}}; ; {
		to := [2][]byte{[]byte(strings.Repeat("\xff", 256)), {}}
		end := next(from[0], from[1]).Scan(&to[0], &to[1])
		purged, err := purge(from, to)
		if n += int(purged); err != nil || end != nil {
			return n, err
		}
		from = to
	}
}
