package sqltest_test

import (
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/hookonce/hookonce/idempotency/inbox"
	"github.com/hookonce/hookonce/store/sqlstore"
	"github.com/hookonce/hookonce/store/storetest"
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
