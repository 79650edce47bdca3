package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hookonce/hookonce/idempotency"
)

// Check reports what would make the store fail, or mistake one event for another,
// before any event comes: a server that is too old, a table that is not there or
// lacks a column, one whose primary key does not refuse a second record, or does
// not keep keys apart byte for byte. Call it at start. It writes nothing that
// stays.
func (s *Store) Check(ctx context.Context) error {
	for _, check := range []func(context.Context) error{s.checkVersion, s.checkColumns, s.checkKeys} {
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

// oldest are the versions that have what the statements need: PostgreSQL 14 is
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
		return fmt.Errorf("%s version %s is older than %s", s.dialect, version, strings.Trim(fmt.Sprint(oldest), "[]"))
	}
	return nil
}

// numbers returns the numbers at the beginning of a version.
func numbers(version string) []int {
	var parts []int
	for part := range strings.SplitSeq(version, ".") {
		end := strings.IndexFunc(part, func(r rune) bool { return r < '0' || r > '9' })
		if end >= 0 {
			part = part[:end]
		}
		n, err := strconv.Atoi(part)
		if err != nil {
			break
		}
		parts = append(parts, n)
		if end >= 0 {
			break
		}
	}
	return parts
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

// probes are IDs that some type, collation or conversion takes for each other.
var probes = []string{
	"a", "A", "a ", "a\x00", " a", "\u00e9", "e\u0301", "\xff", "\xfe", "1", "01", "1.0",
	strings.Repeat("x", idempotency.MaxKeyBytes-1) + "y",
	strings.Repeat("x", idempotency.MaxKeyBytes-1) + "z",
}

// checkKeys inserts keys that must not be taken for each other, each of them
// twice, and rolls back.
func (s *Store) checkKeys(ctx context.Context) error {
	return s.again(ctx, func() error {
		tx, err := s.db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		scope := "check " + idempotency.Key{Scope: "check", ID: fmt.Sprint(idempotency.NewOwner())}.Downstream()
		for _, want := range []bool{true, false} {
			for _, id := range probes {
				b := bid{key: idempotency.Key{Scope: scope, ID: id}, state: idempotency.Done, owner: []byte{}}
				won, err := s.insert(ctx, tx, b)
				if err != nil {
					return fmt.Errorf("inserting the ID %.8q: %w", id, err)
				}
				if won && !want {
					return errors.New("the table takes a second record of a key: it has no primary key (scope, id)")
				}
				if !won && want {
					return fmt.Errorf("the table takes the ID %.8q for another: its columns do not compare byte for byte", id)
				}
			}
		}
		return s.checkReadBack(ctx, tx, scope)
	})
}

func (s *Store) checkReadBack(ctx context.Context, tx *sql.Tx, scope string) error {
	for _, id := range probes {
		if _, err := s.find(ctx, tx, idempotency.Key{Scope: scope, ID: id}); err != nil {
			return fmt.Errorf("reading the ID %.8q back: %w", id, err)
		}
	}
	return nil
}
