package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// A home is a database of one way, on a server that others share.
type home struct {
	dsn  string
	drop func() error
}

// newHome creates a database. Through, if it is not "", is the address by which the way is
// to reach the server.
func (p *plan) newHome(ctx context.Context, database, through string) (home, error) {
	name := "bench_" + strings.ToLower(rand.Text())
	switch database {
	case "sqlite":
		dir, err := os.MkdirTemp("", "bench")
		if err != nil {
			return home{}, err
		}
		dsn := "file:" + filepath.Join(dir, "bench.db") + "?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(5000)&_txlock=immediate"
		return home{dsn, func() error { return os.RemoveAll(dir) }}, nil
	case "mariadb":
		config, err := mysql.ParseDSN(p.mariadb)
		if err != nil {
			return home{}, err
		}
		drop, err := createDatabase(ctx, "mysql", p.mariadb, name, "DROP DATABASE "+name)
		config.DBName = name
		if through != "" {
			config.Addr = through
		}
		return home{config.FormatDSN(), drop}, err
	}
	u, err := url.Parse(p.postgres)
	if err != nil {
		return home{}, errors.New("-postgres is not a URL")
	}
	drop, err := createDatabase(ctx, "pgx", p.postgres, name, "DROP DATABASE "+name+" WITH (FORCE)")
	u.Path = "/" + name
	if through != "" {
		u.Host = through
	}
	return home{u.String(), drop}, err
}

func createDatabase(ctx context.Context, driver, dsn, name, drop string) (func() error, error) {
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return nil, err
	}
	if _, err := db.ExecContext(ctx, "CREATE DATABASE "+name); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return func() error {
		_, err := db.ExecContext(context.WithoutCancel(ctx), drop)
		return errors.Join(err, db.Close())
	}, nil
}

// address is where a database's server listens, "" if it is no server.
func (p *plan) address(database string) (string, error) {
	switch database {
	case "sqlite":
		return "", nil
	case "mariadb":
		config, err := mysql.ParseDSN(p.mariadb)
		if err != nil {
			return "", err
		}
		return config.Addr, nil
	}
	u, err := url.Parse(p.postgres)
	if err != nil {
		return "", errors.New("-postgres is not a URL")
	}
	if u.Port() == "" {
		return net.JoinHostPort(u.Hostname(), "5432"), nil
	}
	return u.Host, nil
}

// log returns how many bytes a server has written to its log, and how often it has synced
// that.
func (p *plan) log(ctx context.Context, database string) (bytes, syncs int64, err error) {
	driver, dsn, query := "pgx", p.postgres, "SELECT wal_bytes::bigint, wal_sync FROM pg_stat_wal"
	if database == "mariadb" {
		driver, dsn = "mysql", p.mariadb
		query = `SELECT max(IF(variable_name = 'INNODB_OS_LOG_WRITTEN', CAST(variable_value AS SIGNED), 0)), max(IF(variable_name = 'INNODB_LOG_WRITES', CAST(variable_value AS SIGNED), 0))
FROM information_schema.global_status WHERE variable_name IN ('INNODB_OS_LOG_WRITTEN', 'INNODB_LOG_WRITES')` // each write is synced
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return 0, 0, err
	}
	defer db.Close()
	err = db.QueryRowContext(ctx, query).Scan(&bytes, &syncs)
	return bytes, syncs, err
}

// A process is a server of a way.
type process struct {
	way    way
	sender *sender
	stop   func() error
}

// start starts the server of a way, with a database of its own.
func (p *plan) start(ctx context.Context, g group, w way, through string) (_ *process, err error) {
	h, err := p.newHome(ctx, g.database, through)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, errors.Join(err, h.drop())
	}
	command := exec.CommandContext(ctx, self, "-serve", g.name+": "+w.name, "-dsn", h.dsn)
	command.Stderr = os.Stderr
	input, err := command.StdinPipe()
	if err != nil {
		return nil, errors.Join(err, h.drop())
	}
	output, err := command.StdoutPipe()
	if err != nil {
		return nil, errors.Join(err, h.drop())
	}
	if err := command.Start(); err != nil {
		return nil, errors.Join(err, h.drop())
	}
	stop := func() error {
		_ = input.Close()
		_, _ = io.Copy(io.Discard, output)
		return errors.Join(command.Wait(), h.drop())
	}
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the server of %s: %s does not start", g.name, w.name), stop())
	}
	s, err := newSender(strings.TrimSpace(line), p.known)
	if err != nil {
		return nil, errors.Join(err, stop())
	}
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %s: %w", g.name, w.name, err), stop())
	}
	return &process{w, s, stop}, nil
}
