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

// It has no output as it needs a database driver, which this module does not
// have; store/sqltest runs the like of it.
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
		return http.ListenAndServe("127.0.0.1:8080", &sessionstep.Handler{Submitter: sessions})
	}
	_ = serve
}

func ExampleSchema() {
	schema, err := sqlstep.Schema(sqlstore.SQLite, &sqlstep.Options{Prefix: "kyc_"})
	if err != nil {
		fmt.Println(err)
		return
	}
	first, _, _ := strings.Cut(schema, ";")
	fmt.Println(first)
	// Output:
	// CREATE TABLE IF NOT EXISTS kyc_sessions (
	//     id          TEXT    NOT NULL,
	//     state       TEXT    NOT NULL,
	//     submissions INTEGER NOT NULL,
	//     created_at  INTEGER NOT NULL,
	//     updated_at  INTEGER NOT NULL,
	//     PRIMARY KEY (id)
	// ) STRICT, WITHOUT ROWID
}
