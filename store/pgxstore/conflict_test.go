package pgxstore_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/pgxstore"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// runOpposed runs two events whose work locks two rows in opposite order, so that one of
// them is the victim of a deadlock. It returns how often work was called.
func runOpposed(t *testing.T, events *pgxstore.Store, swallow bool) (calls int64, errs [2]error) {
	t.Helper()
	var called atomic.Int64
	var met, done sync.WaitGroup
	met.Add(2)
	for i := range 2 {
		arrive := sync.OnceFunc(met.Done)
		done.Go(func() {
			errs[i] = events.RunTx(t.Context(), keyOf(fmt.Sprint(i)), func(ctx context.Context, tx pgx.Tx) error {
				called.Add(1)
				const update = "UPDATE balances SET n = n + 1 WHERE id = $1"
				_, err := tx.Exec(ctx, update, i)
				arrive()
				met.Wait()
				if err == nil {
					_, err = tx.Exec(ctx, update, 1-i)
				}
				if swallow {
					return nil
				}
				return err
			})
		})
	}
	done.Wait()
	return called.Load(), errs
}

// PG-9. A work that swallows the error is not acknowledged: the transaction is gone.
func TestRunTx_Deadlock(t *testing.T) {
	t.Parallel()
	for name, swallow := range map[string]bool{"returned": false, "swallowed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := openPool(t)
			events := newEvents(t, pool, &pgxstore.Options{Wait: 20 * time.Second, RecordFailures: true})
			mustExec(t, pool, "CREATE TABLE balances (id int PRIMARY KEY, n int NOT NULL)")
			mustExec(t, pool, "INSERT INTO balances VALUES (0, 0), (1, 0)")
			calls, errs := runOpposed(t, events, swallow)
			wantDone, done := 2, 0
			if swallow {
				wantDone = 1
			}
			for _, err := range errs {
				if err == nil {
					done++
				} else if errors.Is(err, idempotency.ErrUnavailable) {
					t.Errorf("got %v, want a failure of the work", err)
				}
			}
			if done != wantDone || swallow != (calls == 2) || len(failures(t, events)) != 2-wantDone {
				t.Errorf("%d done after %d calls, listed %v; want %d done", done, calls, failures(t, events), wantDone)
			}
			if got := count(t, pool, fmt.Sprintf("balances WHERE n = %d", wantDone)); got != 2 {
				t.Errorf("%d balances are %d, want 2", got, wantDone)
			}
		})
	}
}

// A conflict is no failure of the event, however often it is met.
func TestStore_EndlessConflicts(t *testing.T) {
	t.Parallel()
	o := &pgxstore.Options{Wait: 50 * time.Millisecond, RecordFailures: true}
	eachWay(t, o, nil, func(t *testing.T, events testStore) {
		mustExec(t, events.pool, "CREATE SEQUENCE tries")
		err := events.run(t.Context(), key, "DO $$ BEGIN PERFORM nextval('tries'); RAISE EXCEPTION 'conflict' USING ERRCODE = '40001'; END $$")
		if !errors.Is(err, idempotency.ErrUnavailable) {
			t.Errorf("got %v, want ErrUnavailable", err)
		}
		if got := count(t, events.pool, "tries WHERE last_value BETWEEN 3 AND 50"); got != 1 {
			t.Error("it was not tried a few times")
		}
		checkCounts(t, events.pool, 0, 0)
	})
}

// The work's own unique violation, or division by zero, is its failure, and is not
// retried.
func TestStore_ErrorsLikeOurs(t *testing.T) {
	t.Parallel()
	eachWay(t, &pgxstore.Options{RecordFailures: true}, nil, func(t *testing.T, events testStore) {
		mustExec(t, events.pool, "CREATE SEQUENCE tries")
		for i, state := range []string{"23505", "22012", "55P03", "57014"} {
			err := events.run(t.Context(), keyOf(state), "DO $$ BEGIN PERFORM nextval('tries'); RAISE EXCEPTION 'ours' USING ERRCODE = '"+state+"'; END $$")
			if err == nil || errors.Is(err, idempotency.ErrUnavailable) || errors.Is(err, idempotency.ErrInFlight) || len(failures(t, events.Store)) != i+1 {
				t.Errorf("%s: got %v, listed %v; want a failure that is listed", state, err, failures(t, events.Store))
			}
			if got := count(t, events.pool, fmt.Sprintf("tries WHERE last_value = %d", i+1)); got != 1 {
				t.Errorf("%s: the work was not done once", state)
			}
		}
	})
}

