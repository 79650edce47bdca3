package sqltest_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// rowsOf returns how many rows to try with: those that an environment variable
// says, as filling a table takes its time.
func rowsOf(b *testing.B, variable string, fallback int) int {
	b.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return fallback
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		b.Fatalf("%s is not a number", variable)
	}
	return n
}

// fillPostgreSQL inserts n done records of random IDs that changed that long ago.
func fillPostgreSQL(b *testing.B, db *sql.DB, table string, n int, age time.Duration) {
	b.Helper()
	mustExec(b, db, fmt.Sprintf(`
INSERT INTO %s (scope, id, state, owner, token, attempts, lease_until, changed_at)
SELECT 'bench', ('evt_' || substr(md5(i::text), 1, 16))::bytea, 2, '', 1, 1, 0, %d
FROM generate_series(1, %d) AS i
ORDER BY 2`, table, time.Now().Add(-age).UnixMicro(), n))
	mustExec(b, db, "VACUUM ANALYZE "+table)
}

// New events beside 10 thousand finished ones, and beside as many as
// HOOKONCE_BENCH_ROWS says, a million by default.
func BenchmarkClaimsInALargeTable(b *testing.B) {
	const callers = 4
	large := rowsOf(b, "HOOKONCE_BENCH_ROWS", 1_000_000)
	db := newBusiness(b, sqlstore.PostgreSQL, callers)
	beside := func(table string, rows int) contender {
		events := newStore(b, db, sqlstore.PostgreSQL, &sqlstore.Options{Table: table})
		if err := events.CreateTables(b.Context()); err != nil {
			b.Fatal(err)
		}
		fillPostgreSQL(b, db, table, rows, time.Hour)
		return contender{fmt.Sprint(rows, "-rows"), func(ctx context.Context, i int64) error {
			return events.RunTx(ctx, eventKey(i), nothing)
		}}
	}
	compare(b, callers, beside("small", 10_000), beside("large", large))
}

// The latency of new events, with a session's update each, while a million old
// records (or HOOKONCE_BENCH_PURGED) are purged beside them, and while they are not.
func BenchmarkPurgeBesideClaims(b *testing.B) {
	const callers = 4
	rows := rowsOf(b, "HOOKONCE_BENCH_PURGED", 1_000_000)
	db := newBusiness(b, sqlstore.PostgreSQL, callers+1)
	events := newStore(b, db, sqlstore.PostgreSQL, nil)
	if err := events.CreateTables(b.Context()); err != nil {
		b.Fatal(err)
	}
	var next int64
	var ratios, alone, beside, took []float64
	for b.Loop() {
		fillPostgreSQL(b, db, sqlstore.DefaultTable, rows, 31*day)
		mustExec(b, db, "CHECKPOINT")
		quiet := p99(b, events, callers, &next, func() { time.Sleep(5 * time.Second) })
		start := time.Now()
		loaded := p99(b, events, callers, &next, func() {
			if n, err := events.Purge(b.Context()); n != rows || err != nil {
				b.Errorf("purged %d, error %v, want %d", n, err, rows)
			}
		})
		took = append(took, time.Since(start).Seconds())
		alone, beside = append(alone, quiet.Seconds()*1000), append(beside, loaded.Seconds()*1000)
		ratios = append(ratios, loaded.Seconds()/quiet.Seconds())
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(alone), "p99-alone-ms")
	b.ReportMetric(median(beside), "p99-beside-ms")
	b.ReportMetric(median(ratios), "x-p99")
	b.ReportMetric(median(took), "purge-s")
}

// p99 returns the 99th percentile of what new events take while f runs.
func p99(b *testing.B, events *sqlstore.Store, callers int, next *int64, f func()) time.Duration {
	b.Helper()
	var (
		mu   sync.Mutex
		took []time.Duration
		wg   sync.WaitGroup
		stop = make(chan struct{})
	)
	one := func() (over bool) {
		mu.Lock()
		*next++
		i := *next
		mu.Unlock()
		start := time.Now()
		err := events.RunTx(b.Context(), eventKey(i), func(ctx context.Context, tx *sql.Tx) error {
			return updateSession(ctx, tx, sqlstore.PostgreSQL, i)
		})
		if err != nil && !errors.Is(err, idempotency.ErrDuplicate) {
			b.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		took = append(took, time.Since(start))
		select {
		case <-stop:
			return true
		default:
			return false
		}
	}
	for range callers {
		wg.Go(func() {
			for !one() {
			}
		})
	}
	f()
	close(stop)
	wg.Wait()
	slices.Sort(took)
	return took[len(took)*99/100]
}
