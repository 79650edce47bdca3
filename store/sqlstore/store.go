package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/hookonce/hookonce/idempotency"
)

// The defaults of [Options].
const (
	DefaultTable = "idempotency_records"
	DefaultWait  = 2 * time.Second
)

// A Store keeps records in one table of a SQL database. Make one with [New]. It
// is safe for concurrent use, and any number of processes can share the table.
type Store struct {
	db      *sql.DB
	dialect Dialect
	sql     statements
	o       Options // with the defaults filled in
}

// Options are what [New] can be told beyond what it must be told. The zero value
// and nil mean the defaults.
type Options struct {
	// Table is the table's name, with or without a schema: letters, digits and
	// underscores, at most one dot. "" means [DefaultTable].
	Table string

	// Wait bounds how long a run waits for another transaction that has the
	// same event in flight (on SQLite, for any other writer), and for how long
	// conflicts are tried again. 0 means [DefaultWait].
	Wait time.Duration

	// RecordFailures keeps a record of the deliveries whose work has failed in
	// transactional mode: how often and why at last. It is
	// written in a short transaction of its own, after the rollback. If false,
	// a failed delivery leaves nothing behind.
	RecordFailures bool

	// MaxAttempts is after how many failed attempts an event is Dead in
	// transactional mode. It needs the count, so it turns RecordFailures on.
	// 0 means never: the sender decides when to give up.
	MaxAttempts int

	// Observe is told what happens. nil means that nobody is.
	Observe idempotency.Observer
}

func (o *Options) withDefaults() Options {
	c := *o
	c.Wait = cmp.Or(c.Wait, DefaultWait)
	c.RecordFailures = c.RecordFailures || c.MaxAttempts > 0
	return c
}

// New returns a store in db, which must speak the dialect d. It does not touch
// the database; see [Store.CreateTable]. The error says which argument is wrong.
func New(db *sql.DB, d Dialect, o *Options) (*Store, error) {
	if db == nil {
		return nil, errors.New("sqlstore: no database")
	}
	if o == nil {
		o = new(Options)
	}
	if o.Wait < 0 || o.MaxAttempts < 0 {
		return nil, errors.New("sqlstore: negative number in Options")
	}
	sql, err := statementsOf(d, o.Table)
	if err != nil {
		return nil, err
	}
	return &Store{
		db:      db,
		dialect: d,
		sql:     sql,
		o:       o.withDefaults(),
	}, nil
}

// Schema returns the statement that makes the table, for migration tools. It does
// nothing if the table is there. An empty table name means [DefaultTable].
func Schema(d Dialect, table string) (string, error) {
	s, err := statementsOf(d, table)
	return s.create, err
}

// CreateTable makes the table unless it is there.
func (s *Store) CreateTable(ctx context.Context) error {
	if _, err := s.db.ExecContext(ctx, s.sql.create); err != nil {
		return fmt.Errorf("sqlstore: create table: %w", err)
	}
	return nil
}

// statements is the SQL of one dialect, as it runs.
type statements struct {
	create     string // makes the table
	insertDone string // claims a key that has no record; a row if it won
	takeOver   string // claims a key whose record is free again
	find       string // reads a record
	keepResult string // adds the result to a record
	fail       string // records a failed attempt, unless the event is done
}

var tableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,62}(\.[A-Za-z_][A-Za-z0-9_]{0,62})?$`)

func statementsOf(d Dialect, table string) (statements, error) {
	table = cmp.Or(table, DefaultTable)
	if !tableName.MatchString(table) {
		return statements{}, errors.New("sqlstore: table name is not an identifier")
	}
	var s statements
	switch d {
	case PostgreSQL:
		s = postgreSQL
	case SQLite:
		s = sqlite
	default:
		return s, fmt.Errorf("sqlstore: dialect %q: %w", d, errors.ErrUnsupported)
	}
	for _, text := range []*string{&s.create, &s.insertDone, &s.takeOver, &s.find, &s.keepResult, &s.fail} {
		*text = strings.ReplaceAll(*text, "{table}", table)
	}
	return s, nil
}
