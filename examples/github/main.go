// Command github receives GitHub's webhooks and records each push exactly once.
//
//	GITHUB_WEBHOOK_SECRET=example go -C examples run ./github
//
// Send it a push from another terminal, and look at what it has recorded:
//
//	go run ./hmacverify/send -scheme github -secret example -url http://127.0.0.1:8080/webhooks/github \
//		-data '{"ref":"refs/heads/main","after":"1a2b3c","repository":{"full_name":"octo/cat"}}'
//	curl http://127.0.0.1:8080/pushes
//
// Send it again: the same bytes are the same event. So is a redelivery from GitHub's
// page under another X-GitHub-Delivery, because GitHub does not sign that header. It
// does not sign X-GitHub-Event either, so record looks at the body.
//
// With a webhook of your own, choose the content type application/json.
package main

import (
	"context"
	"database/sql"
	"encoding/json"
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
	if err := run(*addr, os.Getenv("GITHUB_WEBHOOK_SECRET")); err != nil {
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
	_, err = db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS pushes (repository TEXT NOT NULL, ref TEXT NOT NULL, "after" TEXT NOT NULL)`)
	if err != nil {
		return nil, err
	}
	verifier, err := hmacverify.New(preset.GitHub(), nil, secret)
	if err != nil {
		return nil, err
	}
	endpoint, err := idempotency.NewEndpoint("github", verifier, events, &idempotency.Options{
		Timeout: 8 * time.Second, // GitHub waits for 10
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks/github", endpoint.Handle(record))
	mux.Handle("GET /pushes", show.Rows(db, `SELECT repository, ref, "after" FROM pushes`))
	return mux, nil
}

// record records a push and ignores every other event, such as the ping that GitHub
// sends first.
func record(ctx context.Context, tx *sql.Tx, d *hmacverify.Delivery) error {
	var push struct {
		Ref, After string
		Repository struct {
			FullName string `json:"full_name"`
		}
	}
	if err := json.Unmarshal(d.Body, &push); err != nil {
		return idempotency.WithStatus(http.StatusBadRequest, err)
	}
	if push.Ref == "" || push.After == "" {
		return idempotency.ErrIgnored
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO pushes VALUES ($1, $2, $3)`,
		push.Repository.FullName, push.Ref, push.After)
	return err // rolled back and answered 500; the event can be delivered again
}
