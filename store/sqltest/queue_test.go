package sqltest_test

import (
	"database/sql"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency/inbox"
	"github.com/hookonce/hookonce/store/sqlstore"
	"github.com/hookonce/hookonce/store/storetest"
	"golang.org/x/sync/errgroup"
)

func TestQueue_Contract(t *testing.T) {
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, nil)
		storetest.RunQueue(t, func(*testing.T) storetest.QueueStore { return events })
	})
}

// The mark below which nothing is looked for hides neither what has waited for long nor
// what a slow transaction has made due a moment ago in the past.
func TestQueue_OverdueEntries(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, nil)
		due := func() bool {
			t.Helper()
			found, err := events.Due(t.Context(), []string{"test"})
			if err != nil {
				t.Fatal(err)
			}
			return len(found) > 0 && found[0].Waiting
		}
		for _, late := range []time.Duration{500 * time.Millisecond, time.Hour} {
			id := fmt.Sprint("late by ", late)
			if late < slackOfLooks && due() { // sets the mark
				t.Fatal("something is due in an empty queue")
			}
			acceptMany(t, events, id, 1)
			mustExec(t, db, fmt.Sprintf("UPDATE idempotency_records_inbox SET due_at = due_at - %d", late.Microseconds()))
			if late > slackOfLooks {
				events = newStore(t, db, d, nil) // a process that starts
			}
			for round := range 2 {
				if !due() {
					t.Errorf("%s: look %d finds nothing", id, round+1)
				}
			}
			jobs, err := events.Dequeue(t.Context(), "test", 10, time.Minute, false)
			if err != nil || len(jobs) != 1 {
				t.Fatalf("%s: dequeued %d, error %v, want 1", id, len(jobs), err)
			}
			if err := events.Settle(t.Context(), settlementsOf(jobs, inbox.Done)); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// slackOfLooks is how late an entry may appear that the next look finds.
const slackOfLooks = time.Second

// Copies that are accepted in the same microsecond do not meet as an error in the index of
// due times. The clock stands still: its function is one of the schema's.
func TestQueue_AcceptedInTheSameMicrosecond(t *testing.T) {
	t.Parallel()
	dsn := newPostgreSQL(t)
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("search_path", q.Get("search_path")+",pg_catalog") // in which order functions are found
	u.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20")
	db := open(t, postgresDriver(), u.String())
	mustExec(t, db, `CREATE FUNCTION clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $$ SELECT timestamptz '2026-01-01 00:00:00Z' $$`)
	events := newEvents(t, db, sqlstore.PostgreSQL, nil)
	for round := range 100 {
		var g errgroup.Group
		for range 4 {
			g.Go(func() error {
				_, err := events.Enqueue(t.Context(), []inbox.Entry{{Key: keyOf(fmt.Sprint(round)), Delivery: hmacverify.Stored{Body: []byte("{}")}}})
				return err
			})
		}
		if err := g.Wait(); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
	}
}
