package sqlstep_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"strings"

	"github.com/hookonce/hookonce/sessionstep"
	"github.com/hookonce/hookonce/sessionstep/sqlstep"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// This example has no output because it needs a database driver, which this module
// does not have. The examples of package store/sqltest run.
func ExampleStore() {
	serve := func(ctx context.Context, db *sql.DB) error {
		sessions, err := sqlstep.New(db, sqlstore.PostgreSQL, nil)
		if err != nil {
			return err
		}
		if err := sessions.CreateTables(ctx); err != nil {
			return err
		}
		err = sessions.Create(ctx, sqlstep.Session{ID: "sess_1", Steps: []sqlstep.Step{
			{Name: "identity_verification", State: sqlstep.StepInProgress, Required: true},
		}})
		if err != nil {
			return err
		}
		callback, err := sessionstep.NewHandler(sessions, nil)
		if err != nil {
			return err
		}
		return http.ListenAndServe("127.0.0.1:8080", callback)
	}
	_ = serve
}

// An unusable prefix is refused before the database is used.
func ExampleNew() {
	_, err := sqlstep.New(new(sql.DB), sqlstore.MySQL, &sqlstep.Options{Prefix: "kyc-"})
	fmt.Println(err)
	// Output: sqlstep: Options.Prefix is not the beginning of a table's name: use at most 52 letters, digits and underscores, after an optional schema and a dot
}

// The statements are for your migration tool.
func ExampleSchema() {
	schema, err := sqlstep.Schema(sqlstore.SQLite, &sqlstep.Options{Prefix: "kyc_"})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, sessions, _ := strings.Cut(schema, "CREATE TABLE IF NOT EXISTS kyc_sessions")
	sessions, _, _ = strings.Cut(sessions, ";")
	fmt.Println("CREATE TABLE IF NOT EXISTS kyc_sessions" + sessions)
	// Output:
	// CREATE TABLE IF NOT EXISTS kyc_sessions (
	//     id         TEXT    NOT NULL,
	//     state      TEXT    NOT NULL, -- pending, approved, rejected, cancelled
	//     changes    INTEGER NOT NULL, -- the seq of the last one
	//     created_at INTEGER NOT NULL,
	//     updated_at INTEGER NOT NULL,
	//     PRIMARY KEY (id)
	// ) STRICT, WITHOUT ROWID
}

func ExampleUpgrade() {
	statements, err := sqlstep.Upgrade(sqlstore.PostgreSQL, nil, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, statements, _ = strings.Cut(statements, "-- +goose Up\n")
	statements, _, _ = strings.Cut(statements, ";")
	fmt.Println(strings.TrimSpace(statements))
	// Output: ALTER TABLE step_sessions RENAME COLUMN submissions TO changes
}
