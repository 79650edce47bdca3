package sqltest_test

import (
	"bytes"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/hookonce/hookonce/store/sqlstore"
)

// told is what Check makes of a server that says that it is another.
var told = map[string]struct {
	d       sqlstore.Dialect
	answers map[string][]driver.Value
	warns   string // the engine in the log, if Check passes
	fails   string // what the error says
}{
	"CockroachDB": {sqlstore.PostgreSQL, map[string][]driver.Value{
		"HookonceVersion": {"130000"},
		"HookonceEngine":  {"CockroachDB CCL v25.4.14 (x86_64-pc-linux-gnu, built 2026/01/01 00:00:00, go1.23.12)"},
	}, "engine=CockroachDB version=25.4.14", ""},
	"YugabyteDB": {sqlstore.PostgreSQL, map[string][]driver.Value{
		"HookonceVersion": {"150002"},
		"HookonceEngine":  {"PostgreSQL 15.2-YB-2.25.0.0-b0 on x86_64-pc-linux-gnu"},
	}, "engine=YugabyteDB version=2.25.0.0", ""},
	"an old YugabyteDB": {sqlstore.PostgreSQL, map[string][]driver.Value{
		"HookonceVersion": {"110002"},
		"HookonceEngine":  {"PostgreSQL 11.2-YB-2.20.1.0-b0 on x86_64-pc-linux-gnu"},
	}, "", "on YugabyteDB 2.20.1.0, which was never run: the server's version \"11.2\" is too old"},
	"TiDB": {sqlstore.MySQL, map[string][]driver.Value{
		"SELECT version()": {"8.0.11-TiDB-v7.5.0"},
		"'tidb_txn_mode'":  {"tidb_txn_mode", "pessimistic"},
		"check_in_place":   {"tidb_constraint_check_in_place_pessimistic", "ON"},
	}, "engine=TiDB version=7.5.0", ""},
	"TiDB whose transactions are optimistic": {sqlstore.MySQL, map[string][]driver.Value{
		"SELECT version()": {"8.0.11-TiDB-v7.5.0"},
		"'tidb_txn_mode'":  {"tidb_txn_mode", "optimistic"},
	}, "", "on TiDB 7.5.0, which was never run: tidb_txn_mode"},
	"TiDB whose transactions are optimistic since an old version": {sqlstore.MySQL, map[string][]driver.Value{
		"SELECT version()": {"8.0.11-TiDB-v7.5.0"},
		"'tidb_txn_mode'":  {"tidb_txn_mode", ""},
	}, "", "tidb_txn_mode"},
	"TiDB that looks for duplicates at COMMIT": {sqlstore.MySQL, map[string][]driver.Value{
		"SELECT version()": {"8.0.11-TiDB-v7.5.0"},
		"check_in_place":   {"tidb_constraint_check_in_place_pessimistic", "OFF"},
	}, "", "tidb_constraint_check_in_place_pessimistic"},
	"Vitess": {sqlstore.MySQL, map[string][]driver.Value{
		"SELECT version()": {"8.0.30-Vitess"},
	}, "engine=Vitess version=8.0.30", ""},
}

// Citus takes no VOLATILE clock for a distributed table.
func TestCheck_Citus(t *testing.T) {
	t.Parallel()
	_, db, s := newStandIn(t, sqlstore.PostgreSQL)
	events := newEvents(t, db, sqlstore.PostgreSQL, nil)
	s.fail(fault{at: "HookonceComplete", err: pgError("0A000", "functions used in UPDATE queries on distributed tables must not be VOLATILE")}, 1)
	checkSays(t, events, "must not be VOLATILE")
}

// It is not parallel, as it sets the default logger.
func TestCheck_EnginesNeverRun(t *testing.T) {
	for name, test := range told {
		t.Run(name, func(t *testing.T) {
			_, db, s := newStandIn(t, test.d)
			events := newEvents(t, db, test.d, nil)
			s.answers = test.answers
			log := logged(t)
			err := events.Check(t.Context())
			if test.fails != "" {
				if err == nil || !strings.Contains(err.Error(), test.fails) {
					t.Errorf("got %v, want an error that says %q", err, test.fails)
				}
				return
			}
			if err != nil || !strings.Contains(log.String(), test.warns) || strings.Count(log.String(), "\n") != 1 {
				t.Errorf("got %v and the log %q, want that it warns of %q", err, log, test.warns)
			}
		})
	}
}

func TestCheck_EnginesThatWereRun(t *testing.T) {
	for name, open := range map[sqlstore.Dialect]func(testing.TB, ...string) *sql.DB{
		sqlstore.PostgreSQL: openPostgreSQL, sqlstore.MySQL: openMariaDB, sqlstore.SQLite: openSQLite,
	} {
		t.Run(string(name), func(t *testing.T) {
			events := newEvents(t, open(t), name, nil)
			log := logged(t)
			if err := events.Check(t.Context()); err != nil || log.Len() > 0 {
				t.Errorf("got %v and the log %q, want none", err, log)
			}
		})
	}
}

// logged returns what the default logger gets until the test ends.
func logged(t *testing.T) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&b, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	return &b
}

// A server that takes no writes is refused with words that say so.
func TestCheck_ReadOnly(t *testing.T) {
	t.Parallel()
	const want = "connect to the primary"
	check := func(t *testing.T, db *sql.DB, d sqlstore.Dialect, makeReadOnly string) {
		t.Helper()
		db.SetMaxOpenConns(1)
		events := newEvents(t, db, d, nil)
		mustExec(t, db, makeReadOnly)
		if err := events.Check(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error that says %q", err, want)
		}
	}
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		// lib/pq begins its transactions READ WRITE, so that this setting does not make it a standby.
		check(t, openPostgreSQLBy(t, "pgx"), sqlstore.PostgreSQL, "SET default_transaction_read_only = on")
	})
	t.Run("MariaDB", func(t *testing.T) {
		t.Parallel()
		check(t, openMariaDB(t), sqlstore.MySQL, "SET SESSION TRANSACTION READ ONLY")
	})
}

// Every table of an inbox must roll back, and survive a crash.
func TestCheck_OtherTables(t *testing.T) {
	t.Parallel()
	for _, suffix := range []string{"_inbox", "_payloads", "_groups"} {
		t.Run("PostgreSQL"+suffix, func(t *testing.T) {
			t.Parallel()
			db := openPostgreSQL(t)
			events := newEvents(t, db, sqlstore.PostgreSQL, nil)
			mustExec(t, db, fmt.Sprintf("ALTER TABLE %s%s SET UNLOGGED", sqlstore.DefaultTable, suffix))
			checkSays(t, events, suffix+" is UNLOGGED")
		})
		t.Run("MariaDB"+suffix, func(t *testing.T) {
			t.Parallel()
			db := openMariaDB(t)
			events := newEvents(t, db, sqlstore.MySQL, nil)
			for _, engine := range []string{"MyISAM", "Aria"} {
				mustExec(t, db, fmt.Sprintf("ALTER TABLE %s%s ENGINE = %s", sqlstore.DefaultTable, suffix, engine))
				checkSays(t, events, suffix+" does not roll back, because its engine is "+engine)
			}
		})
	}
}

func checkSays(t *testing.T, events *sqlstore.Store, want string) {
	t.Helper()
	if err := events.Check(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want an error that says %q", err, want)
	}
}
