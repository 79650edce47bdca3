package sqltest_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/sqlstore"
)

func TestRunTx_CommitsWithWork(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, nil)
		if err := events.RunTx(t.Context(), key, effect); err != nil {
			t.Fatal(err)
		}
		checkCounts(t, db, 1, 1)
		if err := events.RunTx(t.Context(), key, effect); !errors.Is(err, idempotency.ErrDuplicate) {
			t.Errorf("second run: got %v, want ErrDuplicate", err)
		}
		checkCounts(t, db, 1, 1)
	})
}

func TestTx_Context(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, nil)
		err := events.RunTx(t.Context(), key, func(ctx context.Context, tx *sql.Tx) error {
			if got, ok := sqlstore.Tx(ctx); !ok || got != tx {
				t.Errorf("got %p, %v, want the transaction of the work, %p", got, ok, tx)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		if got, ok := sqlstore.Tx(t.Context()); ok || got != nil {
			t.Errorf("outside of the work: got %p, %v", got, ok)
		}
	})
}

func TestRunTx_WorkFails(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, nil)
		err := events.RunTx(t.Context(), key, func(ctx context.Context, tx *sql.Tx) error {
			return errors.Join(effect(ctx, tx), boom)
		})
		if !errors.Is(err, boom) {
			t.Errorf("got %v, want the work's error", err)
		}
		checkCounts(t, db, 0, 0)
		if err := events.RunTx(t.Context(), key, effect); err != nil {
			t.Errorf("next delivery: %v", err)
		}
		checkCounts(t, db, 1, 1)
	})
}

func TestRunTx_WorkPanics(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, nil)
		func() {
			defer func() {
				if got := recover(); got != "boom" {
					t.Errorf("recovered %v, want the work's panic", got)
				}
			}()
			events.RunTx(t.Context(), key, func(ctx context.Context, tx *sql.Tx) error {
				if err := effect(ctx, tx); err != nil {
					t.Error(err)
				}
				panic("boom")
			})
		}()
		checkCounts(t, db, 0, 0)
		if err := events.RunTx(t.Context(), key, effect); err != nil {
			t.Errorf("next delivery: %v", err)
		}
	})
}

// A statement that fails inside the transaction and whose error the work
// swallows must not lead to an acknowledgement of work that was rolled back.
func TestRunTx_SwallowedError(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, nil)
		err := events.RunTx(t.Context(), key, func(ctx context.Context, tx *sql.Tx) error {
			_ = effect(ctx, tx)
			tx.ExecContext(ctx, "INSERT INTO no_such_table VALUES (1)")
			return nil
		})
		records, effects := count(t, db, sqlstore.DefaultTable), count(t, db, "effects")
		if acknowledged := err == nil; acknowledged != (records == 1) || records != effects {
			t.Errorf("error %v with %d records and %d effects: they must agree", err, records, effects)
		}
	})
}

func TestRunTx_ConcurrentDuplicates(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		db.SetMaxOpenConns(16)
		events := newEvents(t, db, d, &sqlstore.Options{Wait: 20 * time.Second})
		for round := range 10 {
			key := idempotency.Key{Scope: "test", ID: fmt.Sprint("evt_", round)}
			var won, duplicate atomic.Int64
			var g errgroup.Group
			for range 32 {
				g.Go(func() error {
					err := events.RunTx(t.Context(), key, effect)
					switch {
					case err == nil:
						won.Add(1)
					case errors.Is(err, idempotency.ErrDuplicate):
						duplicate.Add(1)
					default:
						return err
					}
					return nil
				})
			}
			if err := g.Wait(); err != nil {
				t.Errorf("a run failed: %v", err)
			}
			if won.Load() != 1 || duplicate.Load() != 31 {
				t.Errorf("%d won, %d duplicates, want 1 and 31", won.Load(), duplicate.Load())
			}
		}
		checkCounts(t, db, 10, 10)
	})
}

