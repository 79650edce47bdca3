package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
)

// Check returns an error, which says the way out, if something would make the store
// fail or take one event for another. Call it at start, before any event arrives. It
// leaves nothing in the tables. It checks:
//
//   - the server: that it can be reached, takes writes, is not too old and, on MySQL,
//     that autocommit, completion_type and sql_mode are such that single statements
//     commit; of TiDB, that its transactions are pessimistic
//   - on PostgreSQL, that prepared statements survive: behind a pooler in transaction
//     mode they need a setting of the driver
//   - on Galera, that what is written reaches the other nodes, and that a part of the
//     cluster without a majority takes no writes
//   - the tables: that they exist, are of [SchemaVersion], have every column, are
//     InnoDB's on MySQL, roll back and, on PostgreSQL, survive a crash
//   - what the tables do with records: that they refuse a second record with the same
//     key, never take one key for another, and store every value unchanged
//
// An engine that speaks as PostgreSQL or MySQL does, but that the tests of this package
// never ran on, is named in the error. If there is none, a warning that names it goes to
// the default logger of log/slog.
func (s *Store) Check(ctx context.Context) error {
	e, err := s.checkServer(ctx)
	if err == nil {
		err = s.checkOn(ctx, e)
	}
	switch {
	case err != nil && e.notRun:
		return fmt.Errorf("sqlstore: check: on %v, which was never run: %w", e, err)
	case err != nil:
		return fmt.Errorf("sqlstore: check: %w", err)
	case e.notRun:
		slog.WarnContext(ctx, "hookonce was never run on this database engine", "engine", e.name, "version", e.version)
	}
	return nil
}

func (s *Store) checkOn(ctx context.Context, e engine) error {
	if e.name == tidb {
		if err := s.checkTiDB(ctx); err != nil {
			return err
		}
	}
	for _, check := range []func(context.Context) error{
		s.checkPooler, s.checkGalera, s.checkTable, s.checkSettings, s.checkExist, s.checkEngines, s.checkVersion, s.checkColumns, s.checkRollback, s.checkRecords,
	} {
		if err := check(ctx); err != nil {
			return err
		}
	}
	return nil
}

// checkServer connects first, so that a server that cannot be reached is not taken
// for one of another kind.
func (s *Store) checkServer(ctx context.Context) (e engine, err error) {
	if err := s.db.PingContext(ctx); err != nil {
		return e, fmt.Errorf("cannot connect to the database: %w", err)
	}
	var version, text string
	if err := s.db.QueryRowContext(ctx, s.table.SQL().Version).Scan(&version); err != nil {
		return e, fmt.Errorf("cannot read the server's version; is its dialect %s?: %w", s.dialect, err)
	}
	if err := s.db.QueryRowContext(ctx, s.table.SQL().Engine).Scan(&text); err != nil {
		return e, fmt.Errorf("reading what the server is: %w", err)
	}
	e = engineOf(s.dialect, text)
	if e.name == cockroachDB { // which reports a PostgreSQL that it is like
		return e, nil
	}
	return e, s.oldEnough(version)
}

// checkTable comes before the checks of the table, which may be another one in a
// connection whose search_path was changed.
func (s *Store) checkTable(ctx context.Context) error {
	s.table.Locate(ctx, s.pool())
	return nil
}

// checkSettings reports settings of the session or the table that the store does not
// work with. Without autocommit, or in a transaction that COMMIT has chained to the
// one before, single statements would never be committed; where assignments are
// simultaneous, a failure would be recorded with a wrong state; and after the crash
// that empties an UNLOGGED table, every event would be applied again.
func (s *Store) checkSettings(ctx context.Context) error {
	if s.table.SQL().Unsupported == "" {
		return nil
	}
	var what string
	if err := s.db.QueryRowContext(ctx, s.table.SQL().Unsupported).Scan(&what); err != nil {
		return fmt.Errorf("reading the server's settings: %w", err)
	}
	if what != "" {
		return errors.New(what)
	}
	return nil
}

func (s *Store) checkExist(ctx context.Context) error {
	missing, err := s.missing(ctx)
	if err == nil && missing != "" {
		err = fmt.Errorf("table %s does not exist: create it with CreateTables, or run the statements of Schema", missing)
	}
	return err
}

// oldEnough compares the server's version with the oldest that has what the
// statements need. PostgreSQL 14 is the oldest that its makers support; MariaDB 10.6
// and MySQL 8.0 have SKIP LOCKED; SQLite 3.38 has STRICT tables, and RETURNING
// without its first bugs.
func (s *Store) oldEnough(version string) error {
	oldest := []int{3, 38}
	switch {
	case s.dialect == PostgreSQL:
		n, err := strconv.Atoi(version) // such as 150018
		if err != nil {
			return fmt.Errorf("the server reports the version %q, which is not PostgreSQL's; is its dialect %s?", version, s.dialect)
		}
		version, oldest = fmt.Sprintf("%d.%d", n/10000, n%10000), []int{14}
	case s.dialect == MySQL && strings.Contains(version, "MariaDB"):
		oldest = []int{10, 6}
	case s.dialect == MySQL:
		oldest = []int{8, 0}
	}
	if slices.Compare(numbers(version), oldest) < 0 {
		return fmt.Errorf("the server's version %q is too old for %s: upgrade it to %s or later", version, s.dialect, dotted(oldest))
	}
	return nil
}

// numbers returns the numbers at the beginning of a version.
func numbers(version string) []int {
	// Some proxies and old drivers report MariaDB as a MySQL 5.5.5, followed by its
	// own version.
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
	rows, err := s.db.QueryContext(ctx, s.table.SQL().Columns)
	if err != nil {
		return fmt.Errorf("reading table %s: %w", s.o.Table, err)
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
		return fmt.Errorf("table %s lacks the columns %s: add them as Schema has them", s.o.Table, strings.Join(missing, ", "))
	}
	return rows.Err()
}
