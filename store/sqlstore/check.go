package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Check reports what would make the store fail, or mistake one event for another,
// before any event comes: a server that is too old; on MySQL, autocommit switched
// off, or a completion_type or SQL mode that it cannot work with; a table that is
// not there, lacks a column, or has one that does not keep what it is given; one
// that takes a second record of a key, or one key for another; one that does not
// roll back, or that PostgreSQL empties after a crash. Call it at start. It writes
// nothing that stays.
func (s *Store) Check(ctx context.Context) error {
	for _, check := range []func(context.Context) error{s.checkVersion, s.checkSupported, s.checkColumns, s.checkRollback, s.checkRecords} {
		if err := check(ctx); err != nil {
			return fmt.Errorf("sqlstore: check: %w", err)
		}
	}
	return nil
}

func (s *Store) checkVersion(ctx context.Context) error {
	var version string
	if err := s.db.QueryRowContext(ctx, s.sql.version).Scan(&version); err != nil {
		return fmt.Errorf("the server does not tell its version as %s does: %w", s.dialect, err)
	}
	return s.oldEnough(version)
}

// checkSupported: without autocommit, or in a transaction that COMMIT has chained to
// the one before, what runs by itself would never be committed; where assignments
// are simultaneous, a failure would be recorded with another state; and after the
// crash that empties an UNLOGGED table, every event would be done again.
func (s *Store) checkSupported(ctx context.Context) error {
	if s.sql.unsupported == "" {
		return nil
	}
	var what string
	if err := s.db.QueryRowContext(ctx, s.sql.unsupported).Scan(&what); err != nil {
		return err
	}
	if what != "" {
		return errors.New(what)
	}
	return nil
}

// oldEnough are the versions that have what the statements need: PostgreSQL 14 is
// the oldest that its makers support, MariaDB 10.6 and MySQL 8.0 have SKIP
// LOCKED, SQLite 3.38 has STRICT tables and RETURNING without their first bugs.
func (s *Store) oldEnough(version string) error {
	oldest := []int{3, 38}
	switch {
	case s.dialect == PostgreSQL:
		n, err := strconv.Atoi(version) // such as 150018
		if err != nil {
			return fmt.Errorf("PostgreSQL version %q", version)
		}
		version, oldest = fmt.Sprintf("%d.%d", n/10000, n%10000), []int{14}
	case s.dialect == MySQL && strings.Contains(version, "MariaDB"):
		oldest = []int{10, 6}
	case s.dialect == MySQL:
		oldest = []int{8, 0}
	}
	if slices.Compare(numbers(version), oldest) < 0 {
		return fmt.Errorf("%s version %s is older than %s", s.dialect, version, dotted(oldest))
	}
	return nil
}

// numbers returns the numbers at the beginning of a version.
func numbers(version string) []int {
	// Some proxies and old drivers see MariaDB as a MySQL 5.5.5 that goes on
	// with the version proper.
	version = strings.TrimPrefix(version, "5.5.5-")
	var parts []int
	for part := range strings.SplitSeq(version, ".") {
		digits := len(part) - len(strings.TrimLeft(part, "0123456789"))
		n, err := strconv.Atoi(part[:digits])
		if err != nil {
			break
		}
		parts = append(parts, n)
		if digits < len(part) {
			break
		}
	}
	return parts
}

func dotted(numbers []int) string {
	return strings.ReplaceAll(strings.Trim(fmt.Sprint(numbers), "[]"), " ", ".")
}

var columns = []string{
	"scope", "id", "state", "owner", "token", "attempts", "lease_until", "changed_at",
	"fingerprint", "result_status", "result_type", "result_body", "last_error",
}

func (s *Store) checkColumns(ctx context.Context) error {
	rows, err := s.db.QueryContext(ctx, s.sql.columns)
	if err != nil {
		return fmt.Errorf("table %s: %w", s.o.Table, err)
	}
	defer rows.Close()
	got, err := rows.Columns()
	if err != nil {
		return err
	}
	var missing []string
	for _, name := range columns {
		if !slices.Contains(got, name) {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("table %s lacks the columns %s", s.o.Table, strings.Join(missing, ", "))
	}
	return rows.Err()
}