// The waiters of a winner that rolls back are no duplicates: one of them does
// the work.
func TestRunTx_WinnerRollsBack(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		db.SetMaxOpenConns(20)
		events := newEvents(t, db, d, &sqlstore.Options{Wait: 20 * time.Second})
		var failed atomic.Bool
		var won atomic.Int64
		boom := errors.New("boom")
		var g errgroup.Group
		for range 16 {
			g.Go(func() error {
				err := events.RunTx(t.Context(), key, func(ctx context.Context, tx *sql.Tx) error {
					err := effect(ctx, tx)
					if failed.CompareAndSwap(false, true) {
						time.Sleep(100 * time.Millisecond)
						return boom
					}
					return err
				})
				switch {
				case err == nil:
					won.Add(1)
				case errors.Is(err, boom) || errors.Is(err, idempotency.ErrDuplicate):
				default:
					return err
				}
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			t.Errorf("a run failed: %v", err)
		}
		if got := won.Load(); got != 1 {
			t.Errorf("%d runs won, want 1", got)
		}
		checkCounts(t, db, 1, 1)
	})
}

// An INSERT may lose to a transaction that has been rolled back by the time that the
// record is looked for. A trigger that keeps the record out looks the same.
func TestRunTx_LoserFindsNoRecord(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, lost string
		wait       time.Duration
		want       error
	}{
		{"twice", "nextval('tries') <= 2", 20 * time.Second, nil},
		{"in a whole transaction", "nextval('tries') <= 7", 20 * time.Second, nil},
		{"each time", "true", 50 * time.Millisecond, idempotency.ErrUnavailable},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			db := openPostgreSQL(t)
			events := newEvents(t, db, sqlstore.PostgreSQL, &sqlstore.Options{Wait: test.wait})
			mustExec(t, db, "CREATE SEQUENCE tries")
			mustExec(t, db, "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS "+
				"$$ BEGIN IF "+test.lost+" THEN RETURN NULL; END IF; RETURN NEW; END $$")
			mustExec(t, db, "CREATE TRIGGER lose BEFORE INSERT ON "+sqlstore.DefaultTable+
				" FOR EACH ROW EXECUTE FUNCTION lose()")
			if err := events.RunTx(t.Context(), key, effect); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}

func TestRun_Mismatch(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, nil)
		run := func(body string) error {
			item := idempotency.Item{Key: key, Fingerprint: idempotency.FingerprintOf([]byte(body))}
			return runItem(t, events, item, nil)
		}
		if err := run("a"); err != nil {
			t.Fatal(err)
		}
		if err := run("a"); !errors.Is(err, idempotency.ErrDuplicate) {
			t.Errorf("same content: got %v, want ErrDuplicate", err)
		}
		if err := run("b"); !errors.Is(err, idempotency.ErrMismatch) {
			t.Errorf("other content: got %v, want ErrMismatch", err)
		}
	})
}

func TestStore_KeysByteForByte(t *testing.T) {
	t.Parallel()
	keys := []string{"a", "A", "a ", " a", "a\x00", "\u00e9", "e\u0301", "\xff", "\xfe", "1", "01", "1.0", "ss", "\u00df"}
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, nil)
		for _, id := range keys {
			if err := events.RunTx(t.Context(), idempotency.Key{Scope: "test", ID: id}, effect); err != nil {
				t.Errorf("ID %q: %v", id, err)
			}
			if err := events.RunTx(t.Context(), idempotency.Key{Scope: id, ID: "test"}, effect); err != nil {
				t.Errorf("scope %q: %v", id, err)
			}
		}
		checkCounts(t, db, 2*len(keys), 2*len(keys))
	})
}

// Work that uses another event's runner may return that one's sentinel. It is the
// work's error, and says nothing of its own event.
func TestRunTx_WorkReturnsSentinel(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, nil)
		err := events.RunTx(t.Context(), key, func(context.Context, *sql.Tx) error {
			return fmt.Errorf("another event: %w", idempotency.ErrDuplicate)
		})
		if err == nil || errors.Is(err, idempotency.ErrDuplicate) {
			t.Errorf("got %v, want an error that is not ErrDuplicate", err)
		}
		checkCounts(t, db, 0, 0)
		err = events.RunTx(t.Context(), key, func(context.Context, *sql.Tx) error {
			return idempotency.Permanent(fmt.Errorf("another event: %w", idempotency.ErrDuplicate))
		})
		if !errors.Is(err, idempotency.ErrDead) || errors.Is(err, idempotency.ErrDuplicate) {
			t.Errorf("got %v, want ErrDead and not ErrDuplicate", err)
		}
		checkCounts(t, db, 1, 0)
	})
}
