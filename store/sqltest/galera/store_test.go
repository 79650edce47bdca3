package galera_test

import (
	"context"
	"database/sql"
	"strings"
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

// testCheck has settings with which events would be applied twice. It is the only one to
// check a store on the last node.
func testCheck(t *testing.T, c *cluster) {
	newStore(t, c.open(t, 0, "wsrep_sync_wait=15"))
	last := c.open(t, size-1, "wsrep_sync_wait=15")
	check := func(db *sql.DB, want string) {
		t.Helper()
		if err := openStore(t, db).Check(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error about %s", err, want)
		}
	}
	check(c.open(t, size-1, "wsrep_on=OFF"), "wsrep_on is OFF")
	for _, name := range []string{"pc.ignore_sb", "pc.ignore_quorum"} {
		for _, on := range []string{"true", "yes"} {
			mustExec(t, last, "SET GLOBAL wsrep_provider_options = '"+name+" = "+on+"'")
			check(last, name)
		}
		mustExec(t, last, "SET GLOBAL wsrep_provider_options = '"+name+" = false'")
	}
	if err := openStore(t, last).Check(t.Context()); err != nil {
		t.Error(err)
	}
}

func effects(t *testing.T, db *sql.DB, name string) (n int) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM effects WHERE name = ?", name).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
