package galera_test

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
)

var events = flag.Int("events", 300, "how many events the books are balanced of")

const (
	writers = 16
	hotRows = 4
)

// A handler has an event take effect by a node, and returns nil if it may be acknowledged.
type handler func(ctx context.Context, key idempotency.Key, event int) error

// balance delivers events, and compares what there is then with what there must be.
func balance(t *testing.T, c *cluster, handlerOf func(node int) handler) {
	t.Helper()
	db, n := deliverAll(t, c, handlerOf, nil)
	checkBooks(t, db, n)
}

// deliverAll delivers each event to two nodes at once, each copy until a node has
// acknowledged it, and returns how many there were: those of the flag or, if there is
// something to do meanwhile, as many as arrive until that is done.
func deliverAll(t *testing.T, c *cluster, handlerOf func(node int) handler, meanwhile func(context.Context)) (*sql.DB, int) {
	t.Helper()
	db := c.open(t, 0, "wsrep_sync_wait=15")
	mustExec(t, db, "CREATE TABLE counters (id INT PRIMARY KEY, n INT NOT NULL)")
	mustExec(t, db, "CREATE TABLE ledger (id BIGINT AUTO_INCREMENT PRIMARY KEY, event INT NOT NULL, part INT NOT NULL)")
	for id := range hotRows {
		mustExec(t, db, fmt.Sprintf("INSERT INTO counters VALUES (%d, 0)", id))
	}
	newStore(t, db)
	var handlers []handler
	for node := range size {
		handlers = append(handlers, handlerOf(node))
	}

	var begun, last, tries, duplicates atomic.Int64
	last.Store(int64(*events))
	if meanwhile != nil {
		last.Store(math.MaxInt64)
	}
	start := time.Now()
	group, ctx := errgroup.WithContext(t.Context())
	for range writers {
		group.Go(func() error {
			for {
				event := int(begun.Add(1)) - 1
				if event >= int(last.Load()) {
					begun.Add(-1)
					return nil
				}
				var both errgroup.Group
				for _, node := range []int{event % size, (event + 1) % size} {
					both.Go(func() error { return deliver(ctx, handlers, node, event, &tries, &duplicates) })
				}
				if err := both.Wait(); err != nil {
					return err
				}
			}
		})
	}
	if meanwhile != nil {
		meanwhile(ctx)
		last.Store(0)
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
	n := int(begun.Load())
	t.Logf("%d events in %v, %d tries, %d duplicates", n, time.Since(start).Round(time.Millisecond), tries.Load(), duplicates.Load())
	return db, n
}

// patience is longer than a node is away, on a busy machine too.
const patience = 3 * time.Minute

// deliver delivers an event to a node, and after that has refused it to the next one.
func deliver(ctx context.Context, handlers []handler, node, event int, tries, duplicates *atomic.Int64) (err error) {
	for end := time.Now().Add(patience); time.Now().Before(end); node++ {
		tries.Add(1)
		err = handlers[node%size](ctx, idempotency.Key{Scope: "books", ID: fmt.Sprint(event)}, event)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, idempotency.ErrDuplicate):
			duplicates.Add(1)
			return nil
		}
		time.Sleep(rand.N(20 * time.Millisecond))
	}
	return fmt.Errorf("event %d is not acknowledged after %v: %w", event, patience, err)
}

func checkBooks(t *testing.T, db *sql.DB, events int) {
	t.Helper()
	for part := range 2 {
		var applied, times int
		query := "SELECT count(DISTINCT event), count(*) FROM ledger WHERE part = ?"
		if err := db.QueryRowContext(t.Context(), query, part).Scan(&applied, &times); err != nil {
			t.Fatal(err)
		}
		if applied != events || times != events {
			t.Errorf("part %d of the work: %d events lost, %d effects too many", part, events-applied, times-applied)
		}
	}
	var counted int
	if err := db.QueryRowContext(t.Context(), "SELECT sum(n) FROM counters").Scan(&counted); err != nil {
		t.Fatal(err)
	}
	if counted != events {
		t.Errorf("the counters are at %d, want %d", counted, events)
	}
}

// work counts the event in a row that many others change, between two entries of the
// ledger. Its statements have parameters, so that the driver prepares them.
func work(ctx context.Context, tx *sql.Tx, event int) error {
	enter := func(part int) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO ledger (event, part) VALUES (?, ?)", event, part)
		return err
	}
	if err := enter(0); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "UPDATE counters SET n = n + 1 WHERE id = ?", event%hotRows); err != nil {
		return err
	}
	for i := range 5 {
		var n int
		if err := tx.QueryRowContext(ctx, "SELECT n + ? FROM counters WHERE id = ?", i, event%hotRows).Scan(&n); err != nil {
			return err
		}
	}
	return enter(1)
}

func testRuns(t *testing.T, c *cluster) {
	balance(t, c, func(node int) handler {
		s := openStore(t, c.open(t, node))
		return func(ctx context.Context, key idempotency.Key, event int) error {
			return s.RunTx(ctx, key, func(ctx context.Context, tx *sql.Tx) error { return work(ctx, tx, event) })
		}
	})
}

// testClaimTx has transactions of the caller's, over which the driver must not prepare
// statements.
func testClaimTx(t *testing.T, c *cluster) {
	balance(t, c, func(node int) handler {
		db := c.open(t, node, "interpolateParams=true")
		s := openStore(t, db)
		return func(ctx context.Context, key idempotency.Key, event int) error {
			return inTx(ctx, db, func(tx *sql.Tx) error {
				if err := s.ClaimTx(ctx, tx, key); err != nil {
					return err
				}
				return work(ctx, tx, event)
			})
		}
	})
}

func testCompleteTx(t *testing.T, c *cluster) {
	balance(t, c, func(node int) handler {
		db := c.open(t, node, "interpolateParams=true")
		s := openStore(t, db)
		leases, err := lease.New(s, nil)
		if err != nil {
			t.Fatal(err)
		}
		return func(ctx context.Context, key idempotency.Key, event int) error {
			return leases.Do(ctx, key, func(ctx context.Context, claim lease.Claim) error {
				return inTx(ctx, db, func(tx *sql.Tx) error {
					if err := work(ctx, tx, event); err != nil {
						return err
					}
					return s.CompleteTx(ctx, tx, claim)
				})
			})
		}
	})
}

func inTx(ctx context.Context, db *sql.DB, f func(*sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := f(tx); err != nil {
		return err
	}
	return tx.Commit()
}
