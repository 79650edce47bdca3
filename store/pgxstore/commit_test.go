package pgxstore_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/pgxstore"
)

// eachWay runs f as a subtest for RunTx and RunBatch, each with a store of its own.
func eachWay(t *testing.T, o *pgxstore.Options, set func(c *pgx.ConnConfig), f func(t *testing.T, events testStore)) {
	t.Helper()
	for _, way := range []string{"RunTx", "RunBatch"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			config := configFor(t)
			if set != nil {
				set(config.ConnConfig)
			}
			pool := connect(t, config)
			events := newEvents(t, pool, o)
			f(t, testStore{events, pool, ways(events)[way]})
		})
	}
}

// createTraps creates tables that make COMMIT fail, or slow: an insert of a SQLSTATE into
// states has it answered with that, an insert of n into slow has it take n seconds.
func createTraps(t *testing.T, events testStore) {
	t.Helper()
	for _, statement := range []string{
		"CREATE TABLE states (state text NOT NULL)",
		"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = NEW.state; END $$",
		"CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON states DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()",
		"CREATE TABLE slow (seconds int NOT NULL)",
		"CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(NEW.seconds); RETURN NULL; END $$",
		"CREATE CONSTRAINT TRIGGER dawdle AFTER INSERT ON slow DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION dawdle()",
	} {
		mustExec(t, events.pool, statement)
	}
}

// Of the errors of COMMIT, those that say nothing of the work are not counted.
func TestCommit_Codes(t *testing.T) {
	t.Parallel()
	codes := map[string]bool{ // whether it is a failure of the work
		"23503": true,  // foreign_key_violation
		"23505": true,  // unique_violation, of the work's own index
		"55P03": true,  // lock_not_available
		"P0001": true,  // raise_exception
		"08006": false, // connection_failure
		"25006": false, // read_only_sql_transaction
		"40003": false, // statement_completion_unknown
		"53100": false, // disk_full
		"57014": false, // query_canceled
		"57P01": false, // admin_shutdown
		"58030": false, // io_error
		"XX000": false, // internal_error
		"40001": false, // serialization_failure, each time
	}
	o := &pgxstore.Options{RecordFailures: true, Wait: 20 * time.Millisecond}
	eachWay(t, o, nil, func(t *testing.T, events testStore) {
		createTraps(t, events)
		for code, failed := range codes {
			err := events.run(t.Context(), keyOf(code), "INSERT INTO states VALUES ('"+code+"')")
			_, listed := failures(t, events.Store)[code]
			if err == nil || errors.Is(err, idempotency.ErrUnavailable) == failed || listed != failed {
				t.Errorf("%s: got %v, listed %v; want a failure that is listed: %v", code, err, listed, failed)
			}
		}
		checkCounts(t, events.pool, 4, 0)
	})
}

// A context that ends before COMMIT is the work's time; afterwards it has no say.
func TestCommit_ContextEnds(t *testing.T) {
	t.Parallel()
	pool := openPool(t)
	events := newEvents(t, pool, &pgxstore.Options{RecordFailures: true})
	for name, swallow := range map[string]bool{"reported": false, "swallowed": true} {
		ctx, cancel := context.WithCancelCause(t.Context())
		err := events.RunTx(ctx, keyOf(name), func(ctx context.Context, tx pgx.Tx) error {
			if err := effect(ctx, tx); err != nil {
				t.Error(err)
			}
			cancel(context.DeadlineExceeded)
			if swallow {
				return nil
			}
			return ctx.Err()
		})
		if err == nil || errors.Is(err, idempotency.ErrUnavailable) || swallow && !errors.Is(err, idempotency.ErrTimeout) {
			t.Errorf("%s: got %v, want a failure of the work", name, err)
		}
		if failures(t, events)[name].Attempts != 1 {
			t.Errorf("%s: not listed", name)
		}
	}
	checkCounts(t, pool, 2, 0)
}

func TestCommit_ContextEndsAfterwards(t *testing.T) {
	t.Parallel()
	eachWay(t, nil, nil, func(t *testing.T, events testStore) {
		createTraps(t, events)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := events.run(ctx, key, "INSERT INTO slow VALUES (3)"); err != nil || ctx.Err() == nil {
			t.Errorf("got %v, context %v; want success after its end", err, ctx.Err())
		}
		checkCounts(t, events.pool, 1, 1)
	})
}

