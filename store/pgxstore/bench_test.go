package pgxstore_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// BenchmarkRun compares a new event with one INSERT as its work: hand-written pgx that
// sends the same statements one by one, sqlstore through pgx's stdlib, RunTx and
// RunBatch; with 1, 16 and 64 callers, and with a proxy that holds up each request for
// 1 ms. Run it with -benchtime=300x -count=5.
func BenchmarkRun(b *testing.B) {
	const effect = "INSERT INTO effects (name) VALUES ($1)"
	const claim = `INSERT INTO idempotency_records (scope, id, state, owner, token, attempts, lease_until, changed_at, fingerprint)
VALUES ($1, $2, 2, $3, 1, 1, 0, (date_part('epoch', clock_timestamp()) * 1000000)::bigint, NULL)
ON CONFLICT (scope, id) DO NOTHING`
	for _, delay := range []time.Duration{0, time.Millisecond} {
		for _, callers := range []int{1, 16, 64} {
			config := configFor(b)
			config.MaxConns = int32(callers + 1)
			throughProxy(config, delay)
			pool := connect(b, config)
			events := newEvents(b, pool, nil)
			db := stdlib.OpenDB(*config.ConnConfig)
			db.SetMaxOpenConns(callers + 1)
			db.SetMaxIdleConns(callers + 1)
			b.Cleanup(func() { db.Close() })
			standard, err := sqlstore.New(db, sqlstore.PostgreSQL, quiet(nil))
			if err != nil {
				b.Fatal(err)
			}
			for _, way := range []struct {
				name string
				run  func(ctx context.Context, key idempotency.Key) error
			}{
				{"by hand", func(ctx context.Context, key idempotency.Key) error {
					return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
						if _, err := tx.Exec(ctx, claim, []byte(key.Scope), []byte(key.ID), make([]byte, 16)); err != nil {
							return err
						}
						_, err := tx.Exec(ctx, effect, "once")
						return err
					})
				}},
				{"sqlstore", func(ctx context.Context, key idempotency.Key) error {
					return standard.RunTx(ctx, key, func(ctx context.Context, tx *sql.Tx) error {
						_, err := tx.ExecContext(ctx, effect, "once")
						return err
					})
				}},
				{"RunTx", func(ctx context.Context, key idempotency.Key) error {
					return events.RunTx(ctx, key, func(ctx context.Context, tx pgx.Tx) error {
						_, err := tx.Exec(ctx, effect, "once")
						return err
					})
				}},
				{"RunBatch", func(ctx context.Context, key idempotency.Key) error {
					batch := new(pgx.Batch)
					batch.Queue(effect, "once")
					return events.RunBatch(ctx, key, batch)
				}},
			} {
				b.Run(fmt.Sprintf("delay=%v/callers=%d/%s", delay, callers, way.name), func(b *testing.B) {
					prefix := rand.Text()
					var n atomic.Int64
					spread(b, callers, 3*callers, func() error { // connects, and prepares statements
						return way.run(b.Context(), idempotency.Key{Scope: prefix, ID: fmt.Sprint(n.Add(1))})
					})
					b.ResetTimer()
					spread(b, callers, b.N, func() error {
						return way.run(b.Context(), idempotency.Key{Scope: prefix, ID: fmt.Sprint(n.Add(1))})
					})
				})
			}
		}
	}
}

// spread calls f n times, from that many callers at once.
func spread(b *testing.B, callers, n int, f func() error) {
	var left atomic.Int64
	left.Store(int64(n))
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if err := f(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}
