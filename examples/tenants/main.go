// Command tenants receives webhooks for many tenants at one endpoint. The path
// names the tenant, and each has secrets of its own.
//
//	go -C examples run ./tenants
//
// It prints a command that sends to the tenant acme. The events of two tenants
// never meet: the tenant's name is part of their keys' scope, so that both may
// call an event evt_1.
package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"net/http"

	_ "modernc.org/sqlite"

	"github.com/hookonce/hookonce/examples/internal/local"
	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/sqlstore"
)

func main() {
	local.Main(func(m *local.Machine) (http.Handler, error) {
		secret := m.Secret("ACME_WEBHOOK_SECRET")
		m.Try("-secret", secret, "-url", m.URL+"/webhooks/acme")
		m.See("/counts")
		db, err := sql.Open("sqlite", m.SQLite())
		if err != nil {
			return nil, err
		}
		m.Defer(db.Close)
		return newHandler(m.Context, db, map[string]string{"acme": secret, "globex": rand.Text()})
	})
}

var createTables = []string{
	`CREATE TABLE IF NOT EXISTS tenants (name TEXT PRIMARY KEY COLLATE NOCASE, secret TEXT NOT NULL, closed BOOLEAN NOT NULL DEFAULT FALSE)`,
	`CREATE TABLE IF NOT EXISTS counts (tenant TEXT PRIMARY KEY, events INTEGER NOT NULL)`,
}

func newHandler(ctx context.Context, db *sql.DB, secrets map[string]string) (http.Handler, error) {
	if err := local.Exec(ctx, db, createTables...); err != nil {
		return nil, err
	}
	for tenant, secret := range secrets {
		if _, err := db.ExecContext(ctx, `INSERT INTO tenants (name, secret) VALUES ($1, $2)`, tenant, secret); err != nil {
			return nil, err
		}
	}
	verifier, err := hmacverify.New(preset.XSignature256(), &hmacverify.Options{
		Keys: func(r *http.Request) (hmacverify.Tenant, error) { return findTenant(r, db) },
	})
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
	once := &idempotency.Middleware{Runner: events.Transactional()}
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks/{tenant}", verifier.Handler(once.Handler(http.HandlerFunc(receive))))
	mux.HandleFunc("GET /counts", func(w http.ResponseWriter, r *http.Request) { list(w, r, db) })
	return mux, nil
}

// findTenant finds the keys of the tenant that the path names. The name that it
// returns is the table's: the table takes ACME and acme for the same tenant, and
// under two names a delivery could be replayed once more.
func findTenant(r *http.Request, db *sql.DB) (hmacverify.Tenant, error) {
	var t hmacverify.Tenant
	var secret string
	err := db.QueryRowContext(r.Context(), `SELECT name, secret FROM tenants WHERE name = $1 AND NOT closed`,
		r.PathValue("tenant")).Scan(&t.Name, &secret)
	if err == sql.ErrNoRows {
		return t, hmacverify.ErrNoKey // 401, as for a wrong signature
	}
	if err != nil {
		return t, err // 503: the sender comes again
	}
	t.Keys = []string{secret}
	return t, nil
}

func receive(w http.ResponseWriter, r *http.Request) {
	d, _ := hmacverify.FromContext(r.Context())
	tx, _ := sqlstore.Tx(r.Context())
	_, err := tx.ExecContext(r.Context(), `INSERT INTO counts VALUES ($1, 1)
		ON CONFLICT (tenant) DO UPDATE SET events = events + 1`, d.Tenant)
	if err != nil {
		idempotency.Fail(r, err)
		return
	}
	fmt.Fprintln(w, "counted for", d.Tenant)
}

func list(w http.ResponseWriter, r *http.Request, db *sql.DB) {
	rows, err := db.QueryContext(r.Context(), `SELECT tenant, events FROM counts ORDER BY tenant`)
	if err != nil {
		http.Error(w, "database", http.StatusInternalServerError)
		return
	}
	defer rows.Close()
	for rows.Next() {
		var tenant string
		var events int
		if err := rows.Scan(&tenant, &events); err != nil {
			http.Error(w, "database", http.StatusInternalServerError)
			return
		}
		fmt.Fprintln(w, tenant, events)
	}
}
