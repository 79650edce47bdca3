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
		tables: []string{
			"CREATE TABLE ledger (mode TEXT NOT NULL, event TEXT NOT NULL, note TEXT NOT NULL) STRICT",
			"CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL) STRICT",
		},
		oldRecord: `INSERT INTO ` + sqlstore.DefaultTable + ` (scope, id, state, owner, token, attempts, lease_until, changed_at)
			VALUES (x'6f6c64', CAST(? AS BLOB), 2, x'', 1, 1, 0, 0)`,
	}
}

// sqliteDSN returns a DSN with which a commit is on disk before it is acknowledged.
func sqliteDSN(file string) string {
	pragmas := url.Values{"_pragma": {"journal_mode(WAL)", "synchronous(FULL)", "busy_timeout(2000)"}}
	return "file:" + file + "?" + pragmas.Encode()
}
