//go:build linux

package patroni_test

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hookonce/hookonce/store/sqlstore"
)

// books hold what was acknowledged.
type books struct {
	mu           sync.Mutex
	events       [modes]int // so many there are
	acknowledged [modes]map[int]*acknowledgment
	order        [modes][]int // the same, as they were acknowledged
}

// An acknowledgment is the first of an event.
type acknowledgment struct {
	at   time.Time
	by   string // the server
	lost bool   // as a later delivery has shown
}

// next is a new event.
func (b *books) next(m mode) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.events[m]++
	return b.events[m] - 1
}

// apart is the first of the events that are counted in rows of their own: commits that wait
// for a standby have the others locked.
const apart = 1 << 30

func (b *books) nextApart(m mode) int { return apart + b.next(m) }

// counterOf is the row in which an event is counted.
func counterOf(event int) int {
	if event >= apart {
		return event
	}
	return event % hotRows
}

// has reports whether the event was acknowledged.
func (b *books) has(m mode, event int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.acknowledged[m][event] != nil
}

// acknowledge enters an event that a server has acknowledged.
func (b *books) acknowledge(m mode, event int, by string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.acknowledged[m] == nil {
		b.acknowledged[m] = make(map[int]*acknowledgment)
	}
	if b.acknowledged[m][event] == nil {
		b.acknowledged[m][event] = &acknowledgment{at: time.Now(), by: by}
		b.order[m] = append(b.order[m], event)
	}
}

// lose enters that an event was processed by a delivery that began after it had been
// acknowledged: it was lost in between.
func (b *books) lose(m mode, event int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.acknowledged[m][event].lost = true
}

// last returns every other event of the last that were acknowledged. Those between are not
// delivered again, which could hide that they are lost.
func (b *books) last(n int) (all [modes][]int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for m := range modes {
		for i := max(0, len(b.order[m])-n); i < len(b.order[m]); i += 2 {
			all[m] = append(all[m], b.order[m][i])
		}
	}
	return all
}

// A balance is what the books and the database say of the events.
type balance struct {
	acknowledged, lost, twice int
	counted                   int // by the counters
	effects                   int
	wrong                     []string // in the order of the time
}

func (b *books) balance(t *testing.T, dsn string) (sum balance) {
	t.Helper()
	db := open(t, dsn)
	times := effects(t, db)
	if err := db.QueryRowContext(t.Context(), "SELECT sum(n) FROM counters").Scan(&sum.counted); err != nil {
		t.Fatal(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for m := range modes {
		sum.acknowledged += len(b.acknowledged[m])
		for event, a := range b.acknowledged[m] {
			if a.lost || times[m][event] == 0 {
				sum.lost++
				sum.wrong = append(sum.wrong, fmt.Sprintf("%s %s acknowledged event %d of %v, which is lost", a.at.UTC().Format("15:04:05.000"), a.by, event, m))
			}
		}
		for event, n := range times[m] {
			sum.effects += n
			if n > 1 {
				sum.twice++
				sum.wrong = append(sum.wrong, fmt.Sprintf("event %d of %v took effect %d times", event, m, n))
			}
		}
	}
	slices.Sort(sum.wrong)
	return sum
}

// effects returns how often each event took effect.
func effects(t *testing.T, db *sql.DB) (times [modes]map[int]int) {
	t.Helper()
	for m := range times {
		times[m] = make(map[int]int)
	}
	rows, err := db.QueryContext(t.Context(), "SELECT mode, event, count(*) FROM effects GROUP BY mode, event")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var m, event, n int
		if err := rows.Scan(&m, &event, &n); err != nil {
			t.Fatal(err)
		}
		times[m][event] = n
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return times
}

// createTables creates a database with the tables of the stores and of the books.
func createTables(t *testing.T, c *cluster, database string) {
	t.Helper()
	mustExec(t, open(t, c.dsn("postgres", c.proxyPort)), "CREATE DATABASE "+database)
	db := open(t, c.dsn(database, c.proxyPort))
	s, err := sqlstore.New(db, sqlstore.PostgreSQL, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.CreateTables(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustExec(t, db, "CREATE TABLE effects (mode int NOT NULL, event int NOT NULL)") // not unique: what happens twice is seen
	mustExec(t, db, "CREATE TABLE counters (mode int NOT NULL, id int NOT NULL, n int NOT NULL, PRIMARY KEY (mode, id))")
}

func open(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func mustExec(t *testing.T, db *sql.DB, query string) {
	t.Helper()
	if _, err := db.ExecContext(context.WithoutCancel(t.Context()), query); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}
