package sqltest_test

import (
	"database/sql"
	"flag"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency/inbox"
	"github.com/hookonce/hookonce/store/sqlstore"
)

var (
	sizeEvents = flag.Int("size.events", 100_000, "events in BenchmarkSize")
	sizeBody   = flag.Int("size.body", 470, "bytes of a body in BenchmarkSize")
)

// BenchmarkSize measures the bytes of tables and indexes in which an inbox keeps a million
// events, while they wait, and after they are done: without payloads, and with them.
func BenchmarkSize(b *testing.B) {
	for _, d := range []sqlstore.Dialect{sqlstore.PostgreSQL, sqlstore.MySQL, sqlstore.SQLite} {
		b.Run(string(d), func(b *testing.B) {
			for b.Loop() {
				db := newBusiness(b, d, 8)
				events := newStore(b, db, d, nil)
				if err := events.CreateTables(b.Context()); err != nil {
					b.Fatal(err)
				}
				empty := bytesOf(b, db, d)
				enqueueEvents(b, events, *sizeEvents)
				waiting := bytesOf(b, db, d)
				perMillion := func(bytes int64) float64 {
					return float64(bytes) / float64(*sizeEvents) // a million of them: megabytes
				}
				b.ReportMetric(perMillion(waiting-empty), "MB/million-waiting")

				records := newBusiness(b, d, 8)
				if err := newStore(b, records, d, nil).CreateTables(b.Context()); err != nil {
					b.Fatal(err)
				}
				empty = bytesOf(b, records, d)
				fillRecords(b, records, d, *sizeEvents)
				b.ReportMetric(perMillion(bytesOf(b, records, d)-empty), "MB/million-done")
				b.ReportMetric(0, "ns/op")
			}
		})
	}
}

func enqueueEvents(b *testing.B, events *sqlstore.Store, n int) {
	b.Helper()
	body := []byte(strings.Repeat("x", *sizeBody))
	header := http.Header{"Content-Type": {"application/json"}, "User-Agent": {"Sender/1.0"}, "Webhook-Id": {"evt_" + strings.Repeat("0", 24)}}
	for from := 0; from < n; from += 100 {
		var entries []inbox.Entry
		for i := from; i < min(from+100, n); i++ {
			entries = append(entries, inbox.Entry{
				Key:      keyOf(fmt.Sprintf("evt_%024x", i*7919)),
				Delivery: hmacverify.Stored{Scheme: "standard-webhooks", Type: "order.paid", Header: header, Body: body, Time: time.Now()},
			})
		}
		if _, err := events.Enqueue(b.Context(), entries); err != nil {
			b.Fatal(err)
		}
	}
}

// bytesOf returns the bytes of all tables, and of their indexes.
func bytesOf(b *testing.B, db *sql.DB, d sqlstore.Dialect) (n int64) {
	b.Helper()
	query := map[sqlstore.Dialect]string{
		sqlstore.PostgreSQL: "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace",
		sqlstore.MySQL:      "SELECT sum(file_size) FROM information_schema.innodb_sys_tablespaces WHERE name LIKE concat(database(), '/%')",
		sqlstore.SQLite:     "SELECT (SELECT page_count FROM pragma_page_count()) * (SELECT page_size FROM pragma_page_size())",
	}[d]
	if err := db.QueryRowContext(b.Context(), query).Scan(&n); err != nil {
		b.Fatal(err)
	}
	return n
}
