package main

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"strings"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib" // registers "pgx"
	_ "modernc.org/sqlite"           // registers "sqlite"

	"github.com/hookonce/hookonce/store/sqlstore"
)

// maxConns bounds the connections to the database server.
const maxConns = 16

// A database is what the flag -db names.
type database struct {
	db      *sql.DB
	dialect sqlstore.Dialect
	pool    *pgxpool.Pool // of pgxpool:URL, else nil; db then uses its connections
}

func (d *database) close() {
	d.db.Close()
	if d.pool != nil {
		d.pool.Close()
	}
}

func openDatabase(ctx context.Context, dbURL string) (*database, error) {
	scheme, rest, _ := strings.Cut(dbURL, ":")
	switch scheme {
	case "sqlite":
		if rest == "" {
			return nil, errors.New("-db sqlite: needs a file: sqlite:FILE")
		}
		db, err := sql.Open("sqlite", sqliteDSN(rest))
		return &database{db: db, dialect: sqlstore.SQLite}, err
	case "postgres", "postgresql":
		return openServer("pgx", dbURL, sqlstore.PostgreSQL)
	case "pgxpool":
		return openPool(ctx, rest)
	case "mysql":
		dsn, err := mysqlDSN(dbURL)
		if err != nil {
			return nil, err
		}
		return openServer("mysql", dsn, sqlstore.MySQL)
	}
	// The URL itself may hold a password.
	return nil, errors.New("-db must be sqlite:FILE, postgres://…, pgxpool:postgres://… or mysql://…")
}

func openServer(driver, dsn string, d sqlstore.Dialect) (*database, error) {
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(maxConns)
	db.SetMaxIdleConns(maxConns)
	return &database{db: db, dialect: d}, nil
}

func openPool(ctx context.Context, dbURL string) (*database, error) {
	config, err := pgxpool.ParseConfig(dbURL)
	if err != nil || !strings.HasPrefix(dbURL, "postgres") {
		return nil, errors.New("-db pgxpool: needs a URL: pgxpool:postgres://…")
	}
	config.MaxConns = maxConns
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	return &database{db: stdlib.OpenDBFromPool(pool), dialect: sqlstore.PostgreSQL, pool: pool}, nil
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
