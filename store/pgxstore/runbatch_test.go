package pgxstore_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/pgxstore"
)

// batchOf returns a batch that leaves one effect, and executes the statements.
func batchOf(statements ...string) *pgx.Batch {
	b := new(pgx.Batch)
	b.Queue("INSERT INTO effects (name) VALUES ($1)", "once")
	for _, statement := range statements {
		b.Queue(statement)
	}
	return b
}

// In every mode of pgx a batch is processed once.
func TestRunBatch(t *testing.T) {
	t.Parallel()
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := configFor(t)
			config.ConnConfig.DefaultQueryExecMode = mode
			pool := connect(t, config)
			var kinds []idempotency.Kind
			events := newEvents(t, pool, &pgxstore.Options{Observe: func(_ context.Context, e idempotency.Event) { kinds = append(kinds, e.Kind) }})
			for _, want := range []error{nil, idempotency.ErrDuplicate, idempotency.ErrDuplicate} {
				if err := events.RunBatch(t.Context(), key, batchOf()); !errors.Is(err, want) {
					t.Errorf("got %v, want %v", err, want)
				}
			}
			if want := []idempotency.Kind{"claimed", "completed", "duplicate", "duplicate"}; !slices.Equal(kinds, want) {
				t.Errorf("observed %v, want %v", kinds, want)
			}
			if status, err := events.Lookup(t.Context(), key); err != nil || status.State != lease.Done || status.Attempts != 1 {
				t.Errorf("got %+v, %v, want that it is done", status, err)
			}
			checkCounts(t, pool, 1, 1)
		})
	}
}

func TestRoundTrips(t *testing.T) {
	t.Parallel()
	config := configFor(t)
	config.MaxConns = 1
	p := throughProxy(config, 0)
	pool := connect(t, config)
	events := newEvents(t, pool, nil)
	n := 0
	next := func() idempotency.Key { n++; return idempotency.Key{Scope: "test", ID: fmt.Sprint(n)} }
	runTx := func() {
		if err := events.RunTx(t.Context(), next(), effect); err != nil {
			t.Error(err)
		}
	}
	runBatch := func() {
		if err := events.RunBatch(t.Context(), next(), batchOf()); err != nil {
			t.Error(err)
		}
	}
	for range 2 { // the first prepares statements
		runTx()
		runBatch()
	}
	if got := countTrips(t, p, runTx); got != 3 {
		t.Errorf("RunTx with one statement took %d round trips, want 3", got)
	}
	if got := countTrips(t, p, runBatch); got != 1 {
		t.Errorf("RunBatch took %d round trips, want 1", got)
	}
}

// What fails leaves nothing behind but its record, and the event can be delivered again.
func TestRunBatch_Fails(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, statement string
		committed       int // effects, by the batch itself
	}{
		{"a statement fails", "INSERT INTO effects VALUES (NULL)", 0},
		{"a statement cannot be prepared", "INSERT INTO no_such_table VALUES (1)", 0},
		{"a statement divides by zero", "SELECT 1 / count(*) FROM deferred", 0},
		{"a constraint fails in COMMIT", "INSERT INTO deferred VALUES (1), (1)", 0},
		{"the batch rolls back", "ROLLBACK", 0},
		{"the batch commits", "COMMIT", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			pool := openPool(t)
			events := newEvents(t, pool, &pgxstore.Options{RecordFailures: true})
			mustExec(t, pool, "CREATE TABLE deferred (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
			var kind idempotency.Kind
			observed := newStore(t, pool, &pgxstore.Options{RecordFailures: true, Observe: func(_ context.Context, e idempotency.Event) { kind = e.Kind }})
			err := observed.RunBatch(t.Context(), key, batchOf(test.statement))
			if err == nil || kind != idempotency.KindFailed {
				t.Errorf("got %v, %s, want that it has failed", err, kind)
			}
			if got := count(t, pool, "effects"); got != test.committed {
				t.Errorf("%d effects, want %d", got, test.committed)
			}
			if test.committed > 0 {
				return
			}
			if status, err := events.Lookup(t.Context(), key); err != nil || status.State != lease.Released || status.Attempts != 1 {
				t.Errorf("got %+v, %v, want that a failure is recorded", status, err)
			}
			if err := events.RunBatch(t.Context(), key, batchOf()); err != nil {
				t.Errorf("next delivery: %v", err)
			}
			checkCounts(t, pool, 1, 1)
		})
	}
}

func TestRunBatch_SerializationFailure(t *testing.T) {
	t.Parallel()
	pool := openPool(t)
	events := newEvents(t, pool, &pgxstore.Options{MaxAttempts: 1})
	mustExec(t, pool, "CREATE SEQUENCE tries")
	err := events.RunBatch(t.Context(), key, batchOf(
		"DO $$ BEGIN IF nextval('tries') = 1 THEN RAISE EXCEPTION 'conflict' USING ERRCODE = '40001'; END IF; END $$"))
	if err != nil {
		t.Error(err)
	}
	checkCounts(t, pool, 1, 1)
}

// While another transaction has the event in flight, RunBatch waits for Options.Wait; its
// own statements may wait for as long as the session says.
func TestRunBatch_InFlight(t *testing.T) {
	t.Parallel()
	config := configFor(t)
	config.ConnConfig.RuntimeParams["lock_timeout"] = "12345"
	pool := connect(t, config)
	events := newEvents(t, pool, &pgxstore.Options{Wait: 50 * time.Millisecond})
	err := events.RunTx(t.Context(), key, func(ctx context.Context, tx pgx.Tx) error {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		if err := events.RunBatch(ctx, key, batchOf()); !errors.Is(err, idempotency.ErrInFlight) {
			t.Errorf("got %v, want ErrInFlight", err)
		}
		return errBoom
	})
	if !errors.Is(err, errBoom) {
		t.Error(err)
	}
	if err := events.RunBatch(t.Context(), key, batchOf("INSERT INTO effects SELECT current_setting('lock_timeout')")); err != nil {
		t.Error(err)
	}
	if got := count(t, pool, "effects WHERE name = '12345ms'"); got != 1 {
		t.Error("the batch has another lock_timeout than its session")
	}
}

func TestRunBatch_ConcurrentDuplicates(t *testing.T) {
	t.Parallel()
	pool := openPool(t)
	events := newEvents(t, pool, &pgxstore.Options{Wait: 20 * time.Second})
	for round := range 10 {
		key := idempotency.Key{Scope: "test", ID: fmt.Sprint("evt_", round)}
		var won, duplicate atomic.Int64
		var g errgroup.Group
		for range 32 {
			g.Go(func() error {
				err := events.RunBatch(t.Context(), key, batchOf())
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
	checkCounts(t, pool, 10, 10)
}

func TestRunBatch_Callback(t *testing.T) {
	t.Parallel()
	pool := openPool(t)
	events := newEvents(t, pool, nil)
	batch := batchOf()
	batch.Queue("SELECT 1").QueryRow(func(pgx.Row) error { return errBoom })
	if err := events.RunBatch(t.Context(), key, batch); err == nil {
		t.Error("a batch with a callback is accepted")
	}
	checkCounts(t, pool, 0, 0)
}
