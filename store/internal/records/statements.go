package records

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Statements is the SQL of one dialect, as it runs but for the table's name.
// Each takes its parameters in the same order in every dialect, except that the
// MySQL ones that go through the table take the key that they start after as
// (scope, scope, id).
type Statements struct {
	Insert      string // claims a key that has no record
	InsertAlone string // the same without a transaction, if that is another statement
	Find        string // reads a record
	FindDone    string // reads of a record that is Done what a duplicate needs
	TakeOver    string // claims a key whose record is free again
	Bury        string // makes a record Dead that has used up its attempts
	Renew       string // changes when a lease expires
	Complete    string // makes a record Done
	Release     string // makes a record Released or Dead
	AddResult   string // adds the result to a record that is Done, if it is its owner's and has none
	Fail        string // records an attempt that was rolled back
	Retry       string // makes a Dead record Released

	Bound        string // bounds the wait for locks by Options.Wait, until Unbound
	InsertOrFail string // claims a key that has no record, or fails
	Unbound      string

	Lookup        string // reads the status of an event
	Forget        string // deletes a record that is not being worked on
	ForgetPayload string // deletes a payload
	InsertBatch   string // claims the keys of {rows} that have no record
	BatchRow      string // one of {rows}
	FindBatch     string // finds which of {rows} it has claimed, if it does not return them

	Flush     string // a write that finds a record, so that its commit flushes the log
	Scratch   string // the same in a transaction, if that must not touch the record
	Unscratch string // takes back what scratch has written

	KeepPayload    string // adds a payload
	FindPayload    string // reads a payload
	Failures       string // lists what is not Done and not being worked on
	NextKey        string // finds where the next batch of a purge ends
	NextPayload    string // the same for payloads
	Purge          string // deletes the old records of a batch
	PurgePayloads  string // deletes the old payloads of a batch
	Delete         string // deletes the records of {keys} that Purge has found, if it only finds
	DeletePayloads string // the same for payloads

	Unsupported string // reads what of the session or the table is not supported, "" if nothing
	InsertText  string // inserts a key as text, if that is to be refused
	Columns     string // reads no rows of the table, but their columns

	Engines string // reads the first table that is not InnoDB's, and its engine

	Locate        string // reads the schema of the table and, on MySQL, the largest packet and whether it is TiDB
	TablesVersion string // reads the version of the tables
	Version       string // reads the server's version
	Engine        string // reads what the server says that it is
}

// ListBatch is how many records one statement looks at for a list of those that failed.
const ListBatch = 10_000

var tableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,47}(\.[A-Za-z_][A-Za-z0-9_]{0,47})?$`)

// CheckTable returns an error if there are no statements of d for that table. It begins
// with the name of package who.
func CheckTable(who string, d Dialect, table string) error {
	switch {
	case !tableName.MatchString(table):
		return errors.New(who + ": table name is not an identifier of at most 48 characters")
	case dialects[d] == nil:
		return fmt.Errorf("%s: unknown dialect %q", who, d)
	}
	return nil
}

var dialects = map[Dialect]*Statements{PostgreSQL: &postgreSQL, MySQL: &mySQL, SQLite: &sqlite}

// texts are a dialect's statements for one table.
type texts struct {
	name  string     // the table's
	inTx  Statements // as they run in a transaction
	alone Statements // as they run without one, for which they bound their waiting
}

// textsOf returns d's statements for a table. Those that lock a record to read it share the
// lock, unless the server, which is TiDB then, has none to share.
func textsOf(d Dialect, table string, wait time.Duration, alone bool) *texts {
	share := "LOCK IN SHARE MODE"
	if alone {
		share = "FOR UPDATE"
	}
	return &texts{table, statementsOf(d, table, wait, share, false), statementsOf(d, table, wait, share, true)}
}

// statementsOf returns d's statements for a table, to be run in a transaction or,
// with their own bound on waiting for one, alone.
func statementsOf(d Dialect, table string, wait time.Duration, share string, bounded bool) Statements {
	s := *dialects[d]
	timeout, bound := fmt.Sprintf("'%dms'", max(1, wait.Milliseconds())), ""
	if bounded {
		s.Insert = cmp.Or(s.InsertAlone, s.Insert)
		bound = "\n  AND set_config('lock_timeout', " + timeout + ", true) IS NOT NULL"
	}
	fill := strings.NewReplacer(
		"{table}", table,
		"{name}", "'"+strings.ReplaceAll(table, "'", "''")+"'",
		"{now}", now[d],
		"{early}", early[d],
		"{wait}", strconv.Itoa(wholeSeconds(wait)),
		"{timeout}", timeout,
		"{bound}", bound,
		"{share}", share,
		"{listed}", strconv.Itoa(2*ListBatch),
	)
	for _, text := range s.all() {
		*text = fill.Replace(*text)
	}
	return s
}

// wholeSeconds rounds up, to one at least.
func wholeSeconds(d time.Duration) int { return max(1, int((d+time.Second-1)/time.Second)) }

func (s *Statements) all() []*string {
	return []*string{
		&s.Insert, &s.InsertAlone, &s.Bound, &s.InsertOrFail, &s.Unbound, &s.Find, &s.FindDone, &s.TakeOver, &s.Bury, &s.Renew, &s.Complete,
		&s.Release, &s.AddResult, &s.Fail, &s.Retry, &s.KeepPayload, &s.FindPayload, &s.Failures,
		&s.Lookup, &s.Forget, &s.ForgetPayload, &s.InsertBatch, &s.BatchRow, &s.FindBatch, &s.Flush, &s.Scratch, &s.Unscratch,
		&s.NextKey, &s.NextPayload, &s.Purge, &s.PurgePayloads, &s.Delete, &s.DeletePayloads, &s.Unsupported, &s.InsertText, &s.Columns, &s.Engines, &s.Locate, &s.TablesVersion, &s.Version, &s.Engine,
	}
}

// now is the database's clock in microseconds since 1970. It is read when the
// statement runs, never frozen at the beginning of the transaction, and does not
// depend on the session's time zone. SQLite's has milliseconds.
var now = map[Dialect]string{
	PostgreSQL: `(date_part('epoch', clock_timestamp()) * 1000000)::bigint`,
	MySQL:      `TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))`,
	SQLite:     `CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER)`,
}
