package hooktest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// NewPostgreSQL creates a schema on the server of HOOKONCE_POSTGRES, to be dropped
// after the test, and returns its URL for the driver "pgx", which the caller imports.
// Without a server the test fails.
func NewPostgreSQL(t *testing.T) string {
	t.Helper()
	server := os.Getenv("HOOKONCE_POSTGRES")
	u, err := url.Parse(server)
	if server == "" || err != nil {
		t.Fatal("HOOKONCE_POSTGRES is not the URL of a PostgreSQL to test against")
	}
	db, err := sql.Open("pgx", server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	schema := "e_" + strings.ToLower(rand.Text())
	if _, err := db.ExecContext(t.Context(), "CREATE SCHEMA "+schema); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := db.ExecContext(context.WithoutCancel(t.Context()), "DROP SCHEMA "+schema+" CASCADE"); err != nil {
			t.Error(err)
		}
	})
	q := u.Query()
	q.Set("search_path", schema)
	u.RawQuery = q.Encode()
	return u.String()
}

// NewSQLite opens a database that is deleted after the test, with the driver "sqlite",
// which the caller imports.
func NewSQLite(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "test.db")+"?_pragma=busy_timeout(2000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// Exec runs a statement.
func Exec(t *testing.T, db *sql.DB, statement string) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}
