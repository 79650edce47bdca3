package sqltest_test

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookonce/hookonce/sessionstep"
	"github.com/hookonce/hookonce/sessionstep/sqlstep"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// stepTables are the tables of sqlstep with their rows after CreateTables.
var stepTables = map[string]int{"step_version": 1, "step_sessions": 0, "step_steps": 0, "step_submissions": 0, "step_changes": 0}

// runScript runs statements as a migration tool does, one by one.
func runScript(t *testing.T, db *sql.DB, statements string, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	for statement := range strings.SplitAfterSeq(strings.TrimSpace(statements), ";\n") {
		mustExec(t, db, statement)
	}
}

// checkError checks that err is nil if want is "", and has it in its text if not.
func checkError(t *testing.T, what string, err error, want string) {
	t.Helper()
	if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
		t.Errorf("%s: got error %v, want %q", what, err, want)
	}
}

// The processes of one deployment start together, on a database without tables.
func TestSqlstep_CreateTablesConcurrently(t *testing.T) {
	t.Parallel()
	for i := range 3 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			eachSessions(t, func(t *testing.T, on sessionDB) {
				for i, err := range atOnce(8, func(int) error {
					sessions := on.store(t, nil) // each process has its own
					if err := sessions.CreateTables(t.Context()); err != nil {
						return err
					}
					return sessions.Check(t.Context())
				}) {
					if err != nil {
						t.Errorf("process %d: %v", i, err)
					}
				}
				for table, want := range stepTables {
					if got := count(t, on.db, table); got != want {
						t.Errorf("%s has %d rows, want %d", table, got, want)
					}
				}
			})
		})
	}
}

// A writer of the same file, such as another process that creates its tables, delays
// CreateTables on SQLite even without a busy timeout.
func TestSqlstep_CreateTablesWaitsForTheFile(t *testing.T) {
	t.Parallel()
	dsn := sqliteDSN(filepath.Join(t.TempDir(), "test.db"), "busy_timeout", "0")
	db, other := open(t, sqliteDriver(), dsn), open(t, sqliteDriver(), dsn)
	mustExec(t, other, "CREATE TABLE other (name text)")
	tx, err := other.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(t.Context(), "INSERT INTO other (name) VALUES ('x')"); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(300*time.Millisecond, func() { tx.Commit() })
	if err := bySQL(db, sqlstore.SQLite).store(t, nil).CreateTables(t.Context()); err != nil {
		t.Error(err)
	}
}

// Where the tables exist, CreateTables needs no right to create anything. On
// PostgreSQL a read-only default would not do, as lib/pq begins with READ WRITE.
func TestSqlstep_CreateTablesReadOnly(t *testing.T) {
	t.Parallel()
	eachSessions(t, func(t *testing.T, on sessionDB) {
		readOnly := map[sqlstore.Dialect]string{
			sqlstore.SQLite:     "PRAGMA query_only = 1",
			sqlstore.PostgreSQL: "SET ROLE pg_read_all_data",
			sqlstore.MySQL:      "SET SESSION TRANSACTION READ ONLY",
		}[on.dialect]
		on = on.limit(t, 1)
		sessions := on.sessions(t)
		mustExec(t, on.db, readOnly)
		if err := sessions.CreateTables(t.Context()); err != nil {
			t.Errorf("the tables exist: %v", err)
		}
		if err := sessions.Check(t.Context()); err != nil {
			t.Error(err)
		}
		other := on.store(t, &sqlstep.Options{Prefix: "other_"})
		if err := other.CreateTables(t.Context()); err == nil {
			t.Error("created tables where nothing can be written")
		}
	})
}

// Empty tables in front of those that are used would hide their sessions.
func TestSqlstep_CreateTablesSearchPath(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(t testing.TB, settings ...string) sessionDB{
		"PostgreSQL": func(t testing.TB, settings ...string) sessionDB {
			return bySQL(openPostgreSQL(t, settings...), sqlstore.PostgreSQL)
		},
		"PostgreSQL by pgxpool": openByPgx,
	} {
		t.Run(name, func(t *testing.T) {
			on := open(t)
			create(t, on.sessions(t), "s", "identity")
			var used string
			if err := on.db.QueryRowContext(t.Context(), "SELECT current_schema()").Scan(&used); err != nil {
				t.Fatal(err)
			}
			on = open(t, "search_path", newSchema(t, on.db)+","+used)
			if _, err := on.sessions(t).Session(t.Context(), "s"); err != nil {
				t.Error(err)
			}
		})
	}
}

// The schema of a migration tool is that of CreateTables, and can run twice.
func TestSqlstep_Schema(t *testing.T) {
	t.Parallel()
	eachSessions(t, func(t *testing.T, on sessionDB) {
		o := &sqlstep.Options{Prefix: "kyc_"}
		sessions := on.store(t, o)
		for range 2 {
			schema, err := sqlstep.Schema(on.dialect, o)
			runScript(t, on.db, schema, err)
			checkError(t, "Check", sessions.Check(t.Context()), "")
		}
		create(t, sessions, "s", "identity")
		if got := count(t, on.db, "kyc_version"); got != 1 {
			t.Errorf("%d versions, want 1", got)
		}
	})
}

