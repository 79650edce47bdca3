package sqltest_test

import (
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/sqlstore"
)

func keysOf(ids ...string) (keys []idempotency.Key) {
	for _, id := range ids {
		keys = append(keys, idempotency.Key{Scope: "test", ID: id})
	}
	return keys
}

// claimBatch claims in a transaction of its own, which it ends with then.
func claimBatch(t *testing.T, events *sqlstore.Store, db *sql.DB, keys []idempotency.Key, then error) (claimed []bool, err error) {
	t.Helper()
	err = inTx(t, db, nil, func(tx *sql.Tx) error {
		claimed, err = events.ClaimBatchTx(t.Context(), tx, keys)
		return errors.Join(err, then)
	})
	return claimed, err
}

func TestClaimBatchTx_NewKeysAndDuplicates(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, &sqlstore.Options{RecordFailures: true})
		boom := errors.New("boom")
		if err := events.RunTx(t.Context(), keyOf("done"), effect); err != nil {
			t.Fatal(err)
		}
		runItem(t, events, idempotency.Item{Key: keyOf("failed")}, boom)
		runItem(t, events, idempotency.Item{Key: keyOf("dead")}, idempotency.Permanent(boom))

		keys := keysOf("z", "done", "a", "z", "failed", "a\x00", "A", "a ", strings.Repeat("x", 255))
		if _, err := claimBatch(t, events, db, keys, boom); !errors.Is(err, boom) {
			t.Errorf("got %v, want boom", err)
		}
		checkCounts(t, db, 3, 1) // nothing of the batch is left
		for i, want := range [][]bool{
			{true, false, true, false, true, true, true, true, true},
			make([]bool, len(keys)),
		} {
			got, err := claimBatch(t, events, db, keys, nil)
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("call %d, error %v (-want +got):\n%s", i, err, diff)
			}
		}
		if _, err := claimBatch(t, events, db, keysOf("new", "dead"), nil); !errors.Is(err, idempotency.ErrDead) {
			t.Errorf("a dead event: got %v, want ErrDead", err)
		}
		if got, err := claimBatch(t, events, db, nil, nil); len(got) != 0 || err != nil {
			t.Errorf("no keys: got %v, %v", got, err)
		}
		if _, err := claimBatch(t, events, db, []idempotency.Key{keyOf("new"), {}}, nil); !errors.Is(err, idempotency.ErrInvalidKey) {
			t.Errorf("an invalid key: got %v, want ErrInvalidKey", err)
		}
		if err := events.RunTx(t.Context(), keyOf("new"), effect); err != nil {
			t.Errorf("a key of a batch that was rolled back: %v", err)
		}
	})
}

func TestClaimBatchTx_MoreKeysThanAStatement(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, &sqlstore.Options{Wait: time.Minute}) // a thousand rows take a while
		var keys []idempotency.Key
		for i := range 2500 {
			keys = append(keys, keyOf(fmt.Sprint(i)))
		}
		for round, want := range []bool{true, false} {
			if round == 1 {
				keys = keys[:300] // one by one
			}
			claimed, err := claimBatch(t, events, db, keys, nil)
			if err != nil {
				t.Fatal(err)
			}
			for i, got := range claimed {
				if got != want {
					t.Fatalf("round %d, key %d: got %t, want %t", round, i, got, want)
				}
			}
		}
		checkCounts(t, db, 2500, 0)
	})
}

// Batches with keys in common, in different orders, do not deadlock; each event is
// processed by one of them.
func TestClaimBatchTx_Concurrent(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, &sqlstore.Options{Wait: 20 * time.Second})
		keys := keysOf("a", "b", "c", "d", "e", "f", "g", "h")
		for round := range 5 {
			var total atomic.Int64
			var g errgroup.Group
			for range 8 {
				g.Go(func() error {
					mine := make([]idempotency.Key, len(keys))
					for i, j := range rand.Perm(len(keys)) {
						mine[i] = keys[j]
						mine[i].Scope = fmt.Sprint("round ", round)
					}
					for {
						n, err := claimSlowly(t, events, db, mine)
						if d != sqlstore.PostgreSQL && errors.Is(err, idempotency.ErrUnavailable) {
							// SQLite's one writer was busy; MariaDB without a binary log
							// writes for each duplicate. The caller begins again.
							continue
						}
						total.Add(n)
						return err
					}
				})
			}
			if err := g.Wait(); err != nil {
				t.Errorf("round %d: %v", round, err)
			}
			if got := total.Load(); got != int64(len(keys)) {
				t.Errorf("round %d: %d claims won, want %d", round, got, len(keys))
			}
		}
	})
}

// claimSlowly claims in a transaction that lasts a while, and returns how many claims
// won.
func claimSlowly(t *testing.T, events *sqlstore.Store, db *sql.DB, keys []idempotency.Key) (won int64, err error) {
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback()
	claimed, err := events.ClaimBatchTx(t.Context(), tx, keys)
	if err != nil {
		return 0, err
	}
	for _, yes := range claimed {
		if yes {
			won++
		}
	}
	time.Sleep(5 * time.Millisecond)
	return won, tx.Commit()
}

// An event that another transaction has in flight fails the batch in bounded time.
func TestClaimBatchTx_InFlight(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		if d == sqlstore.SQLite {
			return // has one writer, which the other transaction is
		}
		events := newEvents(t, db, d, &sqlstore.Options{Wait: time.Second})
		other, err := db.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer other.Rollback()
		if err := events.ClaimTx(t.Context(), other, keyOf("b")); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		_, err = claimBatch(t, events, db, keysOf("a", "b", "c"), nil)
		if !errors.Is(err, idempotency.ErrInFlight) {
			t.Errorf("got %v, want ErrInFlight", err)
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// A live lease is in flight, an expired one is taken over.
func TestClaimBatchTx_Leases(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, nil)
		for id, length := range map[string]time.Duration{"live": time.Hour, "expired": time.Millisecond} {
			if _, won, err := events.Claim(t.Context(), keyOf(id), lease.Terms{Owner: lease.NewOwner(), Lease: length}); !won || err != nil {
				t.Fatal(won, err)
			}
		}
		time.Sleep(20 * time.Millisecond)
		if got, err := claimBatch(t, events, db, keysOf("expired"), nil); err != nil || !got[0] {
			t.Errorf("expired: got %v, %v", got, err)
		}
		if _, err := claimBatch(t, events, db, keysOf("new", "live"), nil); !errors.Is(err, idempotency.ErrInFlight) {
			t.Errorf("live: got %v, want ErrInFlight", err)
		}
	})
}
