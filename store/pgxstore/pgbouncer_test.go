package pgxstore_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/internal/pgbouncertest"
	"github.com/hookonce/hookonce/store/pgxstore"
)

// startPgBouncer starts PgBouncer in transaction mode before the server of
// HOOKONCE_POSTGRES, and returns the URL of a new database behind it.
func startPgBouncer(t *testing.T, prepared int) *url.URL {
	t.Helper()
	server, err := url.Parse(os.Getenv("HOOKONCE_POSTGRES"))
	if err != nil || server.Host == "" {
		t.Fatal("HOOKONCE_POSTGRES is not set, or is no URL")
	}
	name := "pgbouncer_" + strings.ToLower(rand.Text())
	config, err := pgxpool.ParseConfig(server.String())
	if err != nil {
		t.Fatal(err)
	}
	admin := connect(t, config)
	mustExec(t, admin, "CREATE DATABASE "+name)
	t.Cleanup(func() {
		if _, err := admin.Exec(context.WithoutCancel(t.Context()), "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	return pgbouncertest.Start(t, server, name, prepared)
}

// behind returns a pool of connections to PgBouncer in a mode of pgx.
func behind(t *testing.T, bouncer *url.URL, mode string) *pgxpool.Pool {
	t.Helper()
	u := *bouncer
	q := u.Query()
	q.Set("default_query_exec_mode", mode)
	u.RawQuery = q.Encode()
	config, err := pgxpool.ParseConfig(u.String())
	if err != nil {
		t.Fatal(err)
	}
	config.MaxConns = 12 // three times as many as PgBouncer has to the server
	return connect(t, config)
}

// In every mode that Check accepts, everything works behind PgBouncer in transaction mode.
func TestPgBouncer(t *testing.T) {
	t.Parallel()
	t.Run("without prepared statements", func(t *testing.T) {
		t.Parallel()
		testPgBouncer(t, startPgBouncer(t, 0), "exec", "simple_protocol", "cache_describe")
	})
	if pgbouncertest.KeepsPrepared(t) {
		t.Run("with prepared statements", func(t *testing.T) {
			t.Parallel()
			testPgBouncer(t, startPgBouncer(t, 20), "exec", "simple_protocol", "cache_describe", "cache_statement")
		})
	}
}

func testPgBouncer(t *testing.T, bouncer *url.URL, modes ...string) {
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) {
			pool := behind(t, bouncer, mode)
			events := newStore(t, pool, &pgxstore.Options{
				Table: "events_" + mode, MaxAttempts: 3, KeepPayloads: true, Wait: 20 * time.Second,
			})
			if err := events.CreateTables(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := events.Check(t.Context()); err != nil {
				t.Fatal(err)
			}
			mustExec(t, pool, "CREATE TABLE effects_"+mode+" (name text NOT NULL)")
			deliverThrough(t, pool, events, "effects_"+mode)
		})
	}
}

// deliverThrough delivers events several times each, concurrently, in all ways, while
// others purge and look at them. Nothing may fail, and the books must balance.
func deliverThrough(t *testing.T, pool *pgxpool.Pool, events *pgxstore.Store, table string) {
	t.Helper()
	const ids, copies = 30, 4
	insert := "INSERT INTO " + table + " VALUES ($1)"
	leases := newLeases(t, events, nil)
	ways := map[string]func(ctx context.Context, key idempotency.Key) error{
		"RunTx": func(ctx context.Context, key idempotency.Key) error {
			return events.RunTx(ctx, key, func(ctx context.Context, tx pgx.Tx) error {
				_, err := tx.Exec(ctx, insert, key.ID)
				return err
			})
		},
		"RunBatch": func(ctx context.Context, key idempotency.Key) error {
			batch := new(pgx.Batch)
			batch.Queue(insert, key.ID)
			return events.RunBatch(ctx, key, batch)
		},
		"lease": func(ctx context.Context, key idempotency.Key) error {
			return leases.Do(ctx, key, func(ctx context.Context, c lease.Claim) error {
				if err := events.Renew(ctx, c, time.Minute); err != nil {
					return err
				}
				return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
					if _, err := tx.Exec(ctx, insert, key.ID); err != nil {
						return err
					}
					return events.CompleteTx(ctx, tx, c)
				})
			})
		},
		"Purge": func(ctx context.Context, key idempotency.Key) error {
			n, err := events.Purge(ctx)
			if n != 0 {
				return fmt.Errorf("%d new records are purged", n)
			}
			return err
		},
		"Lookup": func(ctx context.Context, key idempotency.Key) error {
			if _, err := events.Lookup(ctx, key); !errors.Is(err, pgxstore.ErrNotFound) {
				return errors.Join(errors.New("a record that is not there is found"), err)
			}
			_, _, err := events.Failures(ctx, idempotency.Key{}, 10)
			return err
		},
	}
	var g errgroup.Group
	g.SetLimit(20)
	for n := range ids * copies {
		for way, do := range ways {
			key := idempotency.Key{Scope: "test", ID: fmt.Sprint(way, " ", n%ids)}
			g.Go(func() error {
				err := do(t.Context(), key)
				if err == nil || errors.Is(err, idempotency.ErrDuplicate) || errors.Is(err, idempotency.ErrInFlight) {
					return nil
				}
				return fmt.Errorf("%s: %w", way, err)
			})
		}
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
	if got, distinct := count(t, pool, table), count(t, pool, "(SELECT DISTINCT name FROM "+table+") AS names"); got != 3*ids || distinct != 3*ids {
		t.Errorf("%d effects of %d events, want %d of each", got, distinct, 3*ids)
	}
}

// Check refuses the modes that lose statements, and says what to set. PgBouncer from 1.21
// keeps named statements if max_prepared_statements is set; then their mode is accepted.
func TestPgBouncer_Check(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		mode     string
		prepared int
		accepted bool
	}{
		{"cache_statement", 0, false},
		{"cache_statement", 20, pgbouncertest.KeepsPrepared(t)},
		{"describe_exec", 0, false},
		{"describe_exec", 20, false},
	} {
		t.Run(fmt.Sprintf("%s with %d", test.mode, test.prepared), func(t *testing.T) {
			t.Parallel()
			bouncer := startPgBouncer(t, test.prepared)
			if err := newStore(t, behind(t, bouncer, "exec"), nil).CreateTables(t.Context()); err != nil {
				t.Fatal(err)
			}
			err := newStore(t, behind(t, bouncer, test.mode), nil).Check(t.Context())
			switch {
			case test.accepted && err != nil:
				t.Errorf("got %v, want that the mode is accepted", err)
			case !test.accepted && (err == nil || !strings.Contains(err.Error(), "default_query_exec_mode=exec")):
				t.Errorf("got %v, want an error that says what to set", err)
			}
		})
	}
}

// Without a pooler every mode is accepted, also with a pool of one connection.
func TestCheck_Modes(t *testing.T) {
	t.Parallel()
	for name, mode := range modes {
		for _, size := range []int32{1, 2} {
			t.Run(fmt.Sprintf("%s, %d connections", name, size), func(t *testing.T) {
				t.Parallel()
				config := configFor(t)
				config.ConnConfig.DefaultQueryExecMode = mode
				config.MaxConns = size
				if err := newEvents(t, connect(t, config), nil).Check(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
	}
}
