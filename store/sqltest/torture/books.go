package torture

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// Books are what is known at the end of a run.
type books struct {
	events  []*event
	effects map[string]int         // by event, in either ledger
	records map[string]lease.State // by event
	old     int                    // records that the purge missed
	balance int                    // of all accounts
	answers map[string]int
	died    []string // exit statuses of servers that died by themselves
	said    []string // what servers wrote to standard error
	left    footing  // what the servers still hold when idle
	conns   int      // to the database's server

	waiting     int            // entries of the inbox
	failures    map[string]int // of work that always fails, by event
	maxAttempts int            // of the servers
}

// read adds what is in the database.
func (b *books) read(ctx context.Context, d *database) error {
	rows, err := d.books.QueryContext(ctx, "SELECT event, count(*) FROM ledger GROUP BY event")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var event string
		var n int
		if err := rows.Scan(&event, &n); err != nil {
			return err
		}
		b.effects[event] += n
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if err := b.readRecords(ctx, d); err != nil {
		return err
	}
	if b.waiting, err = d.waiting(ctx); err != nil {
		return err
	}
	for i, node := range d.nodes {
		var conns int
		if err := node.admin.QueryRowContext(ctx, d.connections).Scan(&conns); err != nil {
			return err
		}
		b.conns += conns
		if i == 0 {
			b.conns-- // our own
		}
	}
	return d.books.QueryRowContext(ctx, "SELECT sum(balance) FROM accounts").Scan(&b.balance)
}

// waiting returns the number of entries in the inbox.
func (d *database) waiting(ctx context.Context) (n int, err error) {
	err = d.books.QueryRowContext(ctx, "SELECT count(*) FROM "+sqlstore.DefaultTable+"_inbox").Scan(&n)
	return n, err
}

func (b *books) readRecords(ctx context.Context, d *database) error {
	rows, err := d.books.QueryContext(ctx, "SELECT scope, id, state FROM "+sqlstore.DefaultTable)
	if err != nil {
		return err
	}
	defer rows.Close()
	b.records = make(map[string]lease.State)
	for rows.Next() {
		var scope, id []byte
		var state lease.State
		if err := rows.Scan(&scope, &id, &state); err != nil {
			return err
		}
		if string(scope) == "old" {
			b.old++
			continue
		}
		b.records[string(id)] = state
	}
	return rows.Err()
}

// A line of the books counts something that must not happen.
type line struct {
	what     string
	count    int
	examples []string
}

func (l *line) add(example string) {
	l.count++
	if len(l.examples) < 3 {
		l.examples = append(l.examples, example)
	}
}

func listed(what string, examples []string) *line {
	return &line{what: what, count: len(examples), examples: examples[:min(1, len(examples))]}
}

func (l *line) String() string {
	s := fmt.Sprintf("%-58s %6d", l.what, l.count)
	if len(l.examples) > 0 {
		s += "  such as " + strings.Join(l.examples, ", ")
	}
	return s
}

// lines balances the books.
func (b *books) lines() []*line {
	return append(b.eventLines(), b.worldLines()...)
}

// eventLines count what can be wrong with an event.
func (b *books) eventLines() []*line {
	var (
		lost     = &line{what: "acknowledged events without an effect"}
		double   = &line{what: "events with more than one effect"}
		twice    = &line{what: "events that two copies were answered 2xx for"}
		never    = &line{what: "events or copies that were never acknowledged"}
		claimed  = &line{what: "claims left over"}
		noRecord = &line{what: "acknowledged events without a processed record"}
		unknown  = &line{what: "effects of events that were never sent"}
		died     = &line{what: "events that died though their work does not fail"}
		undead   = &line{what: "events whose work always fails that are not dead"}
		early    = &line{what: "events that died before their last attempt"}
		undone   = &line{what: "effects of work that failed"}
	)
	known := make(map[string]bool, len(b.events))
	for _, e := range b.events {
		known[e.id] = true
		state := b.records[e.id]
		check := func(bad bool, l *line) {
			if bad {
				l.add(e.id)
			}
		}
		dead := state == lease.Dead
		check(e.acknowledged() && b.effects[e.id] == 0 && !e.doomed, lost)
		check(b.effects[e.id] > 1, double)
		check(e.accepted.Load() > 1 && e.mode != later, twice) // an inbox answers all copies alike
		check(!e.acknowledged() || e.givenUp.Load() > 0, never)
		check(state == lease.Claimed, claimed)
		check(e.acknowledged() && state != lease.Done && !e.doomed, noRecord)
		check((dead || e.buried.Load() > 0) && !e.doomed, died)
		check(!dead && e.doomed, undead)
		check(dead && e.doomed && b.failures[e.id] < b.leastFailures(e.mode), early)
		check(b.effects[e.id] > 0 && e.doomed, undone)
	}
	for id := range b.effects {
		if !known[id] {
			unknown.add(id)
		}
	}
	return []*line{lost, double, twice, never, claimed, noRecord, unknown, died, undead, early, undone}
}

// leastFailures is how often the work must have failed before its event is dead. Under
// a lease a claim whose answer is lost in an outage is an attempt, like a crash.
func (b *books) leastFailures(m mode) int {
	if m == transactional {
		return b.maxAttempts
	}
	return 1
}

// buried is the number of events that are dead.
func (b *books) buried() (n int) {
	for _, state := range b.records {
		if state == lease.Dead {
			n++
		}
	}
	return n
}

// worldLines count what can be wrong with everything else.
func (b *books) worldLines() []*line {
	moved := 0
	for id, n := range b.effects {
		if !strings.HasPrefix(id, string(leased)) && transfers(id) {
			moved += 2 * n
		}
	}
	off := &line{what: "accounts off by", count: b.balance - moved}
	answers := &line{what: "unexpected answers"}
	for answer, n := range b.answers {
		if !slices.ContainsFunc(expected, func(e string) bool { return strings.HasPrefix(answer, e) }) {
			answers.count += n
			answers.examples = append(answers.examples, answer)
		}
	}
	goroutines := &line{what: "goroutines more than at the start", count: b.left.Goroutines}
	if goroutines.count > 0 {
		goroutines.examples = []string{b.left.Stacks}
	}
	return []*line{
		off,
		answers,
		{what: "old records that the purge missed", count: b.old},
		{what: "entries left in the inbox", count: b.waiting},
		listed("servers that died by themselves", b.died),
		listed("servers that wrote to standard error", b.said),
		goroutines,
		{what: "connections that the servers hold", count: cmp.Or(b.left.Connections, b.left.InUse)},
		{what: "connections that the database has", count: b.conns},
	}
}

// balanced reports whether all lines are zero.
func balanced(lines []*line) bool {
	return !slices.ContainsFunc(lines, func(l *line) bool { return l.count != 0 })
}
