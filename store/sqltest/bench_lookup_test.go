package sqltest_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// inTransaction is RunTx without its look before the transaction, which ClaimTx does
// not have: every delivery begins a transaction and inserts.
func inTransaction(db *sql.DB, d sqlstore.Dialect, events *sqlstore.Store) func(context.Context, idempotency.Key) error {
	var writer sync.Mutex // as the store has one for SQLite
	return func(ctx context.Context, key idempotency.Key) error {
		if d == sqlstore.SQLite {
			writer.Lock()
			defer writer.Unlock()
		}
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		if err := events.ClaimTx(ctx, tx, key); err != nil {
			return err
		}
		return tx.Commit()
	}
}

// What the look before the transaction is worth, and what it costs: duplicates only,
// as while a sender repeats itself, and duplicates and new events in turn, where every
// look for a new event is in vain.
func BenchmarkLookUpFirst(b *testing.B) {
	for _, d := range []sqlstore.Dialect{sqlstore.PostgreSQL, sqlstore.MySQL, sqlstore.SQLite} {
		for _, callers := range []int{1, 16} {
			for _, alternating := range []bool{false, true} {
				b.Run(fmt.Sprintf("%s/callers=%d/alternating=%v", d, callers, alternating), func(b *testing.B) {
					benchmarkLookUpFirst(b, d, callers, alternating)
				})
			}
		}
	}
}

func benchmarkLookUpFirst(b *testing.B, d sqlstore.Dialect, callers int, alternating bool) {
	db := newBusiness(b, d, callers)
	events := newStore(b, db, d, nil)
	if err := events.CreateTables(b.Context()); err != nil {
		b.Fatal(err)
	}
	for i := range int64(finished) {
		if err := events.RunTx(b.Context(), eventKey(i), nothing); err != nil {
			b.Fatal(err)
		}
	}
	// delivery i is a duplicate, or a new event if it is odd and they alternate.
	deliver := func(run func(context.Context, idempotency.Key) error) func(context.Context, int64) error {
		return func(ctx context.Context, i int64) error {
			key, want := eventKey(i%finished), idempotency.ErrDuplicate
			if alternating && i%2 == 1 {
				key, want = eventKey(finished+i), nil
			}
			if err := run(ctx, key); !errors.Is(err, want) {
				return fmt.Errorf("got %w, want %w", err, want)
			}
			return nil
		}
	}
	compare(b, callers,
		contender{"look-first", deliver(func(ctx context.Context, key idempotency.Key) error {
			return events.RunTx(ctx, key, nothing)
		})},
		contender{"in-transaction", deliver(inTransaction(db, d, events))},
	)
}
