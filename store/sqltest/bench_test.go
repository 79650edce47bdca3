package sqltest_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// A contender does one thing again and again, in one way.
type contender struct {
	name string
	do   func(ctx context.Context, i int64) error
}

// window is for how long each contender runs in a round.
const window = 200 * time.Millisecond

// compare lets the contenders run in turn, in an order that changes with every
// round, so that what else the machine does hits all of them. An iteration is a
// round. It reports the median rate of each, and the median over the rounds of
// what the first reaches of each other one's rate.
func compare(b *testing.B, callers int, contenders ...contender) {
	b.Helper()
	var next atomic.Int64
	rates := make([][]float64, len(contenders))
	for _, c := range contenders {
		rate(b, c, callers, &next) // so that connections and statements are there
	}
	for b.Loop() {
		for _, i := range rand.Perm(len(contenders)) {
			rates[i] = append(rates[i], rate(b, contenders[i], callers, &next))
		}
	}
	b.ReportMetric(0, "ns/op")
	for i, c := range contenders {
		b.ReportMetric(median(rates[i]), c.name+"/s")
		if i == 0 {
			continue
		}
		ratios := make([]float64, len(rates[0]))
		for round := range ratios {
			ratios[round] = rates[0][round] / rates[i][round]
		}
		b.ReportMetric(median(ratios), "x-"+c.name)
	}
}

// rate returns how often in a second the callers together get c done.
func rate(b *testing.B, c contender, callers int, next *atomic.Int64) float64 {
	b.Helper()
	start := time.Now()
	var done atomic.Int64
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for time.Since(start) < window {
				if err := c.do(b.Context(), next.Add(1)); err != nil {
					b.Errorf("%s: %v", c.name, err)
					return
				}
				done.Add(1)
			}
		})
	}
	wg.Wait()
	return float64(done.Load()) / time.Since(start).Seconds()
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

const sessions = 10_000

// newBusiness opens a database with a table of sessions, which the work updates.
func newBusiness(b *testing.B, d sqlstore.Dialect, callers int) *sql.DB {
	b.Helper()
	var db *sql.DB
	switch d {
	case sqlstore.PostgreSQL:
		db = openPostgreSQL(b)
	case sqlstore.MySQL:
		db = openMariaDB(b)
	case sqlstore.SQLite:
		db = openSQLite(b)
	}
	db.SetMaxOpenConns(callers)
	db.SetMaxIdleConns(callers)
	mustExec(b, db, "CREATE TABLE sessions (id INT PRIMARY KEY, n INT NOT NULL)")
	mustExec(b, db, `
INSERT INTO sessions
WITH RECURSIVE a(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM a WHERE i < 99)
SELECT a.i * 100 + b.i, 0 FROM a, a AS b`)
	return db
}

// updateSession is the work.
func updateSession(ctx context.Context, tx *sql.Tx, d sqlstore.Dialect, i int64) error {
	query := "UPDATE sessions SET n = n + 1 WHERE id = $1"
	if d == sqlstore.MySQL {
		query = "UPDATE sessions SET n = n + 1 WHERE id = ?"
	}
	_, err := tx.ExecContext(ctx, query, i*7919%sessions)
	return err
}

// eventKey returns a key whose ID is as random as those of most senders.
func eventKey(i int64) idempotency.Key {
	return idempotency.Key{Scope: "bench", ID: fmt.Sprintf("evt_%016x", uint64(i)*0x9e3779b97f4a7c15)}
}

// byHand is what people write who do it themselves, into a table like ours.
func byHand(db *sql.DB) func(ctx context.Context, i int64) error {
	return func(ctx context.Context, i int64) error {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		key := eventKey(i)
		res, err := tx.ExecContext(ctx, `
INSERT INTO by_hand (scope, id, state, owner, token, attempts, lease_until, changed_at)
VALUES ($1, $2, 2, '', 1, 1, 0, extract(epoch FROM now()) * 1000000)
ON CONFLICT (scope, id) DO NOTHING`, []byte(key.Scope), []byte(key.ID))
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, idempotency.ErrDuplicate)
		}
		if err := updateSession(ctx, tx, sqlstore.PostgreSQL, i); err != nil {
			return err
		}
		return tx.Commit()
	}
}

// theOldWay looks first, and does the work in a transaction with a record of it.
func theOldWay(db *sql.DB) func(ctx context.Context, i int64) error {
	insert := byHand(db)
	return func(ctx context.Context, i int64) error {
		key := eventKey(i)
		var n int
		err := db.QueryRowContext(ctx, "SELECT state FROM by_hand WHERE scope = $1 AND id = $2", []byte(key.Scope), []byte(key.ID)).Scan(&n)
		if !errors.Is(err, sql.ErrNoRows) {
			return errors.Join(err, idempotency.ErrDuplicate)
		}
		if err := db.QueryRowContext(ctx, "SELECT n FROM sessions WHERE id = $1", i*7919%sessions).Scan(&n); err != nil {
			return err
		}
		return insert(ctx, i)
	}
}

// New events, each with an update of a session: against the same by hand, and
// against the way of the system that this library replaces.
func BenchmarkTransactional(b *testing.B) {
	for _, callers := range []int{1, 4, 16, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			db := newBusiness(b, sqlstore.PostgreSQL, callers)
			events := newStore(b, db, sqlstore.PostgreSQL, nil)
			if err := events.CreateTables(b.Context()); err != nil {
				b.Fatal(err)
			}
			if err := newStore(b, db, sqlstore.PostgreSQL, &sqlstore.Options{Table: "by_hand"}).CreateTables(b.Context()); err != nil {
				b.Fatal(err)
			}
			compare(b, callers,
				contender{"hookonce", func(ctx context.Context, i int64) error {
					return events.RunTx(ctx, eventKey(i), func(ctx context.Context, tx *sql.Tx) error {
						return updateSession(ctx, tx, sqlstore.PostgreSQL, i)
					})
				}},
				contender{"by-hand", byHand(db)},
				contender{"the-old-way", theOldWay(db)},
			)
		})
	}
}

// Whole deliveries, from the signed request to the response: what the endpoint adds to
// the transaction by itself.
func BenchmarkEndpoint(b *testing.B) {
	for _, callers := range []int{1, 16} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			db := newBusiness(b, sqlstore.PostgreSQL, callers)
			events := newStore(b, db, sqlstore.PostgreSQL, nil)
			for _, store := range []*sqlstore.Store{events, newStore(b, db, sqlstore.PostgreSQL, &sqlstore.Options{Table: "by_hand"})} {
				if err := store.CreateTables(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			endpoint, signer := newEndpoint(b, events)
			var next atomic.Int64
			h := endpoint.Handle(func(ctx context.Context, tx *sql.Tx, _ *hmacverify.Delivery) error {
				return updateSession(ctx, tx, sqlstore.PostgreSQL, next.Add(1))
			})
			compare(b, callers,
				contender{"endpoint", func(ctx context.Context, i int64) error {
					w, err := deliver(ctx, h, signer, eventKey(i).ID)
					if err == nil && w.Code/100 != 2 {
						err = fmt.Errorf("status %d", w.Code)
					}
					return err
				}},
				contender{"by-hand", byHand(db)},
			)
		})
	}
}
