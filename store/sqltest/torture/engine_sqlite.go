package torture

import (
	"net/url"

	"github.com/hookonce/hookonce/store/sqlstore"
)

// sqliteEngine has no server: one process opens the file.
func sqliteEngine() *engine {
	return &engine{
		name:    "SQLite",
		driver:  "sqlite",
		dialect: sqlstore.SQLite,
		userDSN: sqliteDSN,
		tables: []string{
			"CREATE TABLE ledger (mode TEXT NOT NULL, event TEXT NOT NULL, note TEXT NOT NULL) STRICT",
			"CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL) STRICT",
		},
		oldRecord: `INSERT INTO ` + sqlstore.DefaultTable + ` (scope, id, state, owner, token, attempts, lease_until, changed_at)
			VALUES (x'6f6c64', CAST(? AS BLOB), 2, x'', 1, 1, 0, 0)`,
	}
}

// heldSQLite is SQLite through a driver that writes by the C library, so that its
// writes can be held back.
func heldSQLite() *engine {
	e := sqliteEngine()
	e.name, e.driver, e.logPath = "SQLite (mattn)", "sqlite3", "torture.db-wal"
	e.userDSN = func(file string) string {
		return "file:" + file + "?_journal_mode=WAL&_synchronous=FULL&_busy_timeout=2000"
	}
	return e
}

// sqliteDSN returns a DSN with which a commit is on disk before it is acknowledged.
func sqliteDSN(file string) string {
	pragmas := url.Values{"_pragma": {"journal_mode(WAL)", "synchronous(FULL)", "busy_timeout(2000)"}}
	return "file:" + file + "?" + pragmas.Encode()
}
