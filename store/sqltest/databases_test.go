package sqltest_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib" // pgx
	_ "github.com/lib/pq"              // postgres
	_ "github.com/mattn/go-sqlite3"    // sqlite3
	_ "modernc.org/sqlite"             // sqlite

	"github.com/hookonce/hookonce/store/sqlstore"
)

// The drivers by which the databases are opened. They are looked up in the tests,
// so that results that are cached are of the same drivers.

func postgresDriver() string { return cmp.Or(os.Getenv("HOOKONCE_POSTGRES_DRIVER"), "pgx") }
func sqliteDriver() string   { return cmp.Or(os.Getenv("HOOKONCE_SQLITE_DRIVER"), "sqlite") }

// each runs f as a subtest on every database, each time with an empty one.
func each(t *testing.T, f func(t *testing.T, db *sql.DB, d sqlstore.Dialect)) {
	t.Helper()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		f(t, openSQLite(t), sqlstore.SQLite)
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		f(t, openPostgreSQL(t), sqlstore.PostgreSQL)
	})
	t.Run("MariaDB", func(t *testing.T) {
		t.Parallel()
		f(t, openMariaDB(t), sqlstore.MySQL)
	})
	if hasMySQL() {
		t.Run("MySQL", func(t *testing.T) {
			t.Parallel()
			f(t, openMySQL(t), sqlstore.MySQL)
		})
	}
}

// openMariaDB opens a new database on the server of HOOKONCE_MARIADB.
func openMariaDB(t testing.TB, settings ...string) *sql.DB {
	t.Helper()
	return openOn(t, "HOOKONCE_MARIADB", settings...)
}

// hasMySQL reports whether there is a MySQL to test against as well.
func hasMySQL() bool { return os.Getenv("HOOKONCE_MYSQL") != "" }

// openMySQL opens a new database on the server of HOOKONCE_MYSQL.
func openMySQL(t testing.TB, settings ...string) *sql.DB {
	t.Helper()
	return openOn(t, "HOOKONCE_MYSQL", settings...)
}

// openOn opens a new database on the server that an environment variable names by
// a DSN of go-sql-driver/mysql, with connections that have the settings.
func openOn(t testing.TB, variable string, settings ...string) *sql.DB {
	t.Helper()
	dsn := os.Getenv(variable)
	if dsn == "" {
		t.Fatal(variable + " is not set: no server to test against")
	}
	config, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatal(variable + " is not a DSN")
	}
	admin := server(t, "mysql", dsn)
	config.DBName = "t_" + strings.ToLower(rand.Text())
	mustExec(t, admin, "CREATE DATABASE "+config.DBName)
	t.Cleanup(func() {
		if _, err := admin.ExecContext(context.WithoutCancel(t.Context()), "DROP DATABASE "+config.DBName); err != nil {
			t.Error(err)
		}
	})
	flags := make(url.Values)
	for i := 0; i < len(settings); i += 2 {
		flags.Set(settings[i], settings[i+1])
	}
	dsn = config.FormatDSN()
	if !strings.Contains(dsn, "?") {
		dsn += "?"
	}
	return open(t, "mysql", dsn+"&"+flags.Encode())
}

// openSQLite opens a new database file with no flag in its DSN but for the
// journal, so that nothing in the library comes to rest on one, and for the
// pragmas and the kind of BEGIN that are given as names and values in turn.
func openSQLite(t testing.TB, settings ...string) *sql.DB {
	t.Helper()
	return open(t, sqliteDriver(), sqliteDSN(filepath.Join(t.TempDir(), "test.db"), settings...))
}

func sqliteDSN(file string, settings ...string) string {
	return sqliteDSNFor(sqliteDriver(), file, settings...)
}

func sqliteDSNFor(driver, file string, settings ...string) string {
	pragmas := map[string]string{"journal_mode": "WAL"}
	for i := 0; i < len(settings); i += 2 {
		pragmas[settings[i]] = settings[i+1]
	}
	flags := make(url.Values)
	for name, value := range pragmas {
		if driver == "sqlite3" || name == "txlock" {
			flags.Set("_"+name, value)
		} else {
			flags.Add("_pragma", name+"("+value+")")
		}
	}
	return "file:" + file + "?" + flags.Encode()
}

// openPostgreSQL opens a new schema on the server of HOOKONCE_POSTGRES, with
// connections that have the settings, which are names and values in turn.
func openPostgreSQL(t testing.TB, settings ...string) *sql.DB {
	t.Helper()
	return openPostgreSQLBy(t, postgresDriver(), settings...)
}

func openPostgreSQLBy(t testing.TB, driver string, settings ...string) *sql.DB {
	t.Helper()
	return open(t, driver, newPostgreSQL(t, settings...))
}

// newPostgreSQL creates a schema on the server of HOOKONCE_POSTGRES, and returns the
// URL of connections to it that have the settings.
func newPostgreSQL(t testing.TB, settings ...string) string {
	t.Helper()
	dsn := os.Getenv("HOOKONCE_POSTGRES")
	if dsn == "" {
		t.Fatal("HOOKONCE_POSTGRES is not set: no PostgreSQL to test against")
	}
	schema := newSchema(t, server(t, postgresDriver(), dsn))
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal("HOOKONCE_POSTGRES is not a URL")
	}
	q := u.Query()
	q.Set("search_path", schema)
	for i := 0; i < len(settings); i += 2 {
		q.Set(settings[i], settings[i+1])
	}
	u.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20") // pgx takes a plus for itself
	return u.String()
}

// newSchema creates a schema that is dropped at the end of the test.
func newSchema(t testing.TB, db *sql.DB) string {
	t.Helper()
	schema := "t_" + strings.ToLower(rand.Text())
	mustExec(t, db, "CREATE SCHEMA "+schema)
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		if _, err := db.ExecContext(ctx, fmt.Sprintf("DROP SCHEMA %s CASCADE", schema)); err != nil {
			t.Error(err)
		}
	})
	return schema
}

// open opens a database. Its idle connections are kept: a new one of PostgreSQL is a new
// process.
func open(t testing.TB, driver, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxIdleConns(50)
	t.Cleanup(func() { db.Close() })
	return db
}

var servers sync.Map // of driver and DSN to func() (*sql.DB, error)

// server returns the connections on which all tests create their schemas.
func server(t testing.TB, driver, dsn string) *sql.DB {
	t.Helper()
	connect, _ := servers.LoadOrStore(driver+" "+dsn, sync.OnceValues(func() (*sql.DB, error) {
		return sql.Open(driver, dsn)
	}))
	db, err := connect.(func() (*sql.DB, error))()
	if err != nil {
		t.Fatal(err)
	}
	return db
}
