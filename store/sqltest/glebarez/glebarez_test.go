// Package glebarez_test tests sqlstore on a driver of SQLite that leaves a transaction
// open whose COMMIT has failed. It stands apart because the driver has the same name as
// modernc.org/sqlite.
package glebarez_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"testing"

	_ "github.com/glebarez/go-sqlite" // sqlite

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/sqlstore"
)

func TestCommit_LeftOpenByDriver(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"test.db", ":memory:"} { // which must not be lost with its connection
		for end, commit := range map[string]func(*sql.Tx) error{
			"by the store": func(*sql.Tx) error { return nil },
			"by the work":  func(tx *sql.Tx) error { return tx.Commit() },
			"by the work, which swallows the error": func(tx *sql.Tx) error {
				if tx.Commit() == nil {
					return errors.New("the COMMIT was not refused")
				}
				return nil
			},
		} {
			t.Run(name+", committed "+end, func(t *testing.T) {
				file := name
				if name != ":memory:" {
					file = filepath.Join(t.TempDir(), name)
				}
				db, err := sql.Open("sqlite", "file:"+file+"?_pragma=foreign_keys(1)")
				if err != nil {
					t.Fatal(err)
				}
				defer db.Close()
				leftOpen(t, db, commit)
			})
		}
	}
}

// leftOpen has a COMMIT refused, and checks that the only connection of db is fit for
// the next delivery.
func leftOpen(t *testing.T, db *sql.DB, commit func(*sql.Tx) error) {
	db.SetMaxOpenConns(1)
	events, err := sqlstore.New(db, sqlstore.SQLite, &sqlstore.Options{
		RecordFailures: true,
		Observe:        func(context.Context, idempotency.Event) {},
	})
	if err != nil {
		t.Fatal(err)
	}
	exec := func(query string) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	exec("CREATE TABLE parents (id INT PRIMARY KEY)")
	exec("CREATE TABLE children (parent INT NOT NULL REFERENCES parents (id) DEFERRABLE INITIALLY DEFERRED)")
	if err := events.CreateTables(t.Context()); err != nil {
		t.Fatal(err)
	}
	err = events.RunTx(t.Context(), idempotency.Key{Scope: "test", ID: "refused"}, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO children VALUES (1)")
		return errors.Join(err, commit(tx))
	})
	if err == nil || errors.Is(err, idempotency.ErrUnavailable) {
		t.Errorf("got %v, want a failure of the work", err)
	}
	next := idempotency.Key{Scope: "test", ID: "next"}
	if err := events.RunTx(t.Context(), next, func(context.Context, *sql.Tx) error { return nil }); err != nil {
		t.Errorf("next delivery: %v", err)
	}
	var records, children int
	err = db.QueryRowContext(t.Context(), "SELECT (SELECT count(*) FROM "+sqlstore.DefaultTable+"), (SELECT count(*) FROM children)").
		Scan(&records, &children)
	if err != nil || records != 2 || children != 0 {
		t.Errorf("%d records and %d effects, %v; want the failure, the next event and no effect", records, children, err)
	}
}
