package sqltest_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/internal/pgbouncertest"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// startPgBouncer starts PgBouncer in transaction mode before the server of
// HOOKONCE_POSTGRES, and returns the URL of a new database behind it. It keeps no
// prepared statements.
func startPgBouncer(t *testing.T) *url.URL {
	t.Helper()
	server, err := url.Parse(os.Getenv("HOOKONCE_POSTGRES"))
	if err != nil || server.Host == "" {
		t.Fatal("HOOKONCE_POSTGRES is not set, or is no URL")
	}
	name := "pgbouncer_" + strings.ToLower(rand.Text())
	admin := open(t, "pgx", server.String())
	mustExec(t, admin, "CREATE DATABASE "+name)
	t.Cleanup(func() {
		if _, err := admin.ExecContext(context.WithoutCancel(t.Context()), "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	return pgbouncertest.Start(t, server, name, 0)
}

// behind opens the database behind a PgBouncer with the driver and its settings.
func behind(t *testing.T, bouncer *url.URL, driver string, settings ...string) *sql.DB {
	t.Helper()
	u := *bouncer
	q := u.Query()
	for i := 0; i < len(settings); i += 2 {
		q.Set(settings[i], settings[i+1])
	}
	u.RawQuery = q.Encode()
	db := open(t, driver, u.String())
	db.SetMaxOpenConns(12)
	db.SetMaxIdleConns(12)
	return db
}

// With the settings that the package documentation names, everything works behind
// PgBouncer in transaction mode.
func TestPgBouncer_DocumentedSettings(t *testing.T) {
	t.Parallel()
	bouncer := startPgBouncer(t)
	for i, way := range []struct {
		driver   string
		settings []string
	}{
		{"pgx", []string{"default_query_exec_mode", "exec"}},
		{"pgx", []string{"default_query_exec_mode", "simple_protocol"}},
		{"pgx", []string{"default_query_exec_mode", "cache_describe"}},
		{"postgres", []string{"binary_parameters", "yes"}},
	} {
		t.Run(way.driver+" "+strings.Join(way.settings, "="), func(t *testing.T) {
			db := behind(t, bouncer, way.driver, way.settings...)
			events := newStore(t, db, sqlstore.PostgreSQL, &sqlstore.Options{
				Table: fmt.Sprint("events_", i), RecordFailures: true, KeepPayloads: true, Wait: 20 * time.Second,
			})
			if err := events.CreateTables(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := events.Check(t.Context()); err != nil {
				t.Fatal(err)
			}
			table := fmt.Sprint("effects_", i)
			mustExec(t, db, "CREATE TABLE "+table+" (name text NOT NULL)")
			deliverThrough(t, db, events, table)
			if n, err := events.Purge(t.Context()); n != 0 || err != nil {
				t.Errorf("purge: %d, %v", n, err)
			}
			if _, _, err := events.Failures(t.Context(), idempotency.Key{}, 10); err != nil {
				t.Error(err)
			}
		})
	}
}

// deliverThrough delivers events several times each, concurrently, in both modes, and
// balances the books.
func deliverThrough(t *testing.T, db *sql.DB, events *sqlstore.Store, table string) {
	t.Helper()
	const ids, copies = 30, 4
	leases := newLeases(t, events, nil)
	insert := func(ctx context.Context, tx *sql.Tx, name string) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO "+table+" VALUES ($1)", name)
		return err
	}
	var g errgroup.Group
	g.SetLimit(10)
	for n := range ids * copies {
		key := keyOf(fmt.Sprint("tx ", n%ids))
		g.Go(func() error {
			return unlessKnown(events.RunTx(t.Context(), key, func(ctx context.Context, tx *sql.Tx) error {
				return insert(ctx, tx, key.ID)
			}))
		})
		leased := keyOf(fmt.Sprint("lease ", n%ids))
		g.Go(func() error {
			return unlessKnown(leases.Do(t.Context(), leased, func(ctx context.Context, c lease.Claim) error {
				tx, err := db.BeginTx(ctx, nil)
				if err != nil {
					return err
				}
				defer tx.Rollback()
				if err := insert(ctx, tx, leased.ID); err != nil {
					return err
				}
				if err := events.CompleteTx(ctx, tx, c); err != nil {
					return err
				}
				return tx.Commit()
			}))
		})
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
	var effects, distinct int
	if err := db.QueryRowContext(t.Context(), "SELECT count(*), count(DISTINCT name) FROM "+table).Scan(&effects, &distinct); err != nil {
		t.Fatal(err)
	}
	if effects != 2*ids || distinct != 2*ids {
		t.Errorf("%d effects of %d events, want %d of each", effects, distinct, 2*ids)
	}
}

// unlessKnown passes over what copies of an event are told.
func unlessKnown(err error) error {
	if errors.Is(err, idempotency.ErrDuplicate) || errors.Is(err, idempotency.ErrInFlight) {
		return nil
	}
	return err
}

// Check says what to set, instead of letting two thirds of the deliveries fail.
func TestPgBouncer_CheckFindsPreparedStatements(t *testing.T) {
	t.Parallel()
	bouncer := startPgBouncer(t)
	good := behind(t, bouncer, "pgx", "default_query_exec_mode", "exec")
	if err := newStore(t, good, sqlstore.PostgreSQL, nil).CreateTables(t.Context()); err != nil {
		t.Fatal(err)
	}
	db := behind(t, bouncer, "pgx")
	events := newStore(t, db, sqlstore.PostgreSQL, nil)
	err := events.Check(t.Context())
	if err == nil || !strings.Contains(err.Error(), "default_query_exec_mode=exec") {
		t.Errorf("got %v, want an error about prepared statements", err)
	}
}
