// Command slowwork does work that takes seconds, once for each event, without
// holding a transaction open meanwhile.
//
//	go -C examples run ./slowwork
//
// It prints a command that sends it an event; add -n 5 to see that the copies
// are told to come again. Kill it with SIGKILL in the middle of the work, start
// it again with the same -db, and send the event again: when the lease of the
// dead process has ended, the work is done.
//
// The event is claimed with a lease, which is renewed while the work goes on. Its
// result is then written in a short transaction that also completes the event, so
// the result is there exactly once, and however long the work is, nobody waits
// for its locks.
package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"time"

	_ "modernc.org/sqlite"

	"github.com/hookonce/hookonce/examples/internal/local"
	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/sqlstore"
)

func main() {
	var s server
	file := flag.String("db", "", "keep everything in this `file`; default: one that is gone afterwards")
	flag.DurationVar(&s.work, "work", 5*time.Second, "how `long` the work takes")
	flag.DurationVar(&s.lease, "lease", idempotency.DefaultLease, "how `long` an event stays claimed after a crash")
	local.Main(func(m *local.Machine) (http.Handler, error) {
		secret := m.Secret("WEBHOOK_SECRET")
		m.Try("-secret", secret, "-url", m.URL+"/webhooks", "-id", "evt_1")
		m.See("/reports")
		dsn := m.SQLite()
		if *file != "" {
			dsn = "file:" + *file + "?_pragma=journal_mode(WAL)&_pragma=busy_timeout(2000)"
		}
		var err error
		if s.db, err = sql.Open("sqlite", dsn); err != nil {
			return nil, err
		}
		m.Defer(s.db.Close)
		return s.handler(m.Context, secret)
	})
}

type server struct {
	db          *sql.DB
	events      *sqlstore.Store
	work, lease time.Duration
}

const createTable = `CREATE TABLE IF NOT EXISTS reports (event TEXT NOT NULL, attempt INTEGER NOT NULL, result TEXT NOT NULL)`

func (s *server) handler(ctx context.Context, secret string) (http.Handler, error) {
	verifier, err := hmacverify.New(preset.XSignature256(), nil, secret)
	if err != nil {
		return nil, err
	}
	if s.events, err = sqlstore.New(s.db, sqlstore.SQLite, nil); err != nil {
		return nil, err
	}
	if err := s.events.CreateTables(ctx); err != nil {
		return nil, err
	}
	if err := local.Exec(ctx, s.db, createTable); err != nil {
		return nil, err
	}
	once := &idempotency.Middleware{
		Runner:  &idempotency.Leased{Store: s.events, Lease: s.lease},
		Timeout: 10*time.Minute + s.work, // the handler's own; the sender may have gone long before
	}
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks", verifier.Handler(once.Handler(http.HandlerFunc(s.receive))))
	mux.HandleFunc("GET /reports", s.list)
	return mux, nil
}

// receive does the slow part outside of a transaction, and the rest in one.
func (s *server) receive(w http.ResponseWriter, r *http.Request) {
	var event struct{ EventID string }
	if err := json.NewDecoder(r.Body).Decode(&event); err != nil {
		http.Error(w, "not an event", http.StatusBadRequest)
		return
	}
	result, err := render(r.Context(), s.work)
	if err == nil {
		err = s.save(r.Context(), event.EventID, result)
	}
	if err != nil {
		idempotency.Fail(r, err)
		return
	}
	fmt.Fprintln(w, result)
}

// render is the slow part. Its context ends if the lease is lost.
func render(ctx context.Context, work time.Duration) (string, error) {
	select {
	case <-ctx.Done():
		return "", context.Cause(ctx)
	case <-time.After(work):
		return "a report", nil
	}
}

// save writes the result and completes the event, in one commit. If somebody else
// has taken the event over since, CompleteTx says so and nothing is written.
func (s *server) save(ctx context.Context, event, result string) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	attempt, _ := idempotency.AttemptFrom(ctx)
	_, err = tx.ExecContext(ctx, `INSERT INTO reports VALUES ($1, $2, $3)`, event, attempt.Number, result)
	if err != nil {
		return err
	}
	if err := s.events.CompleteTx(ctx, tx); err != nil {
		return err
	}
	return tx.Commit()
}

func (s *server) list(w http.ResponseWriter, r *http.Request) {
	rows, err := s.db.QueryContext(r.Context(), `SELECT event, attempt, result FROM reports ORDER BY event`)
	if err != nil {
		http.Error(w, "database", http.StatusInternalServerError)
		return
	}
	defer rows.Close()
	for rows.Next() {
		var event, result string
		var attempt int
		if err := rows.Scan(&event, &attempt, &result); err != nil {
			http.Error(w, "database", http.StatusInternalServerError)
			return
		}
		fmt.Fprintf(w, "%s attempt %d: %s\n", event, attempt, result)
	}
}
