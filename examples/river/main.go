// Command river hands the work of each event to a job of River
// (https://riverqueue.com), in the same transaction that records the event.
//
//	HOOKONCE_POSTGRES=postgres://… go -C examples run ./river
//
// It makes its tables in that database, and prints a command that sends it an
// event.
//
// The sender is answered as soon as the job is there, in milliseconds, and it is
// there exactly once: event and job are one commit. From then on River does the
// work, tries again when it fails, and keeps what was given up. That is where
// work belongs that takes longer than a sender waits.
package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/riverqueue/river"

	"github.com/hookonce/hookonce/examples/internal/local"
	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/sqlstore"
)

func main() {
	local.Main(func(m *local.Machine) (http.Handler, error) {
		secret, databaseURL := m.Secret("WEBHOOK_SECRET"), os.Getenv("HOOKONCE_POSTGRES")
		if databaseURL == "" {
			return nil, errors.New("HOOKONCE_POSTGRES is not set: it must hold the URL of a PostgreSQL database")
		}
		m.Try("-secret", secret, "-url", m.URL+"/webhooks", "-data", `{"eventId":"evt_1","to":"alice@example.com"}`)
		m.See("/mails")
		db, err := sql.Open("pgx", databaseURL)
		if err != nil {
			return nil, err
		}
		m.Defer(db.Close)
		jobs, err := newJobs(m.Context, db)
		if err != nil {
			return nil, err
		}
		if err := jobs.Start(m.Context); err != nil {
			return nil, err
		}
		m.Defer(func() error { return jobs.Stop(context.Background()) })
		return newHandler(m.Context, db, jobs, secret)
	})
}

func newHandler(ctx context.Context, db *sql.DB, jobs *river.Client[*sql.Tx], secret string) (http.Handler, error) {
	verifier, err := hmacverify.New(preset.XSignature256(), nil, secret)
	if err != nil {
		return nil, err
	}
	events, err := sqlstore.New(db, sqlstore.PostgreSQL, nil)
	if err != nil {
		return nil, err
	}
	if err := events.CreateTables(ctx); err != nil {
		return nil, err
	}
	once := &idempotency.Middleware{Runner: events.Transactional()}
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks", verifier.Handler(once.Handler(&enqueuer{jobs})))
	mux.HandleFunc("GET /mails", func(w http.ResponseWriter, r *http.Request) { list(w, r, db) })
	return mux, nil
}

// An enqueuer makes a job of each event.
type enqueuer struct{ jobs *river.Client[*sql.Tx] }

func (e *enqueuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var args welcome
	if err := json.NewDecoder(r.Body).Decode(&args); err != nil || args.To == "" {
		http.Error(w, "not an event", http.StatusBadRequest)
		return
	}
	tx, _ := sqlstore.Tx(r.Context())
	if _, err := e.jobs.InsertTx(r.Context(), tx, args, nil); err != nil {
		idempotency.Fail(r, err)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

func list(w http.ResponseWriter, r *http.Request, db *sql.DB) {
	rows, err := db.QueryContext(r.Context(), `SELECT recipient, attempt FROM mails ORDER BY recipient`)
	if err != nil {
		http.Error(w, "database", http.StatusInternalServerError)
		return
	}
	defer rows.Close()
	for rows.Next() {
		var to string
		var attempt int
		if err := rows.Scan(&to, &attempt); err != nil {
			http.Error(w, "database", http.StatusInternalServerError)
			return
		}
		fmt.Fprintf(w, "%s at attempt %d\n", to, attempt)
	}
}
