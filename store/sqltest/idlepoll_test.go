package sqltest_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"flag"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency/inbox"
	"github.com/hookonce/hookonce/store/sqlstore"
)

var idleFinished = flag.Int("inbox.idle", 20_000, "events that are done, in TestQueue_IdlePoll")

// What a process that has nothing to do reads depends neither on the number of events that
// are done nor on what an old snapshot keeps of their entries.
func TestQueue_IdlePoll(t *testing.T) {
	t.Parallel()
	dsns := map[sqlstore.Dialect]func(t *testing.T) (driver, dsn string){
		sqlstore.SQLite: func(t *testing.T) (string, string) {
			return sqliteDriver(), sqliteDSN(filepath.Join(t.TempDir(), "test.db"))
		},
		sqlstore.PostgreSQL: func(t *testing.T) (string, string) { return postgresDriver(), newPostgreSQL(t) },
		sqlstore.MySQL: func(t *testing.T) (string, string) {
			config := mysqlConfig(t, openMariaDB(t))
			return "mysql", config.FormatDSN()
		},
	}
	for d, dsn := range dsns {
		t.Run(string(d), func(t *testing.T) {
			t.Parallel()
			name, dsn := dsn(t)
			db := open(t, name, dsn)
			statements := new(recorder)
			recorded := sql.OpenDB(recordingConnector{db.Driver(), dsn, statements})
			defer recorded.Close()
			events := newStore(t, recorded, d, nil)
			if err := events.CreateTables(t.Context()); err != nil {
				t.Fatal(err)
			}
			look := func() int {
				t.Helper()
				statements.forget()
				if due, err := events.Due(t.Context(), []string{"test", "other"}); err != nil || len(due) > 0 {
					t.Fatalf("got %v, %v, want that nothing is due", due, err)
				}
				query, args := statements.with(t, "EXISTS")
				return reads(t, db, d, query, args)
			}
			look()
			few := look()
			if d != sqlstore.SQLite { // which keeps no old versions in its tables
				old, err := db.BeginTx(t.Context(), &sql.TxOptions{Isolation: sql.LevelRepeatableRead})
				if err != nil {
					t.Fatal(err)
				}
				defer old.Rollback()
				if err := old.QueryRowContext(t.Context(), "SELECT count(*) FROM "+sqlstore.DefaultTable).Scan(new(int)); err != nil {
					t.Fatal(err)
				}
			}
			fillRecords(t, db, d, *idleFinished)
			for i := range 8 {
				passThrough(t, events, i, 250)
			}
			look()
			time.Sleep(5500 * time.Millisecond) // a mark stays as far behind as a transaction may be late
			look()
			if many := look(); many > few+10 {
				t.Errorf("a look reads %d pages or rows, and %d when nothing had been there", many, few)
			}
		})
	}
}

// passThrough has n events accepted, dequeued and done.
func passThrough(t *testing.T, events *sqlstore.Store, round, n int) {
	t.Helper()
	var entries []inbox.Entry
	for i := range n {
		entries = append(entries, inbox.Entry{Key: keyOf(fmt.Sprint(round, " ", i)), Delivery: hmacverify.Stored{Body: []byte("{}")}})
	}
	if _, err := events.Enqueue(t.Context(), entries); err != nil {
		t.Fatal(err)
	}
	jobs, err := events.Dequeue(t.Context(), "test", n, time.Minute, false)
	if err != nil || len(jobs) != n {
		t.Fatalf("dequeued %d, error %v, want %d", len(jobs), err, n)
	}
	var done []inbox.Settlement
	for _, j := range jobs {
		done = append(done, inbox.Settlement{Ticket: j.Ticket, Verdict: inbox.Done})
	}
	if err := events.Settle(t.Context(), done); err != nil {
		t.Fatal(err)
	}
}

