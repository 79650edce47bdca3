package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
)

// databases are the kinds of database, by the URL of an empty one.
var databases = []struct {
	name string
	make func(t *testing.T) (dbURL string)
}{
	{"SQLite", func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "test.db") }},
	{"PostgreSQL", newPostgreSQL},
	{"PostgreSQL by pgxpool", func(t *testing.T) string { return "pgxpool:" + newPostgreSQL(t) }},
	{"MariaDB", newMariaDB},
}

// eachDatabase runs f with an empty database of each kind.
func eachDatabase(t *testing.T, f func(t *testing.T, dbURL string)) {
	t.Helper()
	for _, d := range databases {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			f(t, d.make(t))
		})
	}
}

// eachInTurn is eachDatabase for tests that measure this process.
func eachInTurn(t *testing.T, f func(t *testing.T, dbURL string)) {
	t.Helper()
	for _, d := range databases {
		t.Run(d.name, func(t *testing.T) { f(t, d.make(t)) })
	}
}

// eachPostgreSQL is eachInTurn for what needs a server under load: PostgreSQL, in both
// ways.
func eachPostgreSQL(t *testing.T, f func(t *testing.T, dbURL string)) {
	t.Helper()
	for _, d := range databases {
		if strings.HasPrefix(d.name, "PostgreSQL") {
			t.Run(d.name, func(t *testing.T) { f(t, d.make(t)) })
		}
	}
}

// newPostgreSQL creates a schema on the server of HOOKONCE_POSTGRES.
func newPostgreSQL(t *testing.T) string {
	t.Helper()
	server := os.Getenv("HOOKONCE_POSTGRES")
	if server == "" {
		t.Fatal("HOOKONCE_POSTGRES is not set: no PostgreSQL to test against")
	}
	id := "e_" + strings.ToLower(rand.Text())
	makeAndDrop(t, "pgx", server, "CREATE SCHEMA "+id, "DROP SCHEMA "+id+" CASCADE")
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal("HOOKONCE_POSTGRES is not a URL")
	}
	q := u.Query()
	q.Set("search_path", id)
	u.RawQuery = q.Encode()
	return u.String()
}

// newMariaDB creates a database on the server of HOOKONCE_MARIADB, a DSN of
// go-sql-driver/mysql.
func newMariaDB(t *testing.T) string {
	t.Helper()
	server := os.Getenv("HOOKONCE_MARIADB")
	if server == "" {
		t.Fatal("HOOKONCE_MARIADB is not set: no MariaDB to test against")
	}
	config, err := mysql.ParseDSN(server)
	if err != nil {
		t.Fatal("HOOKONCE_MARIADB is not a DSN")
	}
	id := "e_" + strings.ToLower(rand.Text())
	makeAndDrop(t, "mysql", server, "CREATE DATABASE "+id, "DROP DATABASE "+id)
	u := url.URL{Scheme: "mysql", User: url.UserPassword(config.User, config.Passwd), Host: config.Addr, Path: "/" + id}
	return u.String()
}

// makeAndDrop runs one statement on the server now, and the other at the end of
// the test.
func makeAndDrop(t *testing.T, driver, dsn, make, drop string) {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if _, err := db.ExecContext(t.Context(), make); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := db.ExecContext(context.WithoutCancel(t.Context()), drop); err != nil {
			t.Error(err)
		}
	})
}

// What -db cannot be is refused at start, and not repeated: it may hold a password.
func TestOpenDatabase_Refused(t *testing.T) {
	t.Parallel()
	for _, dbURL := range []string{
		"", "sqlite:", "mysql://app:canary@host", "mysql://app:canary@host:x/name", "oracle://app:canary@host/name",
		"pgxpool:", "pgxpool:host=db password=canary", "pgxpool:mysql://app:canary@host/name", "pgxpool:postgres://app:canary@host:x/name",
	} {
		db, err := openDatabase(t.Context(), dbURL)
		if db != nil || err == nil || !strings.HasPrefix(err.Error(), "-db ") || strings.Contains(err.Error(), "canary") {
			t.Errorf("%q: got %v, error %v, want one about -db without the password", dbURL, db, err)
		}
	}
}
