package sqltest_test

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency/inbox"
	"github.com/hookonce/hookonce/store/sqlstore"
)

var (
	waiting         = flag.Int("inbox.waiting", 20_000, "entries that wait, in BenchmarkWork")
	finishedRecords = flag.Int("inbox.finished", 100_000, "events that are done, in BenchmarkWork")
)

// BenchmarkWork measures how many events a second eight inboxes process that share a
// queue, each with a pool of its own, while nothing else happens, and while a report holds
// an old snapshot open, twice in turn. An iteration is one second of each.
func BenchmarkWork(b *testing.B) {
	for _, d := range []sqlstore.Dialect{sqlstore.PostgreSQL, sqlstore.MySQL} {
		b.Run(string(d), func(b *testing.B) {
			for round := range 4 {
				b.Run([]string{"alone", "snapshot"}[round%2], func(b *testing.B) { benchWork(b, d, round%2 == 1) })
			}
		})
	}
}

func benchWork(b *testing.B, d sqlstore.Dialect, snapshot bool) {
	db := newBusiness(b, d, 33)
	events := newStore(b, db, d, nil)
	if err := events.CreateTables(b.Context()); err != nil {
		b.Fatal(err)
	}
	fillRecords(b, db, d, *finishedRecords)
	fillInbox(b, db, d, *waiting)
	quiesce(b, db, d)
	if snapshot {
		tx, err := db.BeginTx(b.Context(), &sql.TxOptions{Isolation: sql.LevelRepeatableRead})
		if err != nil {
			b.Fatal(err)
		}
		defer tx.Rollback()
		if err := tx.QueryRowContext(b.Context(), "SELECT n FROM sessions WHERE id = 1").Scan(new(int)); err != nil {
			b.Fatal(err)
		}
	}
	var done atomic.Int64
	f := func(ctx context.Context, tx *sql.Tx, _ *hmacverify.Delivery) error {
		return updateSession(ctx, tx, d, done.Add(1))
	}
	for range 8 {
		box, _, _ := newInbox(b, newStore(b, db, d, nil), &inbox.Options{}, f)
		defer work(b, box, 2)()
	}
	time.Sleep(time.Second) // until all are at work
	var slices []float64
	for b.Loop() {
		from, start := done.Load(), time.Now()
		time.Sleep(time.Second)
		slices = append(slices, float64(done.Load()-from)/time.Since(start).Seconds())
	}
	b.Logf("%.0f", slices)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(slices), "events/s")
	b.ReportMetric(slices[len(slices)-1], "at-the-end/s")
	if int(done.Load()) >= *waiting {
		b.Logf("the queue was empty before the end: %d", done.Load())
	}
}

// quiesce waits until the server has written what filling the tables has left it to write.
func quiesce(b *testing.B, db *sql.DB, d sqlstore.Dialect) {
	if d == sqlstore.PostgreSQL {
		mustExec(b, db, "CHECKPOINT")
		return
	}
	var percent float64
	if err := db.QueryRow("SELECT @@GLOBAL.innodb_max_dirty_pages_pct").Scan(&percent); err != nil {
		b.Fatal(err)
	}
	mustExec(b, db, "SET GLOBAL innodb_max_dirty_pages_pct = 0")
	defer mustExec(b, db, fmt.Sprintf("SET GLOBAL innodb_max_dirty_pages_pct = %f", percent))
	const left = `
SELECT sum(variable_value) FROM information_schema.global_status
WHERE variable_name IN ('innodb_buffer_pool_pages_dirty', 'innodb_history_list_length')`
	for n := 1e9; n > 100; time.Sleep(100 * time.Millisecond) {
		if err := db.QueryRow(left).Scan(&n); err != nil {
			b.Fatal(err)
		}
	}
}

// fillInbox adds entries that are due, and their payloads: of minutes, 6 ms apart.
func fillInbox(b *testing.B, db *sql.DB, d sqlstore.Dialect, n int) {
	b.Helper()
	var q string
	switch d {
	case sqlstore.PostgreSQL:
		mustExec(b, db, fmt.Sprintf(`
INSERT INTO idempotency_records_inbox (scope, id, endpoint, state, group_name, due_at, accepted_at, token, attempts, copies)
SELECT 'test', convert_to('wait_' || md5(i::text), 'utf8'), 'test', 1, '', t + i * 6000, t, 0, 0, 0
FROM generate_series(1, %d) AS i, (SELECT ((extract(epoch FROM now()) - 900) * 1000000)::bigint AS t) AS t`, n))
		q = `
INSERT INTO idempotency_records_payloads (scope, id, delivery, body, changed_at)
SELECT scope, id, '{"scheme":"test"}', convert_to(repeat('x', 1000), 'utf8'), accepted_at FROM idempotency_records_inbox`
	case sqlstore.MySQL:
		mustExec(b, db, fmt.Sprintf(`
INSERT INTO idempotency_records_inbox (scope, id, endpoint, state, group_name, due_at, accepted_at, token, attempts, copies)
SELECT 'test', concat('wait_', md5(seq)), 'test', 1, '', t + seq * 6000, t, 0, 0, 0
FROM %s, (SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) - 900000000 AS t) AS t`, numbers(n)))
		q = `
INSERT INTO idempotency_records_payloads (scope, id, delivery, body, changed_at)
SELECT scope, id, '{"scheme":"test"}', repeat('x', 1000), accepted_at FROM idempotency_records_inbox`
	}
	mustExec(b, db, q)
}

// numbers is a table of the numbers from 1 to n, a multiple of 1,000, on MariaDB and MySQL.
func numbers(n int) string {
	list := func(name string, n int) string {
		return fmt.Sprintf(`JSON_TABLE(CONCAT('[0', REPEAT(',0', %d), ']'), '$[*]' COLUMNS (i FOR ORDINALITY)) AS %s`, n-1, name)
	}
	return fmt.Sprintf("(SELECT (a.i - 1) * 1000 + b.i AS seq FROM %s, %s) AS numbers", list("a", n/1000), list("b", 1000))
}

// fillRecords adds records that are done, in the order of their keys, which is quick.
func fillRecords(b testing.TB, db *sql.DB, d sqlstore.Dialect, n int) {
	b.Helper()
	var rows string
	switch d {
	case sqlstore.PostgreSQL:
		rows = fmt.Sprintf("SELECT 'test', convert_to('done_' || lpad(to_hex(i * 7919::bigint), 32, '0'), 'utf8'), 2, '', 1, 1, 0, 0 FROM generate_series(1, %d) AS i", n)
	case sqlstore.MySQL:
		rows = fmt.Sprintf("SELECT 'test', concat('done_', lpad(hex(seq * 7919), 32, '0')), 2, '', 1, 1, 0, 0 FROM %s", numbers(n))
	case sqlstore.SQLite:
		rows = fmt.Sprintf("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) SELECT CAST('test' AS BLOB), CAST('done_' || printf('%%032x', i * 7919) AS BLOB), 2, x'', 1, 1, 0, 0 FROM n", n)
	}
	mustExec(b, db, "INSERT INTO idempotency_records (scope, id, state, owner, token, attempts, lease_until, changed_at) "+rows)
	if d == sqlstore.PostgreSQL {
		mustExec(b, db, "ANALYZE idempotency_records")
	}
}