// reads returns how many pages (PostgreSQL) or rows of indexes (MariaDB) a query reads. Of
// SQLite it checks that the query searches an index.
func reads(t *testing.T, db *sql.DB, d sqlstore.Dialect, query string, args []any) int {
	t.Helper()
	switch d {
	case sqlstore.PostgreSQL:
		var text string
		if err := db.QueryRowContext(t.Context(), "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "+query, args...).Scan(&text); err != nil {
			t.Fatal(err)
		}
		var plans []struct {
			Plan struct {
				Hit  int `json:"Shared Hit Blocks"`
				Read int `json:"Shared Read Blocks"`
			}
		}
		if err := json.Unmarshal([]byte(text), &plans); err != nil {
			t.Fatal(err)
		}
		return plans[0].Plan.Hit + plans[0].Plan.Read
	case sqlstore.MySQL:
		return handlerReads(t, db, query, args)
	}
	rows, err := db.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var detail string
		if err := rows.Scan(new(int), new(int), new(int), &detail); err != nil {
			t.Fatal(err)
		}
		// Of a list the last condition of a page is checked row by row.
		if strings.HasPrefix(detail, "SCAN "+sqlstore.DefaultTable) || strings.Contains(detail, "TEMP B-TREE") {
			t.Errorf("the plan has %q: %s", detail, query)
		}
		if strings.Contains(query, "EXISTS") && strings.Contains(detail, "inbox") && !strings.Contains(detail, "(endpoint=? AND state=? AND due_at>? AND due_at<?)") {
			t.Errorf("the plan has %q", detail)
		}
	}
	return 0
}

func handlerReads(t *testing.T, db *sql.DB, query string, args []any) (n int) {
	t.Helper()
	c, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.ExecContext(t.Context(), "FLUSH STATUS"); err != nil {
		t.Fatal(err)
	}
	rows, err := c.QueryContext(t.Context(), query, args...)
	if err != nil {
		t.Fatal(err)
	}
	rows.Close()
	rows, err = c.QueryContext(t.Context(), "SHOW SESSION STATUS LIKE 'Handler_read%'")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var value int
		if err := rows.Scan(&name, &value); err != nil {
			t.Fatal(err)
		}
		n += value
	}
	return n
}

// A recorder keeps the statements of connections that a recordingConnector has opened.
type recorder struct {
	mu   sync.Mutex
	text []string
	args [][]driver.NamedValue
}

func (r *recorder) add(text string, args []driver.NamedValue) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.text, r.args = append(r.text, text), append(r.args, args)
}

func (r *recorder) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.text, r.args = nil, nil
}

// A recordedStatement is a statement that was sent.
type recordedStatement struct {
	text string
	args []any
}

// all returns the statements, in their order.
func (r *recorder) all() (all []recordedStatement) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, text := range r.text {
		s := recordedStatement{text: text}
		for _, a := range r.args[i] {
			s.args = append(s.args, a.Value)
		}
		all = append(all, s)
	}
	return all
}

// with returns the one statement that contains word.
func (r *recorder) with(t *testing.T, word string) (text string, args []any) {
	t.Helper()
	for _, s := range r.all() {
		if strings.Contains(s.text, word) {
			if text != "" {
				t.Fatalf("two statements with %s", word)
			}
			text, args = s.text, s.args
		}
	}
	if text == "" {
		t.Fatalf("no statement with %s", word)
	}
	return text, args
}

type recordingConnector struct {
	driver  driver.Driver
	dsn     string
	records *recorder
}

func (c recordingConnector) Driver() driver.Driver { return c.driver }

func (c recordingConnector) Connect(context.Context) (driver.Conn, error) {
	conn, err := c.driver.Open(c.dsn)
	if err != nil {
		return nil, err
	}
	return recordingConn{conn, c.records}, nil
}

type recordingConn struct {
	driver.Conn
	records *recorder
}

func (c recordingConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.records.add(query, args)
	return c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
}

func (c recordingConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	c.records.add(query, args)
	return c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
}

func (c recordingConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	return c.Conn.(driver.ConnPrepareContext).PrepareContext(ctx, query)
}

func (c recordingConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	return c.Conn.(driver.ConnBeginTx).BeginTx(ctx, o)
}
