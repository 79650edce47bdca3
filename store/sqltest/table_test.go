package sqltest_test

import (
	"database/sql"
	"errors"
	"fmt"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/sqlstore"
)

func TestCreateTables_Twice(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, nil)
		if err := events.RunTx(t.Context(), key, effect); err != nil {
			t.Fatal(err)
		}
		if err := events.CreateTables(t.Context()); err != nil {
			t.Error(err)
		}
		for _, statement := range schemaOf(t, d, nil) {
			mustExec(t, db, statement)
		}
		checkCounts(t, db, 1, 1)
		if err := events.Check(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// Where the tables exist, CreateTables needs no right to create anything.
func TestCreateTables_ReadOnly(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		readOnly := map[sqlstore.Dialect]string{
			sqlstore.SQLite:     "PRAGMA query_only = 1",
			sqlstore.PostgreSQL: "SET ROLE pg_read_all_data",
			sqlstore.MySQL:      "SET SESSION TRANSACTION READ ONLY",
		}[d]
		db.SetMaxOpenConns(1)
		o := &sqlstore.Options{KeepPayloads: true}
		newEvents(t, db, d, o)
		mustExec(t, db, readOnly)
		if err := newStore(t, db, d, o).CreateTables(t.Context()); err != nil {
			t.Errorf("the tables exist: %v", err)
		}
		if err := newStore(t, db, d, &sqlstore.Options{Table: "other"}).CreateTables(t.Context()); err == nil {
			t.Error("created tables where nothing can be written")
		}
	})
}

// An empty table in front of the one that is used would make duplicates new.
func TestCreateTables_SearchPath(t *testing.T) {
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
		if err := events.CreateTables(t.Context()); err != nil {
			t.Error(err)
		}
		db.SetMaxIdleConns(0) // a connection may have statements prepared for the table before
	}
}

// The processes of one deployment start together, on a database without tables.
func TestCreateTables_Concurrent(t *testing.T) {
	t.Parallel()
	const use = "SELECT version FROM " + sqlstore.DefaultTable + "_version WHERE NOT EXISTS (SELECT 1 FROM " + sqlstore.DefaultTable + "_payloads)"
	for i := range 3 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
				start := make(chan struct{})
				var g errgroup.Group
				for range 8 {
					events := newStore(t, db, d, nil) // each as a process of its own has it
					g.Go(func() error {
						<-start
						if err := events.CreateTables(t.Context()); err != nil {
							return err
						}
						// What one that has found the records uses next must exist.
						return db.QueryRowContext(t.Context(), use).Scan(new(int))
					})
				}
				close(start)
				if err := g.Wait(); err != nil {
					t.Error(err)
				}
				for table, want := range map[string]int{
					sqlstore.DefaultTable:               0,
					sqlstore.DefaultTable + "_payloads": 0,
					sqlstore.DefaultTable + "_version":  1,
					sqlstore.DefaultTable + "_readable": 0,
				} {
					if got := count(t, db, table); got != want {
						t.Errorf("%d rows in %s, want %d", got, table, want)
					}
				}
			})
		})
	}
}

// A schema that fails halfway must not leave tables that the next CreateTables takes
// for complete. What stands in the way here has the name of the view, which comes last.
func TestCreateTables_FailsHalfway(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		const view = sqlstore.DefaultTable + "_readable"
		create, drop := "CREATE TABLE "+view+" (name int)", "DROP TABLE "+view
		if d == sqlstore.SQLite { // where IF NOT EXISTS takes a table for the view
			mustExec(t, db, "CREATE TABLE other (name int)")
			create, drop = "CREATE INDEX "+view+" ON other (name)", "DROP INDEX "+view
		}
		mustExec(t, db, create)
		events := newStore(t, db, d, nil)
		if err := events.CreateTables(t.Context()); err == nil {
			t.Fatal("the view cannot be created: got no error")
		}
		mustExec(t, db, drop)
		if err := errors.Join(events.CreateTables(t.Context()), events.Check(t.Context())); err != nil {
			t.Error(err)
		}
		if d != sqlstore.MySQL { // which does not roll back what it has created
			count(t, db, view)
		}
	})
}

func TestCreateTables_OtherSchema(t *testing.T) {
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
		for _, table := range []string{table, table + "_readable"} {
			if got := count(t, db, table); got != 1 {
				t.Errorf("%d records in %s, want 1", got, table)
			}
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
