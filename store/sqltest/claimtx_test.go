package sqltest_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// inTx calls f in a transaction and commits it, or rolls it back on an error.
func inTx(t *testing.T, db *sql.DB, o *sql.TxOptions, f func(tx *sql.Tx) error) error {
	t.Helper()
	tx, err := db.BeginTx(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if err := f(tx); err != nil {
		return err
	}
	return tx.Commit()
}

func TestClaimTx_CallersTransaction(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, nil)
		work := func(then error) error {
			return inTx(t, db, nil, func(tx *sql.Tx) error {
				if err := events.ClaimTx(t.Context(), tx, key); err != nil {
					return err
				}
				return errors.Join(effect(t.Context(), tx), then)
			})
		}
		if err := work(boom); !errors.Is(err, boom) {
			t.Errorf("got %v, want the work's error", err)
		}
		checkCounts(t, db, 0, 0)
		if err := work(nil); err != nil {
			t.Error(err)
		}
		if err := work(nil); !errors.Is(err, idempotency.ErrDuplicate) {
			t.Errorf("second time: got %v, want ErrDuplicate", err)
		}
		checkCounts(t, db, 1, 1)
	})
}

func TestClaimTx_TransactionAfterDuplicate(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, nil)
		if err := events.RunTx(t.Context(), key, effect); err != nil {
			t.Fatal(err)
		}
		err := inTx(t, db, nil, func(tx *sql.Tx) error {
			if err := events.ClaimTx(t.Context(), tx, key); !errors.Is(err, idempotency.ErrDuplicate) {
				t.Errorf("got %v, want ErrDuplicate", err)
			}
			if d == sqlstore.PostgreSQL {
				var timeout string
				if err := tx.QueryRowContext(t.Context(), "SHOW lock_timeout").Scan(&timeout); err != nil || timeout != "0" {
					t.Errorf("lock_timeout %q, %v; want 0 as before", timeout, err)
				}
			}
			return effect(t.Context(), tx)
		})
		if err != nil {
			t.Error(err)
		}
		checkCounts(t, db, 1, 2)
	})
}

// levels returns the isolation levels that a caller's transaction can have.
func levels(d sqlstore.Dialect) []sql.IsolationLevel {
	if d == sqlstore.SQLite {
		return []sql.IsolationLevel{sql.LevelDefault}
	}
	return []sql.IsolationLevel{
		sql.LevelDefault, sql.LevelReadCommitted, sql.LevelRepeatableRead, sql.LevelSerializable,
	}
}

func TestClaimTx_IsolationLevels(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, nil)
		for i, level := range levels(d) {
			key := keyOf(level.String())
			for _, want := range []error{nil, idempotency.ErrDuplicate} {
				err := inTx(t, db, &sql.TxOptions{Isolation: level}, func(tx *sql.Tx) error {
					if err := events.ClaimTx(t.Context(), tx, key); err != nil {
						return err
					}
					return effect(t.Context(), tx)
				})
				if !errors.Is(err, want) {
					t.Errorf("%v: got %v, want %v", level, err, want)
				}
			}
			checkCounts(t, db, i+1, i+1)
		}
	})
}

// A transaction whose snapshot is older than the event's commit must find the
// duplicate or be a conflict; it must not do the work (MY-6, PG-6, SQ-4).
func TestClaimTx_DuplicateSinceSnapshot(t *testing.T) {
	t.Parallel()
	eachSnapshot(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect, conflicts func(sql.IsolationLevel) bool) {
		events := newEvents(t, db, d, nil)
		for i, level := range levels(d) {
			key := keyOf(level.String())
			err := inTx(t, db, &sql.TxOptions{Isolation: level}, func(tx *sql.Tx) error {
				readBoth(t, tx, d, level)
				if err := events.RunTx(t.Context(), key, nothing); err != nil {
					t.Fatal(err)
				}
				return events.ClaimTx(t.Context(), tx, key)
			})
			want := idempotency.ErrDuplicate
			if conflicts(level) {
				want = idempotency.ErrUnavailable
			}
			if !errors.Is(err, want) {
				t.Errorf("%v: got %v, want %v", level, err, want)
			}
			checkCounts(t, db, i+1, 0)
		}
	})
}

// Two events in one transaction, of which the second waits and is given up: the
// first must not be committed without it by mistake, so the error is one after
// which the transaction is to be rolled back (MY-5, D16).
func TestClaimTx_SecondKeyInFlight(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		if d == sqlstore.SQLite {
			return // one writer: the second transaction could not have begun to write
		}
		events := newEvents(t, db, d, &sqlstore.Options{Wait: 100 * time.Millisecond})
		err := inTx(t, db, nil, func(tx *sql.Tx) error {
			if err := events.ClaimTx(t.Context(), tx, keyOf("slow")); err != nil {
				return err
			}
			err := inTx(t, db, nil, func(other *sql.Tx) error {
				if err := events.ClaimTx(t.Context(), other, keyOf("quick")); err != nil {
					return err
				}
				return events.ClaimTx(t.Context(), other, keyOf("slow"))
			})
			if !errors.Is(err, idempotency.ErrInFlight) {
				t.Errorf("got %v, want ErrInFlight", err)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		checkCounts(t, db, 1, 0)
	})
}

func TestStore_InvalidKey(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", idempotency.MaxKeyBytes+1)
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, nil)
		for _, key := range []idempotency.Key{
			{}, {Scope: "s"}, {ID: "i"}, {Scope: long, ID: "i"}, {Scope: "s", ID: long},
		} {
			err := inTx(t, db, nil, func(tx *sql.Tx) error { return events.ClaimTx(t.Context(), tx, key) })
			if !errors.Is(err, idempotency.ErrInvalidKey) {
				t.Errorf("ClaimTx of %v: got %v, want ErrInvalidKey", key, err)
			}
			if err := events.RunTx(t.Context(), key, effect); !errors.Is(err, idempotency.ErrInvalidKey) {
				t.Errorf("RunTx of %v: got %v, want ErrInvalidKey", key, err)
			}
		}
		checkCounts(t, db, 0, 0)
	})
}

