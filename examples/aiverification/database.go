package main

import (
	"database/sql"
	"errors"
	"net/url"
	"strings"

	_ "github.com/jackc/pgx/v5/stdlib" // registers "pgx"
	_ "modernc.org/sqlite"             // registers "sqlite"

	"github.com/hookonce/hookonce/store/sqlstore"
)

// maxConns bounds the connections to the database server.
const maxConns = 16

// openDatabase opens what the flag -db names.
func openDatabase(dbURL string) (*sql.DB, sqlstore.Dialect, error) {
	scheme, rest, _ := strings.Cut(dbURL, ":")
	switch scheme {
	case "sqlite":
		if rest == "" {
			return nil, "", errors.New("-db sqlite: needs a file: sqlite:FILE")
		}
		db, err := sql.Open("sqlite", sqliteDSN(rest))
		return db, sqlstore.SQLite, err
	case "postgres", "postgresql":
		db, err := sql.Open("pgx", dbURL)
		if err == nil {
			db.SetMaxOpenConns(maxConns)
			db.SetMaxIdleConns(maxConns)
		}
		return db, sqlstore.PostgreSQL, err
	}
	// The URL itself may hold a password.
	return nil, "", errors.New("-db is neither sqlite:FILE nor postgres://…")
}

// sqliteDSN says that readers and the writer do not block each other, that a
// commit is on the disk before it is acknowledged, and that writers wait for one
// another.
func sqliteDSN(file string) string {
	pragmas := url.Values{"_pragma": {"journal_mode(WAL)", "synchronous(FULL)", "busy_timeout(2000)"}}
	return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: file}).EscapedPath(), RawQuery: pragmas.Encode()}).String()
}
