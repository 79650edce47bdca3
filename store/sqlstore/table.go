package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// CreateTables runs the statements of [Schema] if the tables do not exist. If they
// do, it changes nothing and needs no right to create anything, but returns an error
// if their version is not [SchemaVersion]. Any number of processes may call it at
// the same time.
func (s *Store) CreateTables(ctx context.Context) error {
	if err := s.createTables(ctx); err != nil {
		return fmt.Errorf("sqlstore: create tables: %w", err)
	}
	return nil
}

// createTables looks for the tables first, because IF NOT EXISTS looks in one schema
// only: on PostgreSQL an empty table would hide the one that is used, if that is further
// on in the search_path. The records are the last table of the schema; where they exist
// and the table of an inbox does not, they are of a release that had none.
func (s *Store) createTables(ctx context.Context) error {
	defer s.table.Locate(ctx, s.pool())
	missing, err := s.missing(ctx)
	if err != nil {
		return err
	}
	exist := missing == ""
	if !exist {
		exist, err = s.runSchema(ctx)
	}
	if exist {
		return s.checkVersion(ctx)
	}
	return err
}

// runSchema creates the tables, and reports whether they exist afterwards. On
// PostgreSQL IF NOT EXISTS does not wait for another process that is creating the
// same table: the slower of the two fails on a unique index of the catalog, after the
// other's commit.
func (s *Store) runSchema(ctx context.Context) (exist bool, err error) {
	schema, err := Schema(s.dialect, &s.o)
	if err != nil {
		return false, err
	}
	if s.dialect == MySQL {
		err = s.retry(ctx, func(c conn) error { return execAll(ctx, c, schema) })
	} else {
		err = s.inTx(ctx, func(tx *sql.Tx) error { return execAll(ctx, tx, schema) })
	}
	if err != nil && s.dialect == PostgreSQL {
		missing, _ := s.missing(ctx)
		return missing == "", err
	}
	return err == nil, err
}

// execAll runs the statements of a schema one by one, because not every
// driver takes several at once. MySQL commits each by itself.
func execAll(ctx context.Context, c conn, schema string) error {
	for statement := range strings.SplitAfterSeq(strings.TrimSpace(schema), ";\n") {
		if _, err := c.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// missing returns the name of a table that does not exist, of those of records and of an
// inbox, or "".
func (s *Store) missing(ctx context.Context) (string, error) {
	for _, ending := range []string{"", "_inbox"} {
		exists, err := s.exists(ctx, ending)
		if err != nil || !exists {
			return s.o.Table + ending, err
		}
	}
	return "", nil
}

// exists reports whether the table with that ending exists.
func (s *Store) exists(ctx context.Context, ending string) (bool, error) {
	err := s.retry(ctx, func(c conn) error {
		return c.QueryRowContext(ctx, s.table.Text("SELECT * FROM {table}"+ending+" WHERE 1 = 0")).Scan()
	})
	switch {
	case s.table.Dialect.MissingTable(err):
		return false, nil
	case err != nil && !errors.Is(err, sql.ErrNoRows):
		return false, fmt.Errorf("reading table %s: %w", s.o.Table+ending, err)
	}
	return true, nil
}

// checkVersion reports as an error that the tables, which exist, are not of
// SchemaVersion. Their statements would fail, or would write what the processes of
// the other version misread.
func (s *Store) checkVersion(ctx context.Context) error {
	table := s.o.Table + "_version"
	var version int
	err := s.retry(ctx, func(c conn) error {
		return c.QueryRowContext(ctx, s.table.SQL().TablesVersion).Scan(&version)
	})
	switch {
	case s.table.Dialect.MissingTable(err): // so the tables are of version 0
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("table %s is empty: insert its row again, id 1 and version %d if Schema of this release created the tables", table, SchemaVersion)
	case err != nil:
		return fmt.Errorf("reading table %s: %w", table, err)
	}
	switch {
	case version < SchemaVersion:
		return fmt.Errorf("the tables of %s have version %d, but version %d is needed: run the statements of Upgrade from version %d", s.o.Table, version, SchemaVersion, version)
	case version > SchemaVersion:
		return fmt.Errorf("the tables of %s have version %d, but this release of hookonce knows versions up to %d: use a release that knows it", s.o.Table, version, SchemaVersion)
	}
	return nil
}
