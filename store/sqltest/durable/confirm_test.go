package durable_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// The server fails over between the read of a record and its confirmation: the record
// is still there on the new one, but as it was before the event was processed. Another
// connection plays the failover, because the pool has one only.
func TestDurable_FailoverBeforeConfirmation(t *testing.T) {
	t.Parallel()
	check := func(t *testing.T, s *server) {
		const name = "undone"
		store, db := newStoreOn(t, s, 1, 10*time.Second)
		other := s.open(t)
		if err := store.run(t.Context(), keyOf(name), effect(name)); err != nil {
			t.Fatal(err)
		}
		record := sqlstore.DefaultTable + " SET state = 3 WHERE id = '" + name + "'"

		held, err := other.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer held.Rollback()
		if _, err := held.ExecContext(t.Context(), "UPDATE "+record); err != nil {
			t.Fatal(err)
		}
		duplicate := start(t.Context(), func(ctx context.Context) error { return store.run(ctx, keyOf(name), effect(name)) })
		for db.Stats().InUse == 0 {
			time.Sleep(time.Millisecond)
		}
		undone := start(t.Context(), func(ctx context.Context) error {
			c, err := db.Conn(ctx)
			if err != nil {
				return err
			}
			defer c.Close()
			_, updateErr := c.ExecContext(ctx, "UPDATE "+record)
			_, deleteErr := c.ExecContext(ctx, "DELETE FROM effects WHERE name = '"+name+"'")
			return errors.Join(updateErr, deleteErr)
		})
		for db.Stats().WaitCount == 0 {
			time.Sleep(time.Millisecond)
		}
		if err := held.Rollback(); err != nil {
			t.Fatal(err)
		}
		if err := <-undone; err != nil {
			t.Fatal(err)
		}
		if err := <-duplicate; !errors.Is(err, idempotency.ErrInFlight) {
			t.Errorf("duplicate: got %v, want ErrInFlight", err)
		}
		if err := store.run(t.Context(), keyOf(name), effect(name)); err != nil {
			t.Errorf("next delivery: %v", err)
		}
		if got := effects(t, db, name); got != 1 {
			t.Errorf("%d effects, want 1", got)
		}
	}
	t.Run("MariaDB", func(t *testing.T) {
		t.Parallel()
		s := newServer(t, mariaDB(true))
		createTables(t, s)
		check(t, s)
	})
	eachDriver(t, func(t *testing.T, c *cluster) {
		if c.primary.pgxpool {
			checkUndone(t, c.primary)
			return
		}
		check(t, c.primary)
	})
}

// checkUndone has a pgxpool play the failover, when it hands out the connection for the
// confirmation.
func checkUndone(t *testing.T, s *server) {
	t.Helper()
	const name = "undone"
	acquires, before := 0, []string{
		"UPDATE " + sqlstore.DefaultTable + " SET state = 3 WHERE id = '" + name + "'",
		"DELETE FROM effects WHERE name = '" + name + "'",
	}
	store := newPgxstore(t, s, 1, 10*time.Second, func(ctx context.Context, c *pgx.Conn) error {
		if acquires--; acquires != 0 {
			return nil
		}
		for _, statement := range before {
			if _, err := c.Exec(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	})
	run := func() error {
		return store.RunTx(t.Context(), keyOf(name), func(ctx context.Context, tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "INSERT INTO effects (name) VALUES ('"+name+"')")
			return err
		})
	}
	if err := run(); err != nil {
		t.Fatal(err)
	}
	acquires = 2 // the run's, and that of the confirmation
	if err := run(); !errors.Is(err, idempotency.ErrInFlight) || acquires != 0 {
		t.Errorf("duplicate: got %v, want ErrInFlight; the failover is due in %d acquires", err, acquires)
	}
	if err := run(); err != nil {
		t.Errorf("next delivery: %v", err)
	}
	if got := effects(t, s.open(t), name); got != 1 {
		t.Errorf("%d effects, want 1", got)
	}
}
