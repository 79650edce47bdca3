// Command standardwebhooks receives the webhooks of any sender that follows
// Standard Webhooks (https://www.standardwebhooks.com), and records each exactly
// once.
//
//	go -C examples run ./standardwebhooks
//
// It prints a command that sends it an event. Its test sends with the official
// JavaScript library.
//
// With a sender of your own, set STANDARD_WEBHOOKS_SECRET (whsec_…) and have it
// send to /webhooks.
package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"

	_ "modernc.org/sqlite"

	"github.com/hookonce/hookonce/examples/internal/local"
	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/sqlstore"
)

func main() {
	local.Main(func(m *local.Machine) (http.Handler, error) {
		secret := os.Getenv("STANDARD_WEBHOOKS_SECRET")
		if secret == "" { // made up, in the form that the standard demands
			secret = "whsec_" + base64.StdEncoding.EncodeToString([]byte(rand.Text()))
		}
		m.Try("-scheme", "standard-webhooks", "-secret", secret, "-url", m.URL+"/webhooks", "-type", "user.created")
		m.See("/events")
		db, err := sql.Open("sqlite", m.SQLite())
		if err != nil {
			return nil, err
		}
		m.Defer(db.Close)
		return newHandler(m.Context, db, secret)
	})
}

const createTable = `CREATE TABLE IF NOT EXISTS received (event TEXT NOT NULL, type TEXT NOT NULL)`

func newHandler(ctx context.Context, db *sql.DB, secret string) (http.Handler, error) {
	verifier, err := hmacverify.New(preset.StandardWebhooks(), nil, secret)
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
	once := &idempotency.Middleware{Runner: events.Transactional(), Duplicate: idempotency.Acknowledge}
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks", verifier.Handler(once.Handler(http.HandlerFunc(receive))))
	mux.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) { list(w, r, db) })
	return mux, nil
}

// receive records the event: its ID is webhook-id, which is signed, and its type
// stands in the body.
func receive(w http.ResponseWriter, r *http.Request) {
	d, _ := hmacverify.FromContext(r.Context())
	tx, _ := sqlstore.Tx(r.Context())
	_, err := tx.ExecContext(r.Context(), `INSERT INTO received VALUES ($1, $2)`, d.ID, d.EventType())
	if err != nil {
		idempotency.Fail(r, err)
	}
}

func list(w http.ResponseWriter, r *http.Request, db *sql.DB) {
	rows, err := db.QueryContext(r.Context(), `SELECT event, type FROM received ORDER BY event`)
	if err != nil {
		http.Error(w, "database", http.StatusInternalServerError)
		return
	}
	defer rows.Close()
	for rows.Next() {
		var id, eventType string
		if err := rows.Scan(&id, &eventType); err != nil {
			http.Error(w, "database", http.StatusInternalServerError)
			return
		}
		fmt.Fprintln(w, id, eventType)
	}
}