// A COMMIT without an answer is unknown, is not canceled, and may succeed later.
func TestCommit_NoAnswer(t *testing.T) {
	t.Parallel()
	eachWay(t, &pgxstore.Options{MaxAttempts: 1, Wait: 20 * time.Second}, nil, func(t *testing.T, events testStore) {
		createTraps(t, events)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := events.run(ctx, key, "INSERT INTO slow VALUES (14)"); !errors.Is(err, idempotency.ErrUnavailable) {
			t.Errorf("got %v, want ErrUnavailable", err)
		}
		if err := events.run(t.Context(), key); !errors.Is(err, idempotency.ErrDuplicate) {
			t.Errorf("next delivery: got %v, want ErrDuplicate", err)
		}
		checkCounts(t, events.pool, 1, 1)
	})
}

// A role that must not write to the table is what the work has taken, so its failure is
// the work's: listed, with the server's text.
func TestCommit_RoleOfTheWork(t *testing.T) {
	t.Parallel()
	events := newEvents(t, openPool(t), &pgxstore.Options{RecordFailures: true})
	o := idempotency.Run(t.Context(), events, idempotency.Item{Key: key}, func(ctx context.Context, tx pgx.Tx) (*idempotency.Result, error) {
		_, err := tx.Exec(ctx, "SET LOCAL ROLE pg_read_all_data")
		return &idempotency.Result{Status: 200}, err
	})
	all := failures(t, events)
	if o.Kind != idempotency.KindFailed || !strings.Contains(all[key.ID].LastError, "permission denied") {
		t.Errorf("got %+v, listed %v; want a failure of the work that says: permission denied", o, all)
	}
}

// A result that cannot be kept, because the work has broken its transaction, is a
// failure of the work.
func TestCommit_ResultAfterBrokenWork(t *testing.T) {
	t.Parallel()
	for name, work := range map[string]func(ctx context.Context, tx pgx.Tx){
		"swallows an error": func(ctx context.Context, tx pgx.Tx) { tx.Exec(ctx, "INSERT INTO no_such_table VALUES (1)") },
		"calls Rollback":    func(ctx context.Context, tx pgx.Tx) { tx.Rollback(ctx) },
		"leaves rows open":  func(ctx context.Context, tx pgx.Tx) { tx.Query(ctx, "SELECT generate_series(1, 100000)") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := openPool(t)
			events := newEvents(t, pool, &pgxstore.Options{RecordFailures: true})
			o := idempotency.Run(t.Context(), events, idempotency.Item{Key: key}, func(ctx context.Context, tx pgx.Tx) (*idempotency.Result, error) {
				err := effect(ctx, tx)
				work(ctx, tx)
				return &idempotency.Result{Status: 200}, err
			})
			if f := failures(t, events)[key.ID]; o.Kind != idempotency.KindFailed || f.State != lease.Released {
				t.Errorf("got %s (%v), listed %+v; want a failure that is listed", o.Kind, o.Err, f)
			}
			checkCounts(t, pool, 1, 0)
		})
	}
}

// At every isolation level, of the connections or of the store, an event is done once.
func TestStore_IsolationLevels(t *testing.T) {
	t.Parallel()
	for level, want := range map[sql.IsolationLevel]string{
		sql.LevelReadCommitted: "read committed", sql.LevelRepeatableRead: "repeatable read", sql.LevelSerializable: "serializable",
	} {
		for of, o := range map[string]*pgxstore.Options{"connection": {Wait: 20 * time.Second}, "store": {Wait: 20 * time.Second, Isolation: level}} {
			t.Run(want+" of the "+of, func(t *testing.T) {
				t.Parallel()
				set := func(c *pgx.ConnConfig) {
					if of == "connection" {
						c.RuntimeParams["default_transaction_isolation"] = want
					}
				}
				eachWay(t, o, set, func(t *testing.T, events testStore) {
					var g errgroup.Group
					for i := range 32 {
						g.Go(func() error {
							key := keyOf(fmt.Sprint("evt_", i%2))
							err := events.run(t.Context(), key, "INSERT INTO effects SELECT current_setting('transaction_isolation')")
							if errors.Is(err, idempotency.ErrDuplicate) {
								return nil
							}
							return err
						})
					}
					if err := g.Wait(); err != nil {
						t.Error(err)
					}
					checkCounts(t, events.pool, 2, 4)
					if got := count(t, events.pool, "effects WHERE name = '"+want+"'"); got != 2 {
						t.Errorf("%d events saw the level %s, want 2", got, want)
					}
				})
			})
		}
	}
}
