package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/hookonce/hookonce/idempotency"
)

// The defaults of [Options].
const (
	DefaultTable     = "idempotency_records"
	DefaultWait      = 2 * time.Second
	DefaultRetention = 30 * 24 * time.Hour
)

// maxWait is longer than any sender waits, and short enough for every server.
const maxWait = time.Hour

// MinRetention is the shortest retention that is not refused: senders try again
// for three days, and an event that is delivered after its record was purged is
// done again.
const MinRetention = 72 * time.Hour

// A Store keeps records in one table of a SQL database. Make one with [New]. It
// is safe for concurrent use, and any number of processes can share the table.
//
// It is an [idempotency.Store] for lease mode; [Store.Transactional] and
// [Store.RunTx] are the transactional mode.
type Store struct {
	db      *sql.DB
	dialect Dialect
	sql     statements // as they run in a transaction
	bounded statements // as they run without one, for which they bound their waiting
	o       Options    // with the defaults filled in

	repeating atomic.Bool // the latest claim found its event done

	writer chan struct{} // is full while a run writes to SQLite; else nil
}

var _ idempotency.Store = (*Store)(nil)

// Options are what [New] can be told beyond what it must be told. The zero value
// and nil mean the defaults.
type Options struct {
	// Table is the table's name, with or without a schema: letters, digits and
	// underscores, at most one dot. "" means [DefaultTable].
	Table string

	// Wait bounds how long a run waits for another transaction that has the
	// same event in flight (on SQLite, for any other writer), and for how long
	// conflicts are tried again. At most an hour. On MariaDB it is in whole
	// seconds, rounded up; on MySQL, and in transactions on PostgreSQL, where
	// it is the driver that gives up, one more.
	// 0 means [DefaultWait].
	Wait time.Duration

	// RecordFailures keeps a record of the deliveries whose work has failed in
	// transactional mode: how often and why at last, see [Store.Failures]. It is
	// written in a short transaction of its own, after the rollback. If false,
	// a failed delivery leaves nothing behind.
	RecordFailures bool

	// MaxAttempts is after how many failed attempts an event is Dead in
	// transactional mode. It needs the count, so it turns RecordFailures on.
	// An HTTP handler's 5xx is a failure whatever it was due to; work that
	// returns a conflict in the database is begun again and not counted.
	// 0 means never: the sender decides when to give up.
	MaxAttempts int

	// Retention is the age at which [Store.Purge] deletes a record, from its
	// last change. 0 means [DefaultRetention]; less than [MinRetention] is
	// refused.
	Retention time.Duration

	// AllowDuplicatesAfterShortRetention lifts the bound on Retention, for
	// tests and for senders that never come again.
	AllowDuplicatesAfterShortRetention bool

	// KeepPayloads stores the payload of each event's first delivery
	// (idempotency.Payload) beside its record, in a table of its own. Payloads
	// may hold personal data, so it is off by default. When you switch it off,
	// drop that table: a store without it does not purge it.
	KeepPayloads bool

	// PayloadRetention is the age at which [Store.Purge] deletes a payload. 0
	// means the same as Retention.
	PayloadRetention time.Duration

	// Observe is told what happens. nil means that nobody is.
	Observe idempotency.Observer
}

// New returns a store in db, which must speak the dialect d. It does not touch
// the database; see [Store.CreateTable] and [Store.Check]. The error says which
// argument is wrong.
func New(db *sql.DB, d Dialect, o *Options) (*Store, error) {
	if db == nil {
		return nil, errors.New("sqlstore: no database")
	}
	if o == nil {
		o = new(Options)
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	filled := o.withDefaults()
	inTx, err := statementsOf(d, filled.Table, filled.Wait, false)
	if err != nil {
		return nil, err
	}
	bounded, err := statementsOf(d, filled.Table, filled.Wait, true)
	if err != nil {
		return nil, err
	}
	s := &Store{
		db:      db,
		dialect: d,
		sql:     inTx,
		bounded: bounded,
		o:       filled,
	}
	if d == SQLite {
		s.writer = make(chan struct{}, 1)
	}
	return s, nil
}

func (o *Options) check() error {
	switch {
	case o.Wait < 0 || o.MaxAttempts < 0 || o.Retention < 0 || o.PayloadRetention < 0:
		return errors.New("sqlstore: negative number in Options")
	case o.Wait > maxWait:
		return fmt.Errorf("sqlstore: Options.Wait of %v, at most %v", o.Wait, maxWait)
	case o.Retention != 0 && o.Retention < MinRetention && !o.AllowDuplicatesAfterShortRetention:
		return fmt.Errorf("sqlstore: Options.Retention of %v, at least %v: senders come again for three days", o.Retention, MinRetention)
	}
	return nil
}

func (o *Options) withDefaults() Options {
	c := *o
	c.Table = cmp.Or(c.Table, DefaultTable)
	c.Wait = cmp.Or(c.Wait, DefaultWait)
	c.Retention = cmp.Or(c.Retention, DefaultRetention)
	c.PayloadRetention = cmp.Or(c.PayloadRetention, c.Retention)
	c.RecordFailures = c.RecordFailures || c.MaxAttempts > 0
	return c
}

// conn is what *sql.DB, *sql.Tx and *sql.Conn have in common.
type conn interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// changed runs a statement on c and reports whether it has changed a row.
func changed(ctx context.Context, c conn, query string, args ...any) (bool, error) {
	res, err := c.ExecContext(ctx, query, args...)
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n > 0, err
}
