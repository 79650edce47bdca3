// Command river hands the work of each event to a job of River
// (https://riverqueue.com), in the same transaction that records the event.
//
//	HOOKONCE_POSTGRES=postgres://localhost/postgres WEBHOOK_SECRET=example go -C examples run ./river
//
// It creates its tables in that database. Send it an event from another terminal, and
// look at the mails that its jobs have sent:
//
//	go run ./hmacverify/send -secret example -url http://127.0.0.1:8080/webhooks \
//		-data '{"eventId":"evt_1","to":"alice@example.com"}'
//	curl http://127.0.0.1:8080/mails
//
// The response is sent as soon as the job exists, in milliseconds, and it exists
// exactly once: event and job are one commit. From then on River does the work, retries
// it when it fails, and keeps what it gave up. Work that takes longer than a sender
// waits belongs there.
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
	"syscall"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/riverqueue/river"

	"github.com/hookonce/hookonce/examples/internal/show"
	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/sqlstore"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "listen on this `address`")
	flag.Parse()
	databaseURL := os.Getenv("HOOKONCE_POSTGRES")
	if databaseURL == "" {
		log.Fatal("HOOKONCE_POSTGRES is not set: it must hold the URL of a PostgreSQL database")
	}
	if err := run(*addr, databaseURL, os.Getenv("WEBHOOK_SECRET")); err != nil {
		log.Fatal(err)
	}
}

func run(addr, databaseURL, secret string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	db, err := sql.Open("pgx", databaseURL)
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(16)

	jobs, err := newJobs(ctx, db)
	if err != nil {
		return err
	}
	if err := jobs.Start(ctx); err != nil {
		return err
	}
	defer jobs.Stop(context.WithoutCancel(ctx)) // after the jobs that have begun
	handler, err := newHandler(ctx, db, jobs, secret)
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

func newHandler(ctx context.Context, db *sql.DB, jobs *river.Client[*sql.Tx], secret string) (http.Handler, error) {
	events, err := sqlstore.New(db, sqlstore.PostgreSQL, nil)
	if err != nil {
		return nil, err
	}
	if err := events.CreateTables(ctx); err != nil {
		return nil, err
	}
	verifier, err := hmacverify.New(preset.XSignature256(), nil, secret)
	if err != nil {
		return nil, err
	}
	endpoint, err := idempotency.NewEndpoint("river", verifier, events, nil)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks", endpoint.Handle(func(ctx context.Context, tx *sql.Tx, d *hmacverify.Delivery) error {
		var args welcome
		if err := json.Unmarshal(d.Body, &args); err != nil || args.To == "" {
			return idempotency.WithStatus(http.StatusBadRequest, errors.New("not an event"))
		}
		_, err := jobs.InsertTx(ctx, tx, args, nil)
		return err
	}))
	mux.Handle("GET /mails", show.Rows(db, `SELECT recipient, 'at attempt', attempt FROM mails ORDER BY recipient`))
	return mux, nil
}
