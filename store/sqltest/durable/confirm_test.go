package durable_test

import (
	"context"
	"errors"
	"testing"
	"time"

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
		store, db := newStore(t, s, false, 10*time.Second)
		other := s.open(t)
		if err := store.RunTx(t.Context(), keyOf(name), effect(name)); err != nil {
			t.Fatal(err)
		}
		db.SetMaxOpenConns(1)
		record := sqlstore.DefaultTable + " SET state = 3 WHERE id = '" + name + "'"

		held, err := other.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer held.Rollback()
		if _, err := held.ExecContext(t.Context(), "UPDATE "+record); err != nil {
			t.Fatal(err)
		}
		duplicate := start(t.Context(), func(ctx context.Context) error { return store.RunTx(ctx, keyOf(name), effect(name)) })
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
		if err := store.RunTx(t.Context(), keyOf(name), effect(name)); err != nil {
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
	eachDriver(t, func(t *testing.T, c *cluster) { check(t, c.primary) })
}
