package sqltest_test

import (
	"database/sql"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/hookonce/hookonce/store/sqlstore"
)

func TestMakingTheTableTwiceDoesNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, nil)
		if err := events.RunTx(t.Context(), key, effect); err != nil {
			t.Fatal(err)
		}
		if err := events.CreateTable(t.Context()); err != nil {
			t.Error(err)
		}
		for _, statement := range schemaOf(t, d, nil) {
			mustExec(t, db, statement)
		}
		checkCounts(t, db, 1, 1)
	})
}

// The processes of one deployment start together.
func TestManyMakeTheTableAtOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		for _, table := range []string{"a", "b", "c", "d", "e"} {
			o := &sqlstore.Options{Table: table, KeepPayloads: true}
			var g errgroup.Group
			for range 8 {
				events := newStore(t, db, d, o) // each as a process of its own has it
				g.Go(func() error { return events.CreateTable(t.Context()) })
			}
			if err := g.Wait(); err != nil {
				t.Errorf("table %s: %v", table, err)
			}
			if err := newStore(t, db, d, o).Check(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestTheTableMayBeInAnotherSchema(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		db.SetMaxOpenConns(1) // pg_temp belongs to a connection
		table := map[sqlstore.Dialect]string{
			sqlstore.SQLite:     "main.our_events",
			sqlstore.PostgreSQL: "pg_temp.our_events",
			sqlstore.MySQL:      currentSchema(t, db, d) + ".our_events",
		}[d]
		events := newEvents(t, db, d, &sqlstore.Options{Table: table, KeepPayloads: true})
		if err := events.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := events.RunTx(t.Context(), key, effect); err != nil {
			t.Error(err)
		}
		if _, err := events.Purge(t.Context()); err != nil {
			t.Error(err)
		}
		if got := count(t, db, table); got != 1 {
			t.Errorf("%d records, want 1", got)
		}
	})
}

func currentSchema(t *testing.T, db *sql.DB, d sqlstore.Dialect) (name string) {
	t.Helper()
	if d != sqlstore.MySQL {
		return ""
	}
	if err := db.QueryRowContext(t.Context(), "SELECT database()").Scan(&name); err != nil {
		t.Fatal(err)
	}
	return name
}
