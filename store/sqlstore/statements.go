package sqlstore

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// statements is the SQL of one dialect, as it runs but for the table's name.
// Each takes its parameters in the same order in every dialect, except that the
// MySQL ones that go through the table take the key that they start after as
// (scope, scope, id).
type statements struct {
	insert      string // claims a key that has no record
	insertAlone string // the same without a transaction, if that is another statement
	find        string // reads a record
	findDone    string // reads of a record that is Done what a duplicate needs
	takeOver    string // claims a key whose record is free again
	bury        string // makes a record Dead that has used up its attempts
	renew       string // changes when a lease expires
	complete    string // makes a record Done
	release     string // makes a record Released or Dead
	addResult   string // adds the result to a record that is Done, if it is its owner's and has none
	fail        string // records an attempt that was rolled back
	retry       string // makes a Dead record Released

	lookup        string // reads the status of an event
	forget        string // deletes a record that is not being worked on
	forgetPayload string // deletes a payload
	insertBatch   string // claims the keys of {rows} that have no record
	batchRow      string // one of {rows}
	findBatch     string // finds which of {rows} it has claimed, if it does not return them

	flush     string // a write that finds a record, so that its commit flushes the log
	scratch   string // the same in a transaction, if that must not touch the record
	unscratch string // takes back what scratch has written

	keepPayload    string // adds a payload
	findPayload    string // reads a payload
	failures       string // lists what is not Done and not being worked on
	nextKey        string // finds where the next batch of a purge ends
	nextPayload    string // the same for payloads
	purge          string // deletes the old records of a batch
	purgePayloads  string // deletes the old payloads of a batch
	delete         string // deletes the records that purge has found, if it only finds
	deletePayloads string // the same for payloads

	unsupported string // reads what of the session or the table is not supported, "" if nothing
	insertText  string // inserts a key as text, if that is to be refused
	columns     string // reads no rows of the table, but their columns

	locate        string // reads the schema of the table and, on MySQL, the largest packet
	tablesVersion string // reads the version of the tables
	version       string // reads the server's version
}

var tableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,47}(\.[A-Za-z_][A-Za-z0-9_]{0,47})?$`)

// checkTable returns an error if there are no statements of d for that table.
func checkTable(d Dialect, table string) error {
	switch {
	case !tableName.MatchString(table):
		return errors.New("sqlstore: table name is not an identifier of at most 48 characters")
	case dialects[d] == nil:
		return fmt.Errorf("sqlstore: unknown dialect %q", d)
	}
	return nil
}

var dialects = map[Dialect]*statements{PostgreSQL: &postgreSQL, MySQL: &mySQL, SQLite: &sqlite}

// texts are a dialect's statements for one table.
type texts struct {
	inTx  statements // as they run in a transaction
	alone statements // as they run without one, for which they bound their waiting
}

func textsOf(d Dialect, table string, wait time.Duration) *texts {
	return &texts{statementsOf(d, table, wait, false), statementsOf(d, table, wait, true)}
}

// statementsOf returns d's statements for a table, to be run in a transaction or,
// with their own bound on waiting for one, alone.
func statementsOf(d Dialect, table string, wait time.Duration, bounded bool) statements {
	s := *dialects[d]
	timeout, bound := fmt.Sprintf("'%dms'", max(1, wait.Milliseconds())), ""
	if bounded {
		s.insert = cmp.Or(s.insertAlone, s.insert)
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
		"{reach}", strconv.Itoa(2*purgeBatch),
	)
	for _, text := range s.all() {
		*text = fill.Replace(*text)
	}
	return s
}

// wholeSeconds rounds up, to one at least.
func wholeSeconds(d time.Duration) int { return max(1, int((d+time.Second-1)/time.Second)) }

func (s *statements) all() []*string {
	return []*string{
		&s.insert, &s.insertAlone, &s.find, &s.findDone, &s.takeOver, &s.bury, &s.renew, &s.complete,
		&s.release, &s.addResult, &s.fail, &s.retry, &s.keepPayload, &s.findPayload, &s.failures,
		&s.lookup, &s.forget, &s.forgetPayload, &s.insertBatch, &s.batchRow, &s.findBatch, &s.flush, &s.scratch, &s.unscratch,
		&s.nextKey, &s.nextPayload, &s.purge, &s.purgePayloads, &s.delete, &s.deletePayloads, &s.unsupported, &s.insertText, &s.columns, &s.locate, &s.tablesVersion, &s.version,
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
