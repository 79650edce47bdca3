package hooktest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"net/url"
	"os"
	"strings"
	"testing"
)

// NewPostgreSQL makes a schema on the server of HOOKONCE_POSTGRES and returns the
// URL that leads to it, for the driver "pgx", which the caller imports. The schema
// is gone after the test. No server is a failure.
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
