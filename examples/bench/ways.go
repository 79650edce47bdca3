package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	_ "github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/hookonce/hookonce/store/sqlstore"
)

const (
	secret   = "bench"
	maxConns = 32   // to the database
	accounts = 1000 // rows that the work changes
)

// An event is what the sender tells. Its body is 470 bytes long.
type event struct {
	ID      string `json:"eventId"`
	Account int    `json:"account"`
	Note    string `json:"note"`
}

// account reads which row the work changes.
func account(body []byte) (int, error) {
	var e event
	err := json.Unmarshal(body, &e)
	return e.Account, err
}

// A way is a way of receiving events.
type way struct {
	name string
	open func(ctx context.Context, s *site) (http.Handler, error)

	when when // the work is done
}

// when says when a way does the work of an event.
type when int

const (
	atOnce when = iota
	later       // when the sender of this program asks for it
	never       // it only stores events
)

// A group is ways that do the same. The first is written by hand.
type group struct {
	name     string // database/mode
	database string
	ways     []way
}

func groups() []group {
	var all []group
	for _, database := range []string{"postgresql", "mariadb", "sqlite"} {
		all = append(all,
			group{database + "/inline", database, []way{{"by hand", byHand, atOnce}, {"by hand, looking first", lookingFirst, atOnce}, {"hookonce", inline, atOnce}}},
			group{database + "/lease", database, []way{{"by hand, two commits", twoCommits, atOnce}, {"hookonce", leased, atOnce}}},
			group{database + "/inbox", database, []way{{"by hand, accepting", accepting, never}, {"hookonce", inboxed, later}}},
		)
	}
	all = append(all, group{"pgxpool/inline", "pgxpool", []way{{"by hand", byHandPgx, atOnce}, {"hookonce", inlinePgx, atOnce}}})
	return append(all, more...)
}

var more []group // of tests

// A site is what a server has.
type site struct {
	database string
	dialect  sqlstore.Dialect
	db       *sql.DB
	pool     *pgxpool.Pool
	work     func(ctx context.Context) error        // of a way that works later
	purge    func(ctx context.Context) (int, error) // of a way of this library
	records  int                                    // that the table was filled with
}

func open(ctx context.Context, database, dsn string) (*site, error) {
	s := &site{database: database}
	driver := ""
	switch database {
	case "pgxpool":
		config, err := pgxpool.ParseConfig(dsn)
		if err != nil {
			return nil, err
		}
		config.MaxConns = maxConns
		s.pool, err = pgxpool.NewWithConfig(ctx, config)
		return s, err
	case "postgresql":
		driver, s.dialect = "pgx", sqlstore.PostgreSQL
	case "mariadb":
		driver, s.dialect = "mysql", sqlstore.MySQL
	case "sqlite":
		driver, s.dialect = "sqlite", sqlstore.SQLite
	default:
		return nil, fmt.Errorf("no database %q", database)
	}
	var err error
	if s.db, err = sql.Open(driver, dsn); err != nil {
		return nil, err
	}
	s.db.SetMaxOpenConns(maxConns)
	s.db.SetMaxIdleConns(maxConns)
	return s, s.db.PingContext(ctx)
}

// createAccounts creates the rows that the work changes, and the tables of what is written
// by hand.
func (s *site) createAccounts(ctx context.Context) error {
	bytes := map[string]string{"mariadb": "VARBINARY(255)", "sqlite": "TEXT"}[s.database]
	if bytes == "" {
		bytes = "TEXT"
	}
	blob := map[string]string{"mariadb": "LONGBLOB", "sqlite": "BLOB"}[s.database]
	if blob == "" {
		blob = "BYTEA"
	}
	for _, statement := range []string{
		"CREATE TABLE accounts (id INTEGER PRIMARY KEY, n BIGINT NOT NULL)",
		"CREATE TABLE seen (id " + bytes + " PRIMARY KEY, state INTEGER NOT NULL, owner " + bytes + " NOT NULL, at BIGINT NOT NULL)",
		"CREATE TABLE accepted (id " + bytes + " PRIMARY KEY, body " + blob + " NOT NULL, at BIGINT NOT NULL)",
	} {
		if err := s.exec(ctx, statement); err != nil {
			return err
		}
	}
	var rows strings.Builder
	rows.WriteString("INSERT INTO accounts VALUES (0, 0)")
	for id := 1; id < accounts; id++ {
		fmt.Fprintf(&rows, ", (%d, 0)", id)
	}
	return s.exec(ctx, rows.String())
}

func (s *site) exec(ctx context.Context, statement string, args ...any) (err error) {
	if s.pool != nil {
		_, err = s.pool.Exec(ctx, statement, args...)
	} else {
		_, err = s.db.ExecContext(ctx, statement, args...)
	}
	return err
}

// effects counts what the work has changed, by hand and by hookonce.
func (s *site) effects(ctx context.Context) (n int64, err error) {
	const query = "SELECT CAST(sum(n) AS CHAR(20)) FROM accounts"
	var text string
	if s.pool != nil {
		err = s.pool.QueryRow(ctx, query).Scan(&text)
	} else {
		err = s.db.QueryRowContext(ctx, query).Scan(&text)
	}
	if err != nil {
		return 0, err
	}
	_, err = fmt.Sscan(text, &n)
	return n, err
}
