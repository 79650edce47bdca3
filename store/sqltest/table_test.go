package sqltest_test

import (
	"database/sql"
	"errors"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/hookonce/hookonce/idempotency"
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

// Where the table is, nobody needs the right to make one.
func TestATableThatIsThereNeedsNoRightToMakeIt(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		readOnly := map[sqlstore.Dialect]string{
			sqlstore.SQLite:     "PRAGMA query_only = 1",
			sqlstore.PostgreSQL: "SET default_transaction_read_only = on",
			sqlstore.MySQL:      "SET SESSION TRANSACTION READ ONLY",
		}[d]
		db.SetMaxOpenConns(1)
		o := &sqlstore.Options{KeepPayloads: true}
		newEvents(t, db, d, o)
		mustExec(t, db, readOnly)
		if err := newStore(t, db, d, o).CreateTable(t.Context()); err != nil {
			t.Errorf("both tables are there: %v", err)
		}
		if err := newStore(t, db, d, &sqlstore.Options{Table: "other"}).CreateTable(t.Context()); err == nil {
			t.Error("made a table where nothing can be written")
		}
	})
}

// An empty table in front of the one that is used would make duplicates new.
func TestATableFurtherOnInTheSearchPathIsNotHidden(t *testing.T) {
	t.Parallel()
	db := openPostgreSQL(t)
	newEvents(t, db, sqlstore.PostgreSQL, nil)
	var used string
	if err := db.QueryRowContext(t.Context(), "SELECT current_schema()").Scan(&used); err != nil {
		t.Fatal(err)
	}
	db = openPostgreSQL(t, "search_path", newSchema(t, db)+","+used)
	events := newStore(t, db, sqlstore.PostgreSQL, nil)
	for _, want := range []error{nil, idempotency.ErrDuplicate} {
		if err := events.RunTx(t.Context(), key, effect); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
		if err := events.CreateTable(t.Context()); err != nil {
			t.Error(err)
		}
		db.SetMaxIdleConns(0) // a connection may have statements prepared for the table before
	}
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