// Not every event that ClaimTx refuses has been done.
func TestClaimTx_Refusals(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, nil)
		fails(t, events, "dead", idempotency.Permanent(errors.New("boom")))
		claim(t, events, "leased", time.Hour)
		for id, want := range map[string]error{"dead": idempotency.ErrDead, "leased": idempotency.ErrInFlight} {
			err := inTx(t, db, nil, func(tx *sql.Tx) error { return events.ClaimTx(t.Context(), tx, keyOf(id)) })
			if !errors.Is(err, want) {
				t.Errorf("%s: got %v, want %v", id, err, want)
			}
		}
	})
}

// The clock goes on in a transaction, though PostgreSQL's now() stands still there.
func TestClaimTx_LeaseExpiredSinceBegin(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		if d == sqlstore.SQLite {
			return // its transaction would not see the lease
		}
		events := newEvents(t, db, d, nil)
		err := inTx(t, db, &sql.TxOptions{Isolation: sql.LevelReadCommitted}, func(tx *sql.Tx) error {
			readBoth(t, tx, d, sql.LevelReadCommitted)
			claim(t, events, key.ID, time.Millisecond)
			time.Sleep(20 * time.Millisecond)
			return events.ClaimTx(t.Context(), tx, key)
		})
		if err != nil {
			t.Errorf("got %v, want that the event is taken over", err)
		}
	})
}

func nothing(context.Context, *sql.Tx) error { return nil }

// readBoth reads the effects and the records, so that tx has a snapshot of both if
// it has any.
func readBoth(t *testing.T, tx *sql.Tx, d sqlstore.Dialect, level sql.IsolationLevel) {
	t.Helper()
	tables := []string{"effects", sqlstore.DefaultTable}
	if d == sqlstore.MySQL && level == sql.LevelSerializable {
		tables = tables[:1] // its reads lock, and must not lock the record
	}
	for _, table := range tables {
		if err := tx.QueryRowContext(t.Context(), "SELECT count(*) FROM "+table).Scan(new(int)); err != nil {
			t.Fatal(err)
		}
	}
}

// eachSnapshot is each, with MariaDB in both of the ways that it has. conflicts
// tells the isolation levels at which a row that is newer than a transaction's
// snapshot is a conflict.
func eachSnapshot(t *testing.T, f func(t *testing.T, db *sql.DB, d sqlstore.Dialect, conflicts func(sql.IsolationLevel) bool)) {
	t.Helper()
	g := func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		f(t, db, d, func(level sql.IsolationLevel) bool {
			switch d {
			case sqlstore.PostgreSQL:
				return level > sql.LevelReadCommitted
			case sqlstore.MySQL:
				return level != sql.LevelReadCommitted && snapshotIsolation(t, db)
			}
			return true
		})
	}
	each(t, g)
	for _, value := range []string{"0", "1"} {
		t.Run("MariaDB, snapshot isolation "+value, func(t *testing.T) {
			t.Parallel()
			g(t, openMariaDB(t, "innodb_snapshot_isolation", value), sqlstore.MySQL)
		})
	}
}

// snapshotIsolation reports whether db is a MariaDB with innodb_snapshot_isolation,
// as it is by default in 11.6 and later.
func snapshotIsolation(t *testing.T, db *sql.DB) bool {
	t.Helper()
	var name, value string
	err := db.QueryRowContext(t.Context(), "SHOW VARIABLES LIKE 'innodb_snapshot_isolation'").Scan(&name, &value)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		t.Fatal(err)
	}
	return value == "ON"
}

// A claim in the caller's transaction knows MaxAttempts too.
func TestClaimTx_AttemptsUsedUp(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		patient := newEvents(t, db, d, &sqlstore.Options{MaxAttempts: 2})
		if err := runItem(t, patient, idempotency.Item{Key: key}, errors.New("boom")); err == nil {
			t.Fatal("the work has not failed")
		}
		events := newStore(t, db, d, &sqlstore.Options{MaxAttempts: 1})
		err := inTx(t, db, nil, func(tx *sql.Tx) error { return events.ClaimTx(t.Context(), tx, key) })
		if !errors.Is(err, idempotency.ErrDead) {
			t.Errorf("got %v, want ErrDead", err)
		}
	})
}
