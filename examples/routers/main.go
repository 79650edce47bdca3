// Command routers serves an endpoint with net/http, chi, gin or echo.
//
//	WEBHOOK_SECRET=example go -C examples run ./routers -router chi
//
// Send it an event from another terminal, and look at what it has recorded:
//
//	go run ./hmacverify/send -secret example -url http://127.0.0.1:8080/webhooks/acme -id evt_1
//	curl http://127.0.0.1:8080/events
//
// An endpoint wraps an http.Handler, so it is middleware for chi and for net/http. Gin
// and echo have handlers of another kind. Either call the endpoint inside of a handler
// of theirs, as gin.go does, or wrap a router of theirs, which is an http.Handler, as
// echo.go does.
package main

import (
	"context"
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
	router := flag.String("router", "net/http", "use this `router`: net/http, chi, gin or echo")
	flag.Parse()
	if err := run(*addr, os.Getenv("WEBHOOK_SECRET"), *router); err != nil {
		log.Fatal(err)
	}
}

func run(addr, secret, router string) error {
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

	endpoint, err := newEndpoint(ctx, db, secret)
	if err != nil {
		return err
	}
	route, ok := routers[router]
	if !ok {
		return fmt.Errorf("no router is called %q", router)
	}
	server := &http.Server{
		Handler:           route(endpoint, events(db)),
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

// routers are the functions that set up the routes, one in each file.
var routers = map[string]func(e *idempotency.Endpoint[*sql.Tx], events http.HandlerFunc) http.Handler{
	"net/http": routeNetHTTP,
	"chi":      routeChi,
	"gin":      routeGin,
	"echo":     routeEcho,
}

func newEndpoint(ctx context.Context, db *sql.DB, secret string) (*idempotency.Endpoint[*sql.Tx], error) {
	events, err := sqlstore.New(db, sqlstore.SQLite, nil)
	if err != nil {
		return nil, err
	}
	if err := events.CreateTables(ctx); err != nil {
		return nil, err
	}
	_, err = db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS received (event TEXT NOT NULL, source TEXT NOT NULL, router TEXT NOT NULL)`)
	if err != nil {
		return nil, err
	}
	verifier, err := hmacverify.New(preset.XSignature256(), nil, secret)
	if err != nil {
		return nil, err
	}
	return idempotency.NewEndpoint("routers", verifier, events, nil)
}

// record is the work. Below an endpoint's Wrap, it finds the delivery and the
// transaction in the context.
func record(ctx context.Context, source, router string) error {
	d, _ := hmacverify.FromContext(ctx)
	tx, _ := sqlstore.Tx(ctx)
	_, err := tx.ExecContext(ctx, `INSERT INTO received VALUES ($1, $2, $3)`, d.ID, source, router)
	return err
}

// events lists what was recorded.
func events(db *sql.DB) http.HandlerFunc {
	return show.Rows(db, `SELECT event || ' from ' || source || ' by ' || router FROM received`)
}
