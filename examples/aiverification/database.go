package main

import (
	"database/sql"
	"errors"
	"net/url"
	"strings"

	"github.com/go-sql-driver/mysql"
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
		db, err := openServer("pgx", dbURL)
		return db, sqlstore.PostgreSQL, err
	case "mysql":
		dsn, err := mysqlDSN(dbURL)
		if err != nil {
			return nil, "", err
		}
		db, err := openServer("mysql", dsn)
		return db, sqlstore.MySQL, err
	}
	// The URL itself may hold a password.
	return nil, "", errors.New("-db must be sqlite:FILE, postgres://… or mysql://…")
}

func openServer(driver, dsn string) (*sql.DB, error) {
	db, err := sql.Open(driver, dsn)
	if err == nil {
		db.SetMaxOpenConns(maxConns)
		db.SetMaxIdleConns(maxConns)
	}
	return db, err
}

// mysqlDSN converts mysql://user:password@host:port/name to the driver's form.
func mysqlDSN(dbURL string) (string, error) {
	u, err := url.Parse(dbURL)
	if err != nil || u.Host == "" || len(u.Path) < 2 {
		return "", errors.New("-db must be mysql://user:password@host:port/name")
	}
	c := mysql.NewConfig()
	c.Net, c.Addr, c.DBName = "tcp", u.Host, u.Path[1:]
	c.User = u.User.Username()
	c.Passwd, _ = u.User.Password()
	return c.FormatDSN(), nil
}

// sqliteDSN returns a DSN with which readers and the writer do not block each other, a
// commit is on the disk before it is acknowledged, and writers wait for one another.
func sqliteDSN(file string) string {
	pragmas := url.Values{"_pragma": {"journal_mode(WAL)", "synchronous(FULL)", "busy_timeout(2000)"}}
	return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: file}).EscapedPath(), RawQuery: pragmas.Encode()}).String()
}
