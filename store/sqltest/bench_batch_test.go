package sqltest_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// What claiming the hundred items of a request by one statement saves.
func BenchmarkClaimBatchTx(b *testing.B) {
	const items = 100
	for _, d := range []sqlstore.Dialect{sqlstore.PostgreSQL, sqlstore.MySQL, sqlstore.SQLite} {
		b.Run(string(d), func(b *testing.B) {
			db := newBusiness(b, d, 1)
			events := newStore(b, db, d, nil)
			if err := events.CreateTables(b.Context()); err != nil {
				b.Fatal(err)
			}
			keys := func(i int64) (keys []idempotency.Key) {
				for n := range items {
					keys = append(keys, idempotency.Key{Scope: "bench", ID: fmt.Sprint(eventKey(i).ID, "/", n)})
				}
				return keys
			}
			compare(b, 1,
				contender{"batch", func(ctx context.Context, i int64) error {
					tx, err := db.BeginTx(ctx, nil)
					if err != nil {
						return err
					}
					defer tx.Rollback()
					if _, err := events.ClaimBatchTx(ctx, tx, keys(i)); err != nil {
						return err
					}
					return tx.Commit()
				}},
				contender{"one-by-one", func(ctx context.Context, i int64) error {
					tx, err := db.BeginTx(ctx, nil)
					if err != nil {
						return err
					}
					defer tx.Rollback()
					for _, key := range keys(i) {
						if err := events.ClaimTx(ctx, tx, key); err != nil {
							return err
						}
					}
					return tx.Commit()
				}},
			)
		})
	}
}
