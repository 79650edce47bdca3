package galera_test

import (
	"context"
	"database/sql"
	"testing"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// newStore returns a store with new tables.
func newStore(t *testing.T, db *sql.DB) *sqlstore.Store {
	t.Helper()
	s := openStore(t, db)
	if err := s.CreateTables(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func openStore(t *testing.T, db *sql.DB) *sqlstore.Store {
	t.Helper()
	// The tests provoke failures, which the default would log.
	s, err := sqlstore.New(db, sqlstore.MySQL, &sqlstore.Options{Observe: func(context.Context, idempotency.Event) {}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func effects(t *testing.T, db *sql.DB, name string) (n int) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM effects WHERE name = ?", name).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
