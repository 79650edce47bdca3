package sqlstep

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/hookonce/hookonce/store/sqlstore"
)

// CreateTables runs the statements of [Schema] if the tables do not exist. If they
// do, it changes nothing and needs no right to create anything, but returns an error
// if their version is not [SchemaVersion]. Any number of processes may call it at
// the same time.
//
// It does not join a transaction.
func (s *Store) CreateTables(ctx context.Context) error {
	if err := s.createTables(ctx); err != nil {
		return fmt.Errorf("sqlstep: create tables: %w", err)
	}
	return nil
}

// How createTables retries.
const (
	createTries = 3               // whatever the error
	createWait  = 5 * time.Second // while another process locks SQLite's file
	createPause = 10 * time.Millisecond
)

// createTables retries, because IF NOT EXISTS does not wait for another process that
// is creating the same table: on PostgreSQL the slower of the two fails on a unique
// index of the catalog, after the other's commit; on SQLite it finds the file locked.
func (s *Store) createTables(ctx context.Context) error {
	until := time.Now().Add(createWait)
	for try := 1; ; try++ {
		if s.tablesExist(ctx) {
			return s.checkVersion(ctx)
		}
		err := s.runSchema(ctx)
		if err == nil {
			return nil
		}
		if try >= createTries && !(s.locked(err) && time.Now().Before(until)) {
			return err
		}
		select {
		case <-time.After(createPause):
		case <-ctx.Done():
			return err
		}
	}
}

// tablesExist looks instead of relying on IF NOT EXISTS, which looks in one schema
// only: on PostgreSQL an empty table would hide the one that is used, if that is
// further on in the search_path. Submissions are the last table of the schema, so
// where they exist the others do.
//
// Whatever the error is, running the schema shows it again if it lasts.
func (s *Store) tablesExist(ctx context.Context) bool {
	_, err := s.columns(ctx, s.prefix+"submissions")
	return err == nil
}

// runSchema runs the statements one by one, because not every driver takes several
// at once. MySQL commits after each, the others at the end.
func (s *Store) runSchema(ctx context.Context) error {
	schema, err := Schema(s.dialect, &Options{Prefix: s.prefix})
	if err != nil {
		return err
	}
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after Commit
	for statement := range strings.SplitAfterSeq(strings.TrimSpace(schema), ";\n") {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// locked reports whether another process locks SQLite's file. The drivers' errors
// have nothing in common but SQLite's text.
func (s *Store) locked(err error) bool {
	return s.dialect == sqlstore.SQLite && strings.Contains(err.Error(), "locked")
}

// columns returns the names of a table's columns.
func (s *Store) columns(ctx context.Context, table string) ([]string, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT * FROM "+table+" WHERE 1 = 0")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	return names, rows.Err()
}

// version returns the version of the tables, or [sql.ErrNoRows].
func (s *Store) version(ctx context.Context) (version int, err error) {
	err = s.db.QueryRowContext(ctx, s.sql.findVersion).Scan(&version)
	return version, err
}
