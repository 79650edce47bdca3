package sqltest_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// Work that needs a second connection finds one, however many deliveries come at once.
func TestRunTx_WorkNeedsSecondConnection(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		if d == sqlstore.SQLite {
			return // the second connection could not write
		}
		for _, pool := range []int{2, 4} {
			t.Run(fmt.Sprint(pool), func(t *testing.T) {
				db.SetMaxOpenConns(pool)
				events := newStore(t, db, d, &sqlstore.Options{Table: fmt.Sprint("pool", pool)})
				createTables(t, events)
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				var g errgroup.Group
				for i := range 4 * pool {
					g.Go(func() error {
						return events.RunTx(ctx, keyOf(fmt.Sprint(i)), func(ctx context.Context, _ *sql.Tx) error {
							time.Sleep(10 * time.Millisecond)
							return db.QueryRowContext(ctx, "SELECT 1").Scan(new(int))
						})
					})
				}
				if err := g.Wait(); err != nil {
					t.Error(err)
				}
			})
		}
	})
}

// Work within the work of another event has its connection already.
func TestRunTx_NestedRuns(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		if d == sqlstore.SQLite {
			return // has one writer
		}
		db.SetMaxOpenConns(3)
		events := newEvents(t, db, d, nil)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		var g errgroup.Group
		for i := range 2 {
			g.Go(func() error {
				return events.RunTx(ctx, keyOf(fmt.Sprint("outer", i)), func(ctx context.Context, _ *sql.Tx) error {
					time.Sleep(50 * time.Millisecond)
					return events.RunTx(ctx, keyOf(fmt.Sprint("inner", i)), effect)
				})
			})
		}
		if err := g.Wait(); err != nil {
			t.Error(err)
		}
		checkCounts(t, db, 4, 2)
	})
}

// Handlers that hold the whole pool for longer than a lease do not keep the leases from
// being renewed, and completed.
func TestLease_PoolHeldByHandlers(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		db.SetMaxOpenConns(2)
		events := newEvents(t, db, d, nil)
		leases := newLeases(t, events, &lease.Options{Lease: 2 * time.Second})
		var g errgroup.Group
		for i := range 2 {
			for range 3 { // copies
				g.Go(func() error {
					err := leases.Do(t.Context(), keyOf(fmt.Sprint(i)), func(ctx context.Context, _ lease.Claim) error {
						c, err := db.Conn(ctx)
						if err != nil {
							return err
						}
						defer c.Close()
						time.Sleep(2500 * time.Millisecond)
						_, err = c.ExecContext(ctx, "INSERT INTO effects (name) VALUES ('once')")
						return err
					})
					if errors.Is(err, idempotency.ErrInFlight) || errors.Is(err, idempotency.ErrDuplicate) {
						return nil
					}
					return err
				})
			}
		}
		if err := g.Wait(); err != nil {
			t.Error(err)
		}
		checkCounts(t, db, 2, 2)
		for i := range 2 {
			if rec, _ := stateOf(t, events, keyOf(fmt.Sprint(i))); rec.State != lease.Done || rec.Attempts != 1 {
				t.Errorf("event %d: %+v, want done at the first attempt", i, rec)
			}
		}
	})
}

// The reserved connection goes back to the pool when its leases have expired, and one
// that has died is replaced.
func TestLease_ReservedConnection(t *testing.T) {
	t.Parallel()
	name := "t_" + rand.Text()
	check := func(t *testing.T, db *sql.DB, d sqlstore.Dialect, kill func()) {
		db.SetMaxOpenConns(2)
		events := newEvents(t, db, d, nil)
		checkInUse := func(when string, want int) {
			t.Helper()
			if got := db.Stats().InUse; got != want {
				t.Errorf("%s: %d connections in use, want %d", when, got, want)
			}
		}
		c := claim(t, events, "first", 20*time.Second)
		checkInUse("claimed", 1)
		kill()
		held, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := events.Renew(t.Context(), c, time.Second); err != nil {
			t.Error(err)
		}
		held.Close()
		checkInUse("the reserved connection has died", 0)
		if err := finish(t, db, events, c); err != nil {
			t.Error(err)
		}
		claim(t, events, "second", 3*time.Second)
		checkInUse("claimed again", 1)
		for end := time.Now().Add(20 * time.Second); db.Stats().InUse > 0; time.Sleep(50 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("the connection is still reserved")
			}
		}
	}
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		db := openPostgreSQL(t, "application_name", name)
		check(t, db, sqlstore.PostgreSQL, func() {
			mustExec(t, db, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND application_name = '"+name+"'")
		})
	})
	everyMySQL(t, func(t *testing.T, db *sql.DB) {
		check(t, db, sqlstore.MySQL, func() { killOthers(t, db) })
	})
}

