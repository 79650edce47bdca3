package pgxstore_test

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/pgxstore"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// The work changes to another schema that has a table of the same name. What the store
// does after that, in this transaction and in the next one on the connection, still
// finds the first table: an event has one record.
func TestStore_WorkChangesSchema(t *testing.T) {
	t.Parallel()
	config := configFor(t)
	config.MaxConns = 1
	pool := connect(t, config)
	newEvents(t, pool, nil)
	schema := "t_" + strings.ToLower(rand.Text())
	mustExec(t, pool, "CREATE SCHEMA "+schema)
	t.Cleanup(func() { pool.Exec(context.WithoutCancel(t.Context()), "DROP SCHEMA "+schema+" CASCADE") })
	other := newStore(t, pool, &pgxstore.Options{Table: schema + "." + sqlstore.DefaultTable})
	if err := other.CreateTables(t.Context()); err != nil {
		t.Fatal(err)
	}
	// This store has seen no table yet, as after a restart of its process.
	events := newStore(t, pool, &pgxstore.Options{MaxAttempts: 2, KeepPayloads: true})
	for _, change := range []string{"SET LOCAL search_path TO " + schema, "SET search_path TO " + schema} {
		run := func(id string, result *idempotency.Result, workErr error) idempotency.Outcome {
			item := idempotency.Item{Key: keyOf(change + id), Delivery: &hmacverify.Delivery{Scheme: "s", Body: []byte("x")}}
			return idempotency.Run(t.Context(), events, item, func(ctx context.Context, tx pgx.Tx) (*idempotency.Result, error) {
				_, err := tx.Exec(ctx, change)
				return result, errors.Join(err, workErr)
			})
		}
		for id, result := range map[string]*idempotency.Result{"": nil, "with a result": {Status: 201, Body: []byte("kept")}} {
			if o := run(id, result, nil); o.Kind != idempotency.KindCompleted {
				t.Errorf("%s %s: got %+v, want completed", change, id, o)
			}
			o := run(id, result, nil)
			if o.Kind != idempotency.KindDuplicate || (o.Result == nil) != (result == nil) {
				t.Errorf("%s %s, again: got %+v, want a duplicate with its result", change, id, o)
			}
		}
		if o := run("fails", nil, errBoom); o.Kind != idempotency.KindFailed {
			t.Errorf("%s: got %+v, want failed", change, o)
		}
		batch := new(pgx.Batch)
		batch.Queue(change)
		if err := events.RunBatch(t.Context(), keyOf(change+"batch"), batch); err != nil {
			t.Errorf("%s: batch: %v", change, err)
		}
		err := newLeases(t, events, nil).Do(t.Context(), keyOf(change+"leased"), func(context.Context, lease.Claim) error { return nil })
		if err != nil {
			t.Errorf("%s: lease: %v", change, err)
		}
	}
	if got := count(t, pool, schema+"."+sqlstore.DefaultTable); got != 0 {
		t.Errorf("%d records in the other schema, want none", got)
	}
	if got := len(failures(t, events)); got != 2 {
		t.Errorf("%d failures, want 2", got)
	}
}

// The bound on the wait for the key is not a bound on the locks of the work, also when
// it takes over the record of a failure.
func TestStore_LockTimeoutOfWork(t *testing.T) {
	t.Parallel()
	for _, want := range []string{"0", "7s"} {
		set := func(c *pgx.ConnConfig) { c.RuntimeParams["lock_timeout"] = want }
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			eachWay(t, &pgxstore.Options{RecordFailures: true}, set, func(t *testing.T, events testStore) {
				fails := func(context.Context, pgx.Tx) error { return errBoom }
				if err := events.RunTx(t.Context(), keyOf("second attempt"), fails); !errors.Is(err, errBoom) {
					t.Error(err)
				}
				for _, id := range []string{"first attempt", "second attempt"} {
					if err := events.run(t.Context(), keyOf(id), "INSERT INTO effects SELECT current_setting('lock_timeout')"); err != nil {
						t.Error(err)
					}
				}
				if got := count(t, events.pool, "effects WHERE name = '"+want+"'"); got != 2 {
					t.Errorf("%d events saw the lock_timeout of their session, want 2", got)
				}
			})
		})
	}
}

// A limit of the server's on statements that is shorter than Options.Wait ends the wait
// for an event that is in flight, and says no more than that.
func TestStore_StatementTimeoutBelowWait(t *testing.T) {
	t.Parallel()
	set := func(c *pgx.ConnConfig) { c.RuntimeParams["statement_timeout"] = "200" }
	eachWay(t, &pgxstore.Options{Wait: 20 * time.Second}, set, func(t *testing.T, events testStore) {
		tx, err := events.pool.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback(t.Context())
		if err := events.ClaimTx(t.Context(), tx, key); err != nil {
			t.Fatal(err)
		}
		if err := events.run(t.Context(), key); !errors.Is(err, idempotency.ErrInFlight) {
			t.Errorf("got %v, want ErrInFlight", err)
		}
		err = newLeases(t, events, nil).Do(t.Context(), key, func(context.Context, lease.Claim) error { return nil })
		if !errors.Is(err, idempotency.ErrInFlight) {
			t.Errorf("lease: got %v, want ErrInFlight", err)
		}
	})
}

// A table that a migration has locked is no event in flight: the store is unavailable,
// in bounded time.
func TestStore_TableLocked(t *testing.T) {
	t.Parallel()
	eachWay(t, &pgxstore.Options{Wait: 500 * time.Millisecond}, nil, func(t *testing.T, events testStore) {
		if err := events.run(t.Context(), keyOf("done")); err != nil {
			t.Fatal(err)
		}
		tx, err := events.pool.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback(t.Context())
		if _, err := tx.Exec(t.Context(), "LOCK TABLE "+sqlstore.DefaultTable+" IN ACCESS EXCLUSIVE MODE"); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if err := events.run(ctx, key); !errors.Is(err, idempotency.ErrUnavailable) || ctx.Err() != nil {
			t.Errorf("got %v, context %v; want ErrUnavailable before its end", err, ctx.Err())
		}
		err = newLeases(t, events, nil).Do(ctx, key, func(context.Context, lease.Claim) error { return nil })
		if !errors.Is(err, idempotency.ErrUnavailable) || ctx.Err() != nil {
			t.Errorf("lease: got %v, context %v; want ErrUnavailable before its end", err, ctx.Err())
		}
	})
}