// Tables from before they had a version work after Upgrade, and keep their sessions.
func TestSqlstep_UpgradeFromVersion0(t *testing.T) {
	t.Parallel()
	eachSessions(t, func(t *testing.T, on sessionDB) {
		version0, err := os.ReadFile("testdata/step_version0_" + string(on.dialect) + ".sql")
		runScript(t, on.db, string(version0), err)
		for _, row := range []string{
			"step_sessions VALUES ('s', 'pending', 1, now, now)",
			"step_steps VALUES ('s', 'identity', 0, 'in_progress', true, true)",
			"step_steps VALUES ('s', 'address', 1, 'completed', true, false)",
			"step_submissions VALUES ('s', 'identity', '1', 1, 'needs_review', NULL, now)",
		} {
			now := map[sqlstore.Dialect]string{sqlstore.PostgreSQL: "clock_timestamp()", sqlstore.MySQL: "UTC_TIMESTAMP(6)", sqlstore.SQLite: "1000"}
			mustExec(t, on.db, "INSERT INTO "+strings.ReplaceAll(row, "now", now[on.dialect]))
		}
		sessions := on.store(t, nil)
		const wayOut = "run the statements of Upgrade from version 0"
		checkError(t, "Check", sessions.Check(t.Context()), wayOut)
		checkError(t, "CreateTables", sessions.CreateTables(t.Context()), wayOut)

		statements, err := sqlstep.Upgrade(on.dialect, nil, 0)
		runScript(t, on.db, statements, err)
		on.db.SetMaxIdleConns(0) // connections have statements prepared for the tables before
		on.db.SetMaxIdleConns(50)
		if on.pool != nil {
			on.pool.Reset()
		}
		checkError(t, "Check after Upgrade", sessions.Check(t.Context()), "")
		checkError(t, "CreateTables after Upgrade", sessions.CreateTables(t.Context()), "")
		submit(t, sessions, submission("s", "identity", "1", sessionstep.Verified)) // again
		submit(t, sessions, submission("s", "identity", "2", sessionstep.Verified))
		checkSession(t, sessions, sqlstep.Session{ID: "s", State: sqlstep.SessionApproved, Steps: []sqlstep.Step{
			{Name: "identity", State: sqlstep.StepCompleted, Required: true, Submissions: []sqlstep.Submission{{Key: "1", Status: "needs_review"}, {Key: "2", Status: "verified"}}},
			{Name: "address", State: sqlstep.StepCompleted, Required: true},
		}})
		on.sessionsWith(t, &sqlstep.Options{Prefix: "fresh_"})
		for table := range stepTables {
			fresh := "fresh_" + strings.TrimPrefix(table, "step_")
			if diff := cmp.Diff(shapeOf(t, on.db, fresh), shapeOf(t, on.db, table)); diff != "" {
				t.Errorf("columns of %s, upgraded from created (-want +got):\n%s", table, diff)
			}
		}

		mustExec(t, on.db, "DROP TABLE step_version")
		checkError(t, "Check without a version", sessions.Check(t.Context()), wayOut)
		checkError(t, "CreateTables without a version", sessions.CreateTables(t.Context()), wayOut)
	})
}

// Check reports what is wrong with the tables, with the way out.
func TestSqlstep_Check(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, statement, want string }{
		{"complete tables", "", ""},
		{"a newer version", "UPDATE step_version SET version = 2", "use a release that knows it"},
		{"an older version", "UPDATE step_version SET version = 0", "run the statements of Upgrade from version 0"},
		{"no version", "DELETE FROM step_version", "insert its row again, id 1 and version 1"},
		{"a missing table", "DROP TABLE step_steps", "cannot read step_steps: if they do not exist, run the statements of Schema"},
		{"a missing last table", "DROP TABLE step_submissions", "cannot read step_submissions"},
		{"a missing new table", "DROP TABLE step_changes", "cannot read step_changes: if it does not exist, create it as Schema has it"},
		{"a missing column", "ALTER TABLE step_steps DROP COLUMN needs_review", "table step_steps lacks the columns needs_review: add them as Schema has them"},
		{"an additional column", "ALTER TABLE step_steps ADD COLUMN note text", ""},
	}
	eachSessions(t, func(t *testing.T, on sessionDB) {
		checkError(t, "no tables", on.store(t, nil).Check(t.Context()), "call CreateTables")
		for i, test := range tests {
			o := &sqlstep.Options{Prefix: fmt.Sprintf("t%d_", i)}
			sessions := on.store(t, o)
			if err := sessions.CreateTables(t.Context()); err != nil {
				t.Fatal(err)
			}
			if test.statement != "" {
				mustExec(t, on.db, strings.ReplaceAll(test.statement, "step_", o.Prefix))
			}
			checkError(t, test.name, sessions.Check(t.Context()), strings.ReplaceAll(test.want, "step_", o.Prefix))
		}
		on.close()
		checkError(t, "no connection", on.store(t, nil).Check(t.Context()), "cannot connect to the database")
	})
}
