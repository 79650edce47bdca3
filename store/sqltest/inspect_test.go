package sqltest_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/inbox"
	"github.com/hookonce/hookonce/idempotency/inspect"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// browse returns a function that sends a request to an inspector of the events of "test",
// and returns the text of the response.
func browse(t *testing.T, events inspect.Store) func(method, target string, status int) string {
	t.Helper()
	page, err := inspect.New(events, &inspect.Options{
		Endpoints: []string{"test"},
		Authorize: func(*http.Request) (inspect.Viewer, bool) {
			return inspect.Viewer{Payloads: true, Redeliver: true, Forget: true}, true
		},
		Audit: func(context.Context, inspect.Action) {},
	})
	if err != nil {
		t.Fatal(err)
	}
	return func(method, target string, status int) string {
		t.Helper()
		w := httptest.NewRecorder()
		page.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, "/"+target, nil))
		if w.Code != status {
			t.Errorf("%s %s: status %d, want %d: %s", method, target, w.Code, status, w.Body)
		}
		return w.Body.String()
	}
}

// dieInInbox adds an entry that is dead.
func dieInInbox(t *testing.T, q inbox.Queue, key idempotency.Key) {
	t.Helper()
	entry := inbox.Entry{Key: key, Delivery: hmacverify.Stored{Scheme: "test", Body: []byte("the payload")}}
	if _, err := q.Enqueue(t.Context(), []inbox.Entry{entry}); err != nil {
		t.Fatal(err)
	}
	jobs, err := q.Dequeue(t.Context(), key.Endpoint(), 1, time.Minute, false)
	if err != nil || len(jobs) != 1 {
		t.Fatalf("dequeued %v, error %v, want one", jobs, err)
	}
	if err := q.Settle(t.Context(), []inbox.Settlement{{Ticket: jobs[0].Ticket, Verdict: inbox.Die, Reason: "the reason"}}); err != nil {
		t.Fatal(err)
	}
}

// The page shows and changes what is in each of the databases.
func TestInspect_Pages(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, &sqlstore.Options{RecordFailures: true, KeepPayloads: true})
		dieInInbox(t, events, keyOf("evt_dead"))
		err := events.RunTx(t.Context(), keyOf("evt_failed"), func(context.Context, *sql.Tx) error {
			return idempotency.Permanent(errors.New("work failed"))
		})
		if !errors.Is(err, idempotency.ErrDead) {
			t.Fatal(err)
		}
		send := browse(t, events)
		for target, want := range map[string]string{
			"":                                       "<b>1</b> dead",
			"entries?endpoint=test&state=dead":       "the reason",
			"failures":                               "work failed",
			"event?scope=test&id=evt_dead":           "dead, died",
			"event?scope=test&id=evt_failed":         "dead, since",
			"payload?scope=test&id=evt_dead":         "the payload",
			"confirm?do=redeliver+all&endpoint=test": "<dd>1</dd>",
		} {
			if text := send("GET", target, 200); !strings.Contains(text, want) {
				t.Errorf("GET %s does not say %q: %s", target, want, text)
			}
		}
		send("GET", "event?scope=test&id=evt_none", 404)
		send("POST", "do?do=redeliver&scope=test&id=evt_dead", 303)
		if s, err := events.Entry(t.Context(), keyOf("evt_dead")); err != nil || s.State != inbox.Waiting {
			t.Errorf("got %v, error %v, want it waiting", s.State, err)
		}
		send("POST", "do?do=redeliver&scope=test&id=evt_dead", 409)
		send("POST", "do?do=retry&scope=test&id=evt_failed", 303)
		if s, err := events.Lookup(t.Context(), keyOf("evt_failed")); err != nil || s.State != lease.Released {
			t.Errorf("got %v, error %v, want it released", s.State, err)
		}
		send("POST", "do?do=forget&scope=test&id=evt_failed", 200)
		send("GET", "event?scope=test&id=evt_failed", 404)
	})
}

// What a page reads is bounded, whatever the number of events, but for the list of records
// that failed, which has no index.
func TestInspect_BoundedReads(t *testing.T) {
	t.Parallel()
	dsns := map[sqlstore.Dialect]func(t *testing.T) (driver, dsn string){
		sqlstore.SQLite: func(t *testing.T) (string, string) {
			return sqliteDriver(), sqliteDSN(filepath.Join(t.TempDir(), "test.db"))
		},
		sqlstore.PostgreSQL: func(t *testing.T) (string, string) { return postgresDriver(), newPostgreSQL(t) },
		sqlstore.MySQL:      func(t *testing.T) (string, string) { return "mysql", mysqlConfig(t, openMariaDB(t)).FormatDSN() },
	}
	for d, dsn := range dsns {
		t.Run(string(d), func(t *testing.T) {
			t.Parallel()
			name, dsn := dsn(t)
			db := open(t, name, dsn)
			statements := new(recorder)
			recorded := sql.OpenDB(recordingConnector{db.Driver(), dsn, statements})
			defer recorded.Close()
			events := newStore(t, recorded, d, &sqlstore.Options{RecordFailures: true})
			if err := events.CreateTables(t.Context()); err != nil {
				t.Fatal(err)
			}
			fillRecords(t, db, d, *idleFinished)
			for round := range 8 {
				var entries []inbox.Entry
				for i := range 250 {
					entries = append(entries, inbox.Entry{Key: keyOf(fmt.Sprint(round, " ", i)), Delivery: hmacverify.Stored{Body: []byte("{}")}})
				}
				if _, err := events.Enqueue(t.Context(), entries); err != nil {
					t.Fatal(err)
				}
			}
			send := browse(t, events)
			for target, most := range map[string]int{
				"":                                       5_000, // counts 2,000 entries, which MariaDB reads twice
				"entries?endpoint=test&state=waiting":    200,
				"event?scope=test&id=0+0":                50,
				"confirm?do=redeliver+all&endpoint=test": 200,
			} {
				statements.forget()
				send("GET", target, 200)
				for _, s := range statements.all() {
					if n := reads(t, db, d, s.text, s.args); n > most {
						t.Errorf("%s: reads %d pages or rows, want at most %d: %s", target, n, most, s.text)
					}
				}
			}
			// A page far behind reads no more than the first, and the 250 of its time.
			before, err := events.Entries(t.Context(), "test", inbox.Waiting, nil, 1500)
			if err != nil || len(before) != 1500 {
				t.Fatalf("listed %d, error %v, want 1500", len(before), err)
			}
			statements.forget()
			if _, err := events.Entries(t.Context(), "test", inbox.Waiting, &before[1499], 50); err != nil {
				t.Fatal(err)
			}
			page, args := statements.with(t, "LIMIT")
			if n := reads(t, db, d, page, args); n > 400 {
				t.Errorf("a page far behind reads %d pages or rows: %s", n, page)
			}
			// Nor does a worker read, or lock, what it does not take.
			statements.forget()
			jobs, err := events.Dequeue(t.Context(), "test", 16, time.Minute, false)
			if err != nil || len(jobs) != 16 {
				t.Fatalf("dequeued %d, error %v, want 16", len(jobs), err)
			}
			pick, args := statements.with(t, "LIMIT")
			if n := reads(t, db, d, pick, args); n > 100 {
				t.Errorf("dequeuing 16 entries reads %d pages or rows: %s", n, pick)
			}
		})
	}
}