// killOthers has MySQL close all connections of db but one, which it uses.
func killOthers(t *testing.T, db *sql.DB) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "SELECT id FROM information_schema.processlist WHERE db = database() AND id <> connection_id()")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var ids []int
	for rows.Next() {
		var id int
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	rows.Close()
	for _, id := range ids {
		mustExec(t, db, fmt.Sprint("KILL ", id))
	}
}

// After a failover the pool's connections lead to a node that is read-only, and work
// may leave that mode, or a role, behind. The pool recovers by itself.
func TestStore_ConnectionsThatCannotWrite(t *testing.T) {
	t.Parallel()
	unfit := map[sqlstore.Dialect][]string{
		sqlstore.PostgreSQL: {"SET default_transaction_read_only = on", "SET ROLE pg_read_all_data"},
		sqlstore.MySQL:      {"SET SESSION TRANSACTION READ ONLY"},
	}
	everyDriver(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		const pool = 6
		db.SetMaxOpenConns(pool)
		db.SetMaxIdleConns(pool)
		events := newEvents(t, db, d, nil)
		leases := newLeases(t, events, nil)
		for _, set := range unfit[d] {
			if strings.Contains(set, "read_only") && strings.HasSuffix(fmt.Sprintf("%T", db.Driver()), "pq.Driver") {
				continue // its BEGIN says READ WRITE
			}
			for name, deliver := range map[string]func(id string) error{
				"transaction": func(id string) error { return events.RunTx(t.Context(), keyOf(id), effect) },
				"lease":       func(id string) error { return leases.Do(t.Context(), keyOf(id), leasedNothing) },
				"caller's transaction": func(id string) error {
					tx, err := db.BeginTx(t.Context(), nil)
					if err != nil {
						return err
					}
					defer tx.Rollback()
					if err := events.ClaimTx(t.Context(), tx, keyOf(id)); err != nil {
						return err
					}
					return tx.Commit()
				},
			} {
				t.Run(set+", "+name, func(t *testing.T) {
					spoil(t, db, pool, set)
					if err := deliver("first " + t.Name()); !errors.Is(err, idempotency.ErrUnavailable) {
						t.Errorf("got %v, want ErrUnavailable", err)
					}
					end := time.Now().Add(20 * time.Second)
					for err := deliver(t.Name()); err != nil; err = deliver(t.Name()) {
						if !errors.Is(err, idempotency.ErrUnavailable) || time.Now().After(end) {
							t.Fatalf("got %v; want the pool to recover", err)
						}
						time.Sleep(100 * time.Millisecond)
					}
				})
			}
		}
	})
}

// A failover between a lease's claim and its completion: that finds a connection that
// can write, or the event would be held up until the lease expires.
func TestLease_CompletedAfterFailover(t *testing.T) {
	t.Parallel()
	unfit := map[sqlstore.Dialect]string{
		sqlstore.PostgreSQL: "SET ROLE pg_read_all_data", // of which lib/pq's BEGIN does not let go
		sqlstore.MySQL:      "SET SESSION TRANSACTION READ ONLY",
	}
	everyDriver(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		if d == sqlstore.SQLite {
			return // it has no node to fail over to
		}
		const pool = 6
		db.SetMaxOpenConns(pool)
		db.SetMaxIdleConns(pool)
		leases := newLeases(t, newEvents(t, db, d, nil), nil)
		for i := range 3 {
			key := keyOf(fmt.Sprint(t.Name(), i))
			err := leases.Do(t.Context(), key, func(ctx context.Context, c lease.Claim) error {
				spoil(t, db, pool, unfit[d])
				return nil
			})
			if err != nil {
				t.Errorf("got %v, want that the lease is completed", err)
			}
			if err := leases.Do(t.Context(), key, leasedNothing); !errors.Is(err, idempotency.ErrDuplicate) {
				t.Errorf("got %v, want ErrDuplicate", err)
			}
		}
	})
}

// spoil runs a statement on every connection of the pool.
func spoil(t *testing.T, db *sql.DB, pool int, statement string) {
	t.Helper()
	free := pool - db.Stats().InUse // a lease may have reserved one
	for range free {
		c, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
}
