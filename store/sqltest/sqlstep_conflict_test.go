package sqltest_test

import (
	"database/sql"
	"strconv"
	"testing"

	"github.com/hookonce/hookonce/sessionstep"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// Submit chooses its own isolation level, whatever the default: submissions wait for
// each other instead of failing.
func TestSqlstep_SubmitIsolation(t *testing.T) {
	t.Parallel()
	f := func(on sessionDB) func(*testing.T) {
		return func(t *testing.T) {
			sessions := on.sessions(t)
			create(t, sessions, "s", "identity")
			for i, err := range atOnce(24, func(i int) error {
				return sessions.Submit(t.Context(), submission("s", "identity", strconv.Itoa(i), sessionstep.NeedsReview))
			}) {
				if err != nil {
					t.Errorf("submission %d: %v", i, err)
				}
			}
		}
	}
	t.Run("PostgreSQL", f(bySQL(openPostgreSQL(t, "default_transaction_isolation", "serializable"), sqlstore.PostgreSQL)))
	t.Run("PostgreSQL by pgxpool", f(openByPgx(t, "default_transaction_isolation", "serializable")))
	t.Run("MariaDB", f(bySQL(openMariaDB(t, "innodb_snapshot_isolation", "1", "tx_isolation", "'SERIALIZABLE'"), sqlstore.MySQL)))
	if hasMySQL() {
		t.Run("MySQL", f(bySQL(openMySQL(t, "transaction_isolation", "'SERIALIZABLE'"), sqlstore.MySQL)))
	}
}

// A submission whose commit fails is an error. A reader keeps a writer from
// committing when the journal is not a WAL.
func TestSqlstep_FailedCommit(t *testing.T) {
	t.Parallel()
	db := openSQLite(t, "journal_mode", "DELETE", "busy_timeout", "0")
	sessions := bySQL(db, sqlstore.SQLite).sessions(t)
	create(t, sessions, "s", "identity")
	err := inTx(t, db, nil, func(reader *sql.Tx) error {
		if err := reader.QueryRowContext(t.Context(), "SELECT count(*) FROM step_sessions").Scan(new(int)); err != nil {
			return err
		}
		err := sessions.Submit(t.Context(), submission("s", "identity", "1", sessionstep.Verified))
		if err == nil || verdict(err) {
			t.Errorf("got %v, want an error of the database", err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
