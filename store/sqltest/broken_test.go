package sqltest_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// kill ends the connection that tx is on, from another one.
func kill(t *testing.T, db *sql.DB, d sqlstore.Dialect, tx *sql.Tx) {
	t.Helper()
	ask, end := "SELECT pg_backend_pid()", "SELECT pg_terminate_backend(%d)"
	if d == sqlstore.MySQL {
		ask, end = "SELECT connection_id()", "KILL %d"
	}
	var id int
	if err := tx.QueryRowContext(t.Context(), ask).Scan(&id); err != nil {
		t.Fatal(err)
	}
	mustExec(t, db, fmt.Sprintf(end, id))
	time.Sleep(20 * time.Millisecond)
}

// PG-24: what a connection that is gone leaves is nothing, whatever the work makes
// of it, and that is no failed attempt at the event.
func TestRunTx_ConnectionLostInWork(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		if d == sqlstore.SQLite {
			return // has no connection to lose
		}
		events := newEvents(t, db, d, &sqlstore.Options{MaxAttempts: 1})
		for name, then := range map[string]func(error) error{
			"the work reports it":         func(err error) error { return err },
			"the work wraps it":           func(err error) error { return fmt.Errorf("balance: %w", err) },
			"the work reports its own":    func(error) error { return errors.New("no balance") },
			"the work says for good":      idempotency.Permanent,
			"the work swallows it":        func(error) error { return nil },
			"the work does not notice it": nil,
		} {
			t.Run(name, func(t *testing.T) {
				err := events.RunTx(t.Context(), key, func(ctx context.Context, tx *sql.Tx) error {
					if err := effect(ctx, tx); err != nil {
						t.Error(err)
					}
					kill(t, db, d, tx)
					if then == nil {
						return nil
					}
					err := effect(ctx, tx)
					if err == nil {
						t.Error("the connection is still there")
					}
					return then(err)
				})
				if !errors.Is(err, idempotency.ErrUnavailable) {
					t.Errorf("got %v, want ErrUnavailable", err)
				}
				checkCounts(t, db, 0, 0)
			})
		}
		if err := events.RunTx(t.Context(), key, effect); err != nil {
			t.Errorf("next delivery: %v", err)
		}
		checkCounts(t, db, 1, 1)
	})
}

func TestRunTx_ConnectionLostInPool(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		if d == sqlstore.SQLite {
			return // has no connection to lose
		}
		db.SetMaxOpenConns(2)
		events := newEvents(t, db, d, nil)
		err := inTx(t, db, nil, func(tx *sql.Tx) error {
			kill(t, db, d, tx)
			return errors.New("gone")
		})
		if err == nil {
			t.Error("got no error")
		}
		// The first delivery may find the dead connection: it must say so.
		err = events.RunTx(t.Context(), key, effect)
		if err != nil && !errors.Is(err, idempotency.ErrUnavailable) {
			t.Errorf("got %v, want nil or ErrUnavailable", err)
		}
		if err := events.RunTx(t.Context(), key, effect); err != nil && !errors.Is(err, idempotency.ErrDuplicate) {
			t.Errorf("next delivery: %v", err)
		}
		checkCounts(t, db, 1, 1)
	})
}

func TestRunTx_ContextEndsInWork(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, nil)
		for _, swallow := range []bool{false, true} {
			ctx, cancel := context.WithCancel(t.Context())
			err := events.RunTx(ctx, key, func(ctx context.Context, tx *sql.Tx) error {
				if err := effect(ctx, tx); err != nil {
					t.Error(err)
				}
				cancel()
				if swallow {
					return nil
				}
				return ctx.Err()
			})
			if err == nil {
				t.Errorf("swallowed %v: got no error", swallow)
			}
			checkCounts(t, db, 0, 0)
		}
		if err := events.RunTx(t.Context(), key, effect); err != nil {
			t.Errorf("next delivery: %v", err)
		}
		checkCounts(t, db, 1, 1)
	})
}

// A constraint that is checked at COMMIT: the work has succeeded, and is undone.
// The connection must be fit for the next delivery.
func TestRunTx_CommitFails(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		if d == sqlstore.MySQL {
			return // has no deferred constraints
		}
		if d == sqlstore.SQLite {
			db = openSQLite(t, "foreign_keys", "1")
		}
		db.SetMaxOpenConns(1)
		events := newEvents(t, db, d, &sqlstore.Options{Wait: time.Second})
		mustExec(t, db, "CREATE TABLE parents (id INT PRIMARY KEY)")
		mustExec(t, db, "CREATE TABLE children (parent INT NOT NULL REFERENCES parents (id) DEFERRABLE INITIALLY DEFERRED)")
		err := events.RunTx(t.Context(), key, func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, "INSERT INTO children VALUES (1)")
			return errors.Join(err, effect(ctx, tx))
		})
		if err == nil || errors.Is(err, idempotency.ErrUnavailable) {
			t.Errorf("got %v, want a failure of the work", err)
		}
		if err := events.RunTx(t.Context(), key, effect); err != nil {
			t.Errorf("next delivery: %v", err)
		}
		checkCounts(t, db, 1, 1)
	})
}

// A reader keeps a writer from committing when the journal is not a WAL.
func TestRunTx_CommitWhileSQLiteBusy(t *testing.T) {
	t.Parallel()
	db := openSQLite(t, "journal_mode", "DELETE", "busy_timeout", "0")
	events := newEvents(t, db, sqlstore.SQLite, &sqlstore.Options{Wait: 10 * time.Second})
	var calls int
	err := events.RunTx(t.Context(), key, func(ctx context.Context, tx *sql.Tx) error {
		if calls++; calls == 1 {
			reader, err := db.BeginTx(t.Context(), nil)
			if err != nil {
				return err
			}
			if err := reader.QueryRowContext(t.Context(), "SELECT count(*) FROM effects").Scan(new(int)); err != nil {
				return err
			}
			time.AfterFunc(100*time.Millisecond, func() { reader.Rollback() })
		}
		return effect(ctx, tx)
	})
	if err != nil || calls < 2 {
		t.Errorf("got %v after %d calls, want success after some", err, calls)
	}
	checkCounts(t, db, 1, 1)
}
