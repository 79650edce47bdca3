// Command routers wires the same endpoint into net/http, chi, gin and echo.
//
//	go -C examples run ./routers -router chi
//
// Verifier and Middleware wrap http.Handlers. Chi takes them as middleware. Gin
// and echo have handlers of another kind, but a router of theirs is an
// http.Handler, so the webhooks get one of their own, inside; gin.go and echo.go
// say what would go wrong otherwise.
package main

import (
	"context"
	"database/sql"
	"flag"
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
	name := flag.String("router", "net/http", "use this `router`: net/http, chi, gin or echo")
	local.Main(func(m *local.Machine) (http.Handler, error) {
		route, ok := routers[*name]
		if !ok {
			return nil, fmt.Errorf("no router is called %q", *name)
		}
		secret := m.Secret("WEBHOOK_SECRET")
		m.Try("-secret", secret, "-url", m.URL+"/webhooks/acme", "-id", "evt_1")
		m.See("/events")
		db, err := sql.Open("sqlite", m.SQLite())
		if err != nil {
			return nil, err
		}
		m.Defer(db.Close)
		e, err := newEndpoint(m.Context, db, secret)
		if err != nil {
			return nil, err
		}
		return route(e), nil
	})
}

// routers are the functions that put the endpoint's routes together, one in each
// file.
var routers = map[string]func(*endpoint) http.Handler{
	"net/http": routeNetHTTP,
	"chi":      routeChi,
	"gin":      routeGin,
	"echo":     routeEcho,
}

// An endpoint is what all routers have in common.
type endpoint struct {
	db       *sql.DB
	verifier *hmacverify.Verifier
	once     *idempotency.Middleware
}

const createTable = `CREATE TABLE IF NOT EXISTS received (event TEXT NOT NULL, source TEXT NOT NULL, router TEXT NOT NULL)`

func newEndpoint(ctx context.Context, db *sql.DB, secret string) (*endpoint, error) {
	verifier, err := hmacverify.New(preset.XSignature256(), nil, secret)
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
	once := &idempotency.Middleware{Runner: events.Transactional()}
	return &endpoint{db, verifier, once}, nil
}

// record is the work: it is done on the transaction that the context carries.
func record(ctx context.Context, source, router string) error {
	d, _ := hmacverify.FromContext(ctx)
	tx, _ := sqlstore.Tx(ctx)
	_, err := tx.ExecContext(ctx, `INSERT INTO received VALUES ($1, $2, $3)`, d.ID, source, router)
	return err
}

// list returns what was recorded.
func (e *endpoint) list(ctx context.Context) (lines []string, err error) {
	rows, err := e.db.QueryContext(ctx, `SELECT event || ' from ' || source || ' by ' || router FROM received`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return nil, err
		}
		lines = append(lines, line)
	}
	return lines, rows.Err()
}

// serveList is list as an http.Handler.
func (e *endpoint) serveList(w http.ResponseWriter, r *http.Request) {
	lines, err := e.list(r.Context())
	if err != nil {
		http.Error(w, "database", http.StatusInternalServerError)
		return
	}
	for _, line := range lines {
		fmt.Fprintln(w, line)
	}
}
