// Command github receives GitHub's webhooks and records each push exactly once.
//
//	go -C examples run ./github
//
// It prints a command that sends it a push. A second push with the same bytes, or
// a redelivery from GitHub's page under another X-GitHub-Delivery, is known by
// its body: GitHub does not sign that header. Nor X-GitHub-Event, which is why
// the handler looks into the body.
//
// With a webhook of your own, set GITHUB_WEBHOOK_SECRET and let it send JSON
// (content type application/json) to /webhooks/github.
package main

import (
	"context"
	"database/sql"
	"encoding/json"
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
	local.Main(func(m *local.Machine) (http.Handler, error) {
		secret := m.Secret("GITHUB_WEBHOOK_SECRET")
		m.Try("-scheme", "github", "-secret", secret, "-url", m.URL+"/webhooks/github",
			"-data", `{"ref":"refs/heads/main","after":"1a2b3c","repository":{"full_name":"octo/cat"}}`)
		m.See("/pushes")
		db, err := sql.Open("sqlite", m.SQLite())
		if err != nil {
			return nil, err
		}
		m.Defer(db.Close)
		return newHandler(m.Context, db, secret)
	})
}

const createTable = `CREATE TABLE IF NOT EXISTS pushes (repository TEXT NOT NULL, ref TEXT NOT NULL, "after" TEXT NOT NULL)`

func newHandler(ctx context.Context, db *sql.DB, secret string) (http.Handler, error) {
	verifier, err := hmacverify.New(preset.GitHub(), &hmacverify.Options{
		MaxBody: 25 << 20, // what GitHub sends at most
	}, secret)
	if err != nil {
		return nil, err
	}
	events, err := sqlstore.New(db, sqlstore.SQLite, nil)
	if err != nil {
		return nil, err
	}
	if err := events.CreateTables(ctx); err != nil {
		return nil, err
	}
	if err := local.Exec(ctx, db, createTable); err != nil {
		return nil, err
	}
	once := &idempotency.Middleware{
		Runner:    events.Transactional(),
		Duplicate: idempotency.Acknowledge, // a 409 would be shown as a failure
		Timeout:   8 * time.Second,         // GitHub gives up after 10
	}
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks/github", verifier.Handler(once.Handler(http.HandlerFunc(receive))))
	mux.HandleFunc("GET /pushes", func(w http.ResponseWriter, r *http.Request) { list(w, r, db) })
	return mux, nil
}

// receive records a push. All other events, such as the ping that GitHub sends
// first, are done with nothing.
func receive(w http.ResponseWriter, r *http.Request) {
	var push struct {
		Ref, After string
		Repository struct {
			FullName string `json:"full_name"`
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&push); err != nil {
		http.Error(w, "not JSON", http.StatusBadRequest)
		return
	}
	if push.Ref == "" || push.After == "" {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	tx, _ := sqlstore.Tx(r.Context()) // committed with the event's record, by the middleware
	_, err := tx.ExecContext(r.Context(), `INSERT INTO pushes VALUES ($1, $2, $3)`,
		push.Repository.FullName, push.Ref, push.After)
	if err != nil {
		idempotency.Fail(r, err) // rolled back, answered 500, and can be delivered again
		return
	}
	fmt.Fprintln(w, "recorded")
}

func list(w http.ResponseWriter, r *http.Request, db *sql.DB) {
	rows, err := db.QueryContext(r.Context(), `SELECT repository, ref, "after" FROM pushes`)
	if err != nil {
		http.Error(w, "database", http.StatusInternalServerError)
		return
	}
	defer rows.Close()
	for rows.Next() {
		var repository, ref, after string
		if err := rows.Scan(&repository, &ref, &after); err != nil {
			http.Error(w, "database", http.StatusInternalServerError)
			return
		}
		fmt.Fprintln(w, repository, ref, after)
	}
}
