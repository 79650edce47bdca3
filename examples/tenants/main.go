// Command tenants receives the webhooks of many tenants at one endpoint. The path names
// the tenant, and each has secrets of its own.
//
//	ACME_WEBHOOK_SECRET=example go -C examples run ./tenants
//
// Send it an event of the tenant acme from another terminal, and look at its counts:
//
//	go run ./hmacverify/send -secret example -url http://127.0.0.1:8080/webhooks/acme
//	curl http://127.0.0.1:8080/counts
//
// The events of two tenants never meet: the tenant's name is part of their keys'
// scope, so that both can call an event evt_1.
package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	_ "modernc.org/sqlite"

	"github.com/hookonce/hookonce/examples/internal/show"
	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/sqlstore"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "listen on this `address`")
	flag.Parse()
	if err := run(*addr, os.Getenv("ACME_WEBHOOK_SECRET")); err != nil {
		log.Fatal(err)
	}
}

func run(addr, secret string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir, err := os.MkdirTemp("", "hookonce-") // you have a database already
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "example.db")+
		"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(2000)")
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(16)

	handler, err := newHandler(ctx, db, map[string]string{"acme": secret, "globex": rand.Text()})
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      45 * time.Second, // longer than the work may take
		IdleTimeout:       2 * time.Minute,
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	fmt.Printf("listening on http://%s\n", listener.Addr())
	stopped := make(chan error, 1)
	context.AfterFunc(ctx, func() { stopped <- server.Shutdown(context.WithoutCancel(ctx)) })
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped // the requests in flight have been answered
}

func newHandler(ctx context.Context, db *sql.DB, secrets map[string]string) (http.Handler, error) {
	if err := createTables(ctx, db, secrets); err != nil {
		return nil, err
	}
	events, err := sqlstore.New(db, sqlstore.SQLite, nil)
	if err != nil {
		return nil, err
	}
	if err := events.CreateTables(ctx); err != nil {
		return nil, err
	}
	verifier, err := hmacverify.New(preset.XSignature256(), &hmacverify.Options{
		Keys: func(r *http.Request) (hmacverify.Tenant, error) { return findTenant(r, db) },
	})
	if err != nil {
		return nil, err
	}
	endpoint, err := idempotency.NewEndpoint("tenants", verifier, events, nil)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks/{tenant}", endpoint.Handle(count))
	mux.Handle("GET /counts", show.Rows(db, `SELECT tenant, events FROM counts ORDER BY tenant`))
	return mux, nil
}

// createTables creates the example's own tables, with some tenants.
func createTables(ctx context.Context, db *sql.DB, secrets map[string]string) error {
	_, err := db.ExecContext(ctx, `
		CREATE TABLE tenants (name TEXT PRIMARY KEY COLLATE NOCASE, secret TEXT NOT NULL, closed BOOLEAN NOT NULL DEFAULT FALSE);
		CREATE TABLE counts (tenant TEXT PRIMARY KEY, events INTEGER NOT NULL)`)
	if err != nil {
		return err
	}
	for tenant, secret := range secrets {
		if _, err := db.ExecContext(ctx, `INSERT INTO tenants (name, secret) VALUES ($1, $2)`, tenant, secret); err != nil {
			return err
		}
	}
	return nil
}

// findTenant finds the keys of the tenant that the path names. It returns the name
// that the table has: the table takes ACME and acme for the same tenant, and under two
// names a captured delivery could be processed once more.
func findTenant(r *http.Request, db *sql.DB) (hmacverify.Tenant, error) {
	var t hmacverify.Tenant
	var secret string
	err := db.QueryRowContext(r.Context(), `SELECT name, secret FROM tenants WHERE name = $1 AND NOT closed`,
		r.PathValue("tenant")).Scan(&t.Name, &secret)
	if errors.Is(err, sql.ErrNoRows) {
		return t, hmacverify.ErrNoKey // 401, as for a wrong signature
	}
	if err != nil {
		return t, err // 503: the sender retries
	}
	t.Keys = []string{secret}
	return t, nil
}

func count(ctx context.Context, tx *sql.Tx, d *hmacverify.Delivery) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO counts VALUES ($1, 1)
		ON CONFLICT (tenant) DO UPDATE SET events = events + 1`, d.Tenant)
	return err
}
