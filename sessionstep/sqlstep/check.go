package sqlstep

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Check returns an error, which says the way out, if the store cannot work with its
// database: the server cannot be reached, a table or a column is missing, or the
// tables are not of [SchemaVersion]. Call it at start. It only reads, and it does
// not join a transaction.
//
// [sqlstore.Store.Check] checks the server's version and settings.
func (s *Store) Check(ctx context.Context) error {
	if err := s.db.PingContext(ctx); err != nil {
		return fmt.Errorf("sqlstep: check: cannot connect to the database: %w", err)
	}
	for _, check := range []func(context.Context) error{s.checkExist, s.checkVersion, s.checkColumns} {
		if err := check(ctx); err != nil {
			return fmt.Errorf("sqlstep: check: %w", err)
		}
	}
	return nil
}

// checkExist looks for the tables that every version has, so that those of an older one
// are reported as such.
func (s *Store) checkExist(ctx context.Context) error {
	var missing []string
	var reason error
	for _, table := range []string{"sessions", "steps", "submissions"} {
		if _, err := s.columns(ctx, s.prefix+table); err != nil {
			missing = append(missing, s.prefix+table)
			reason = err
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("cannot read %s: if they do not exist, run the statements of Schema, or call CreateTables in an empty database: %w",
		strings.Join(missing, ", "), reason)
}

// checkVersion reports as an error that the tables, which exist, are not of
// SchemaVersion.
func (s *Store) checkVersion(ctx context.Context) error {
	table := s.prefix + "version"
	version, err := s.version(ctx)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("table %s is empty: insert its row again, id 1 and version %d if Schema of this release created the tables", table, SchemaVersion)
	case err != nil:
		return fmt.Errorf("cannot read %s: if it does not exist, the tables have version 0, but version %d is needed: run the statements of Upgrade from version 0: %w", table, SchemaVersion, err)
	case version < SchemaVersion:
		return fmt.Errorf("the tables %s… have version %d, but version %d is needed: run the statements of Upgrade from version %d", s.prefix, version, SchemaVersion, version)
	case version > SchemaVersion:
		return fmt.Errorf("the tables %s… have version %d, but this release of hookonce knows versions up to %d: use a release that knows it", s.prefix, version, SchemaVersion)
	}
	return nil
}

func (s *Store) checkColumns(ctx context.Context) error {
	schema, err := Schema(s.dialect, &Options{Prefix: s.prefix})
	if err != nil {
		return err
	}
	for table, want := range columnsOf(schema) {
		got, err := s.columns(ctx, table)
		if err != nil {
			return fmt.Errorf("cannot read %s: if it does not exist, create it as Schema has it: %w", table, err)
		}
		missing := slices.DeleteFunc(want, func(column string) bool { return slices.Contains(got, column) })
		if len(missing) > 0 {
			return fmt.Errorf("table %s lacks the columns %s: add them as Schema has them", table, strings.Join(missing, ", "))
		}
	}
	return nil
}

// A column begins a line of its table's statement; key words are in upper case.
var (
	tablePattern  = regexp.MustCompile(`(?s)CREATE TABLE IF NOT EXISTS (\S+) \((.*?)\n\)`)
	columnPattern = regexp.MustCompile(`(?m)^    ([a-z_]+) `)
)

// columnsOf returns the columns of each table that the schema creates.
func columnsOf(schema string) map[string][]string {
	columns := make(map[string][]string)
	for _, table := range tablePattern.FindAllStringSubmatch(schema, -1) {
		for _, column := range columnPattern.FindAllStringSubmatch(table[2], -1) {
			columns[table[1]] = append(columns[table[1]], column[1])
		}
	}
	return columns
}
