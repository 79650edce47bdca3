package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/internal/records"
)

// The defaults of [Options].
const (
	DefaultTable = "idempotency_records"
	DefaultWait  = 2 * time.Second
)

// maxWait is longer than any sender waits, and short enough for every server.
const maxWait = time.Hour

// A Store keeps records in one table of a SQL database. Create one with [New]. It is
// safe for concurrent use, and any number of processes can share the table.
//
// It is an [idempotency.Runner], whose record and work are one commit, and a
// [lease.Store], for work under a lease.
type Store struct {
	db      *sql.DB
	dialect Dialect
	o       Options // with the defaults filled in

	table     *records.Table
	engine    *records.Engine[*sql.Tx]
	writeLock chan struct{} // a semaphore for SQLite's single writer; nil otherwise

	measure sync.Once
	slots   chan struct{} // a semaphore for runs; nil: not bounded
	reserve reserve
	shedAt  atomic.Int64         // in nanoseconds since 1970
	galera  atomic.Pointer[bool] // the server is a node of a cluster; nil: not known

	completed atomic.Bool // the last Complete found that CompleteTx had come before it
}

var (
	_ idempotency.Runner[*sql.Tx] = (*Store)(nil)
	_ lease.Store                 = (*Store)(nil)
)

// Options configures a [Store]. The zero value and nil use the defaults.
type Options struct {
	// Table is the table's name, with or without a schema: letters, digits and
	// underscores, at most one dot. Without a schema, the table is looked up once,
	// when the store is first used, in the search_path or the current database of
	// db's connections; what the work changes in these later does not matter.
	// Default [DefaultTable].
	Table string

	// Wait bounds how long a run waits for another transaction that has the
	// same event in flight (on SQLite, for any other writer), and how long it
	// retries conflicts. At most an hour. MariaDB rounds it up to whole
	// seconds; on MySQL, and in transactions on PostgreSQL, where the driver
	// gives up, it is a second longer. Default [DefaultWait].
	Wait time.Duration

	// Isolation is the isolation level of the transactions that runs begin: read
	// committed, repeatable read or serializable, and on MySQL also read
	// uncommitted. SQLite is always serializable. Default: the database's own.
	Isolation sql.IsolationLevel

	// RecordFailures keeps a record of events whose work has failed in a
	// transaction: how often, and the last error, see [Store.Failures]. It is
	// written in a short transaction after the rollback. Default false: a failed
	// delivery leaves nothing behind.
	RecordFailures bool

	// MaxAttempts is the number of failed attempts after which an event is
	// dead. It turns RecordFailures on. Conflicts in the database are not
	// counted, and neither is a 4xx, written by the handler or carried by its
	// error: that is an answer. Nor is an attempt whose process dies: the
	// transaction leaves no trace of it. Only a lease.Runner, which has a
	// MaxAttempts of its own, bounds crashes. Default 0: never, the sender
	// decides when to give up.
	MaxAttempts int

	// AttemptInterval spaces the attempts that MaxAttempts counts: failures
	// that follow each other within it count once. A caller that repeats failed
	// work without a pause sets it to less than its own pauses; a nanosecond
	// counts every failure. Default [idempotency.DefaultAttemptInterval].
	AttemptInterval time.Duration

	// Retention is the age, since its last change, at which [Store.Purge]
	// deletes a record. Default [idempotency.DefaultRetention]; less than
	// [idempotency.MinRetention] is refused.
	Retention time.Duration

	// AllowShortRetention accepts any Retention, for tests and for senders that
	// never retry. An event that is delivered again after it was purged is
	// processed again.
	AllowShortRetention bool

	// KeepPayloads stores the first delivery of each event beside its record,
	// in a table of its own, see [Store.Payload], and keeps those that an inbox has
	// accepted when they are done. Payloads may hold personal data. MySQL takes none that is more than half of its max_allowed_packet: the
	// event is processed without, and the observer sees an
	// [idempotency.KindStoreError]. Default false.
	KeepPayloads bool

	// PayloadRetention is the age at which [Store.Purge] deletes a payload.
	// Default: Retention.
	PayloadRetention time.Duration

	// Redact changes what is stored of a delivery, of those that an inbox accepts and
	// under KeepPayloads: it may delete headers, or parts of the body. What it deletes
	// is not there either when the delivery is processed later. It must be safe for
	// concurrent use, and must not change the bytes of Body in place. Default none.
	Redact func(d *hmacverify.Stored)

	// Seal encrypts what is stored of a delivery, body and headers, and Open decrypts
	// it; key may serve as additional data. Both are set, or none, and must be safe
	// for concurrent use. An inbox does not accept a delivery for which Seal returns
	// an error; under KeepPayloads its event is processed without. Payloads that
	// were stored before there was a Seal are still read. Default none.
	Seal, Open func(key idempotency.Key, data []byte) ([]byte, error)

	// Observe sees what happens: to runs, to the endpoints that use this store,
	// to leases on it unless lease.Options says otherwise, and to purges.
	// Default [idempotency.LogFailures].
	Observe idempotency.Observer
}

