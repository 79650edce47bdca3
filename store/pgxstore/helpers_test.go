package pgxstore_test

import (
	"context"
	"crypto/rand"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/pgxstore"
	"github.com/hookonce/hookonce/store/sqlstore"
)

var key = idempotency.Key{Scope: "test", ID: "evt_1"}

// admins has the connections on which all tests create their schemas.
var admins = sync.OnceValues(func() (*pgxpool.Pool, error) {
	return pgxpool.New(context.Background(), os.Getenv("HOOKONCE_POSTGRES"))
})

// configFor returns the configuration of a pool in a new schema on the server of
// HOOKONCE_POSTGRES.
func configFor(t testing.TB) *pgxpool.Config {
	t.Helper()
	dsn := os.Getenv("HOOKONCE_POSTGRES")
	if dsn == "" {
		t.Fatal("HOOKONCE_POSTGRES is not set: no PostgreSQL to test against")
	}
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		t.Fatal("HOOKONCE_POSTGRES is not a URL")
	}
	admin, err := admins()
	if err != nil {
		t.Fatal(err)
	}
	schema := "t_" + strings.ToLower(rand.Text())
	mustExec(t, admin, "CREATE SCHEMA "+schema)
	t.Cleanup(func() {
		if _, err := admin.Exec(context.WithoutCancel(t.Context()), "DROP SCHEMA "+schema+" CASCADE"); err != nil {
			t.Error(err)
		}
	})
	config.ConnConfig.RuntimeParams["search_path"] = schema
	config.MaxConns = 16
	return config
}

func connect(t testing.TB, config *pgxpool.Config) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.NewWithConfig(context.WithoutCancel(t.Context()), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// openPool returns a pool whose connections are in a new schema.
func openPool(t testing.TB) *pgxpool.Pool {
	t.Helper()
	return connect(t, configFor(t))
}

func newStore(t testing.TB, pool *pgxpool.Pool, o *pgxstore.Options) *pgxstore.Store {
	t.Helper()
	store, err := pgxstore.New(pool, quiet(o))
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// newEvents returns a store with its table, and a table of effects beside it.
func newEvents(t testing.TB, pool *pgxpool.Pool, o *pgxstore.Options) *pgxstore.Store {
	t.Helper()
	events := newStore(t, pool, o)
	if err := events.CreateTables(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustExec(t, pool, "CREATE TABLE effects (name text NOT NULL)")
	return events
}

// quiet returns o with an observer that ignores everything, unless it has one: the
// tests provoke failures, which the default would log.
func quiet(o *pgxstore.Options) *pgxstore.Options {
	var c pgxstore.Options
	if o != nil {
		c = *o
	}
	if c.Observe == nil {
		c.Observe = func(context.Context, idempotency.Event) {}
	}
	return &c
}

func newLeases(t testing.TB, store lease.Store, o *lease.Options) *lease.Runner {
	t.Helper()
	leases, err := lease.New(store, o)
	if err != nil {
		t.Fatal(err)
	}
	return leases
}

func mustExec(t testing.TB, pool *pgxpool.Pool, query string) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), query); err != nil {
		t.Fatal(err)
	}
}

func count(t testing.TB, pool *pgxpool.Pool, table string) (n int) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// effect is work that leaves one row.
func effect(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, "INSERT INTO effects (name) VALUES ('once')")
	return err
}

func checkCounts(t testing.TB, pool *pgxpool.Pool, wantRecords, wantEffects int) {
	t.Helper()
	if got := count(t, pool, sqlstore.DefaultTable); got != wantRecords {
		t.Errorf("%d records, want %d", got, wantRecords)
	}
	if got := count(t, pool, "effects"); got != wantEffects {
		t.Errorf("%d effects, want %d", got, wantEffects)
	}
}

// eventually waits until ok holds.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("still not: " + what)
		}
	}
}

// keyOf returns a key of its own for each name.
func keyOf(name string) idempotency.Key { return idempotency.Key{Scope: "test", ID: name} }

// A testStore is a store, its pool, and one of the ways to run work.
type testStore struct {
	*pgxstore.Store
	pool *pgxpool.Pool
	run  func(ctx context.Context, key idempotency.Key, statements ...string) error
}

// ways are the ways to run work that consists of statements and leaves an effect.
func ways(events *pgxstore.Store) map[string]func(ctx context.Context, key idempotency.Key, statements ...string) error {
	return map[string]func(ctx context.Context, key idempotency.Key, statements ...string) error{
		"RunTx": func(ctx context.Context, key idempotency.Key, statements ...string) error {
			return events.RunTx(ctx, key, func(ctx context.Context, tx pgx.Tx) error {
				if err := effect(ctx, tx); err != nil {
					return err
				}
				for _, statement := range statements {
					if _, err := tx.Exec(ctx, statement); err != nil {
						return err
					}
				}
				return nil
			})
		},
		"RunBatch": func(ctx context.Context, key idempotency.Key, statements ...string) error {
			return events.RunBatch(ctx, key, batchOf(statements...))
		},
	}
}

// failures returns the events that Failures lists, by ID.
func failures(t testing.TB, events *pgxstore.Store) map[string]lease.Status {
	t.Helper()
	all, _, err := events.Failures(t.Context(), idempotency.Key{}, 100)
	if err != nil {
		t.Fatal(err)
	}
	byID := make(map[string]lease.Status)
	for _, f := range all {
		byID[f.Key.ID] = f
	}
	return byID
}