// While REINDEX CONCURRENTLY builds a second index, that one can refuse a record that
// ON CONFLICT passes for the first. A trigger that does so looks the same.
func TestStore_RefusedByIndexBeingRebuilt(t *testing.T) {
	t.Parallel()
	eachWay(t, &pgxstore.Options{RecordFailures: true, Wait: 10 * time.Second}, nil, func(t *testing.T, events testStore) {
		mustExec(t, events.pool, "CREATE SEQUENCE tries")
		mustExec(t, events.pool, "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "+
			"$$ BEGIN IF nextval('tries') % 3 > 0 THEN RAISE unique_violation; END IF; RETURN NEW; END $$")
		mustExec(t, events.pool, "CREATE TRIGGER refuse BEFORE INSERT ON "+sqlstore.DefaultTable+" FOR EACH ROW EXECUTE FUNCTION refuse()")
		if err := events.run(t.Context(), key); err != nil {
			t.Error(err)
		}
		err := newLeases(t, events, nil).Do(t.Context(), keyOf("lease"), func(context.Context, lease.Claim) error { return nil })
		if err != nil {
			t.Errorf("lease: %v", err)
		}
		err = events.RunTx(t.Context(), keyOf("failed"), func(context.Context, pgx.Tx) error { return errBoom })
		if !errors.Is(err, errBoom) || len(failures(t, events.Store)) != 1 {
			t.Errorf("failed: got %v, listed %v; want the work's error, listed", err, failures(t, events.Store))
		}
	})
}

// A prepared statement that an ALTER made stale fails once, with 0A000.
func TestStore_AlteredUnderPreparedStatements(t *testing.T) {
	t.Parallel()
	set := func(c *pgx.ConnConfig) { c.RuntimeParams["application_name"] = "altered" }
	eachWay(t, &pgxstore.Options{RecordFailures: true, Wait: 10 * time.Second}, set, func(t *testing.T, events testStore) {
		mustExec(t, events.pool, "DROP VIEW "+sqlstore.DefaultTable+"_readable")
		for range 2 {
			if err := events.run(t.Context(), key, "SELECT 1 / 0"); err == nil {
				t.Error("got no error")
			}
		}
		mustExec(t, events.pool, "ALTER TABLE "+sqlstore.DefaultTable+" ALTER COLUMN attempts TYPE bigint")
		for _, key := range []idempotency.Key{key, keyOf("new")} {
			if err := events.run(t.Context(), key); err != nil {
				t.Error(err)
			}
		}
		checkCounts(t, events.pool, 2, 2)
	})
}

// A delivery of an event that is in flight waits for as long as it may, and no longer
// than its caller. What gave up does not get the event when it is free.
func TestStore_WaitGivenUp(t *testing.T) {
	t.Parallel()
	eachWay(t, &pgxstore.Options{Wait: 200 * time.Millisecond, RecordFailures: true}, nil, func(t *testing.T, events testStore) {
		patient := newStore(t, events.pool, &pgxstore.Options{Wait: 30 * time.Second, RecordFailures: true})
		for _, attempt := range []string{"first", "second"} { // which locks the record that is there
			err := events.RunTx(t.Context(), key, func(context.Context, pgx.Tx) error {
				for range 2 {
					if err := events.run(t.Context(), key); !errors.Is(err, idempotency.ErrInFlight) {
						t.Errorf("%s attempt: got %v, want ErrInFlight", attempt, err)
					}
				}
				_, won, err := events.Claim(t.Context(), key, lease.Terms{Owner: lease.NewOwner(), Lease: time.Hour})
				if won || attempt == "second" && err != nil {
					t.Errorf("%s attempt: claim won %v, error %v", attempt, won, err)
				}
				return errBoom
			})
			if !errors.Is(err, errBoom) {
				t.Error(err)
			}
		}
		if err := patient.RunTx(t.Context(), key, effect); err != nil {
			t.Errorf("after the rollbacks: %v", err)
		}
		checkCounts(t, events.pool, 1, 1)
	})
}

func TestRunTx_CallerGone(t *testing.T) {
	t.Parallel()
	pool := openPool(t)
	events := newEvents(t, pool, &pgxstore.Options{Wait: 60 * time.Second})
	err := events.RunTx(t.Context(), key, func(ctx context.Context, tx pgx.Tx) error {
		caller, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		start := time.Now()
		if err := events.RunTx(caller, key, effect); !errors.Is(err, idempotency.ErrUnavailable) {
			t.Errorf("got %v, want ErrUnavailable", err)
		}
		if took := time.Since(start); took > 30*time.Second {
			t.Errorf("waited %v for a caller that has gone after 100ms", took)
		}
		return effect(ctx, tx)
	})
	if err != nil {
		t.Error(err)
	}
	checkCounts(t, pool, 1, 1)
}