// New returns a Store in db, whose database speaks the dialect d. It does not touch
// the database: call [Store.CreateTables] or [Store.Check] next. o may be nil.
func New(db *sql.DB, d Dialect, o *Options) (*Store, error) {
	if db == nil {
		return nil, errors.New("sqlstore: no database: pass what sql.Open returned")
	}
	if o == nil {
		o = new(Options)
	}
	if err := o.check(d); err != nil {
		return nil, err
	}
	filled := o.withDefaults()
	table, err := records.NewTable("sqlstore", records.Dialect(d), filled.Table, filled.Wait)
	if err != nil {
		return nil, err
	}
	table.Privacy = records.Privacy{Redact: filled.Redact, Seal: filled.Seal, Open: filled.Open}
	s := &Store{db: db, dialect: d, o: filled, table: table, reserve: reserve{lock: make(chan struct{}, 1)}}
	s.engine = records.NewEngine(table, database{s}, records.Settings{
		RecordFailures:  filled.RecordFailures,
		MaxAttempts:     filled.MaxAttempts,
		AttemptInterval: filled.AttemptInterval,
		KeepPayloads:    filled.KeepPayloads,
	})
	if d == SQLite {
		s.writeLock = make(chan struct{}, 1)
	}
	return s, nil
}

func (o *Options) check(d Dialect) error {
	switch {
	case o.Wait < 0 || o.MaxAttempts < 0 || o.AttemptInterval < 0 || o.Retention < 0 || o.PayloadRetention < 0:
		return errors.New("sqlstore: a number in Options is negative; leave it 0 for the default")
	case (o.Seal == nil) != (o.Open == nil):
		return errors.New("sqlstore: Options.Seal and Options.Open: set both, or what is stored could not be read")
	case o.Wait > maxWait:
		return fmt.Errorf("sqlstore: Options.Wait of %v, at most %v", o.Wait, maxWait)
	case !slices.Contains(levels[d], o.Isolation) && o.Isolation != sql.LevelDefault:
		return fmt.Errorf("sqlstore: Options.Isolation: %s has no level %v", d, o.Isolation)
	case o.Retention != 0 && o.Retention < idempotency.MinRetention && !o.AllowShortRetention:
		return fmt.Errorf("sqlstore: Options.Retention of %v is less than %v, for which senders retry; AllowShortRetention accepts it",
			o.Retention, idempotency.MinRetention)
	}
	return nil
}

// levels are the isolation levels that a dialect has.
var levels = map[Dialect][]sql.IsolationLevel{
	PostgreSQL: {sql.LevelReadCommitted, sql.LevelRepeatableRead, sql.LevelSerializable},
	MySQL:      {sql.LevelReadUncommitted, sql.LevelReadCommitted, sql.LevelRepeatableRead, sql.LevelSerializable},
	SQLite:     {sql.LevelSerializable},
}

// txOptions are those of a run's transaction; nil are the database's own.
func (s *Store) txOptions() *sql.TxOptions {
	if s.o.Isolation == sql.LevelDefault || s.dialect == SQLite { // whose drivers know no levels
		return nil
	}
	return &sql.TxOptions{Isolation: s.o.Isolation}
}

func (o *Options) withDefaults() Options {
	c := *o
	c.Table = cmp.Or(c.Table, DefaultTable)
	c.Wait = cmp.Or(c.Wait, DefaultWait)
	c.Retention = cmp.Or(c.Retention, idempotency.DefaultRetention)
	c.PayloadRetention = cmp.Or(c.PayloadRetention, c.Retention)
	if c.Observe == nil {
		c.Observe = idempotency.LogFailures
	}
	return c
}

// Observe implements [idempotency.Runner].
func (s *Store) Observe(ctx context.Context, e idempotency.Event) {
	e.Endpoint = cmp.Or(e.Endpoint, e.Key.Endpoint())
	if s.o.Observe == nil {
		idempotency.LogFailures(ctx, e)
		return
	}
	s.o.Observe(ctx, e)
}

// Retention implements [idempotency.Runner].
func (s *Store) Retention() time.Duration {
	if s.o.AllowShortRetention {
		return 0
	}
	return s.o.Retention
}
