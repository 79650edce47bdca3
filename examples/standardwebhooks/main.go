// Command standardwebhooks receives the webhooks of any sender that follows Standard
// Webhooks (https://www.standardwebhooks.com) and records each exactly once. Its test
// sends with the official JavaScript library.
//
//	STANDARD_WEBHOOKS_SECRET=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw go -C examples run ./standardwebhooks
//
// Send it an event from another terminal, and look at what it has recorded:
//
//	go run ./hmacverify/send -scheme standard-webhooks -secret whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw \
//		-url http://127.0.0.1:8080/webhooks -id msg_1 -type user.created
//	curl http://127.0.0.1:8080/events
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
	flag.Parse()
	if err := run(*addr, os.Getenv("STANDARD_WEBHOOKS_SECRET")); err != nil {
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

	handler, err := newHandler(ctx, db, secret)
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

func newHandler(ctx context.Context, db *sql.DB, secret string) (http.Handler, error) {
	events, err := sqlstore.New(db, sqlstore.SQLite, nil)
	if err != nil {
		return nil, err
	}
	if err := events.CreateTables(ctx); err != nil {
		return nil, err
	}
	_, err = db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS received (event TEXT NOT NULL, type TEXT NOT NULL)`)
	if err != nil {
		return nil, err
	}
	verifier, err := hmacverify.New(preset.StandardWebhooks(), nil, secret)
	if err != nil {
		return nil, err
	}
	endpoint, err := idempotency.NewEndpoint("standardwebhooks", verifier, events, nil)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks", endpoint.Handle(record))
	mux.Handle("GET /events", show.Rows(db, `SELECT event, type FROM received ORDER BY event`))
	return mux, nil
}

// record records the event's ID, the signed header webhook-id, and its type, which is
// in the body.
func record(ctx context.Context, tx *sql.Tx, d *hmacverify.Delivery) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO received VALUES ($1, $2)`, d.ID, d.EventType())
	return err
}
