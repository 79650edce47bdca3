// Command slowwork does work that takes seconds, once for each event, without holding a
// transaction open meanwhile.
//
//	WEBHOOK_SECRET=example go -C examples run ./slowwork
//
// Send it an event from another terminal, and look at its reports; with -n 5, the
// duplicates are asked to retry while the event is in flight:
//
//	go run ./hmacverify/send -secret example -url http://127.0.0.1:8080/webhooks -id evt_1
//	curl http://127.0.0.1:8080/reports
//
// Kill the server with SIGKILL in the middle of the work, start it again, and send the
// event again: when the lease of the dead process has expired, the work is done.
//
// The event is claimed with a lease, which is renewed while the work goes on. Its
// result is then written in a short transaction that also completes the event. So the
// effect is exactly-once, and however long the work takes, it holds no locks.
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
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/sqlstore"
)

func main() {
	var s server
	addr := flag.String("addr", "127.0.0.1:8080", "listen on this `address`")
	file := flag.String("db", filepath.Join(os.TempDir(), "slowwork.db"), "keep everything in this `file`")
	flag.DurationVar(&s.work, "work", 5*time.Second, "how `long` the work takes")
	flag.DurationVar(&s.lease, "lease", lease.DefaultLease, "how `long` an event stays claimed after a crash")
	flag.Parse()
	if err := s.run(*addr, *file, os.Getenv("WEBHOOK_SECRET")); err != nil {
		log.Fatal(err)
	}
}

type server struct {
	db          *sql.DB
	events      *sqlstore.Store
	work, lease time.Duration
}

func (s *server) run(addr, file, secret string) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s.db, err = sql.Open("sqlite", "file:"+file+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(2000)")
	if err != nil {
		return err
	}
	defer s.db.Close()
	s.db.SetMaxOpenConns(16)

	handler, err := s.newHandler(ctx, secret)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      s.timeout() + 15*time.Second, // longer than the work may take
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

// timeout is how long the work may take. The sender may have given up long before.
func (s *server) timeout() time.Duration { return s.work + 10*time.Minute }

func (s *server) newHandler(ctx context.Context, secret string) (http.Handler, error) {
	var err error
	if s.events, err = sqlstore.New(s.db, sqlstore.SQLite, nil); err != nil {
		return nil, err
	}
	if err := s.events.CreateTables(ctx); err != nil {
		return nil, err
	}
	_, err = s.db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS reports (event TEXT NOT NULL, attempt INTEGER NOT NULL, result TEXT NOT NULL)`)
	if err != nil {
		return nil, err
	}
	verifier, err := hmacverify.New(preset.XSignature256(), nil, secret)
	if err != nil {
		return nil, err
	}
	leases, err := lease.New(s.events, &lease.Options{Lease: s.lease})
	if err != nil {
		return nil, err
	}
	endpoint, err := idempotency.NewEndpoint("slowwork", verifier, leases, &idempotency.Options{Timeout: s.timeout()})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks", endpoint.Handle(s.receive))
	mux.Handle("GET /reports", show.Rows(s.db, `SELECT event || ' attempt ' || attempt || ': ' || result FROM reports ORDER BY event`))
	return mux, nil
}

// receive does the slow part outside of a transaction. Then it writes the result and
// completes the event, in one commit. If another process has claimed the event since,
// CompleteTx returns an error and nothing is written.
func (s *server) receive(ctx context.Context, claim lease.Claim, d *hmacverify.Delivery) error {
	result, err := render(ctx, s.work)
	if err != nil {
		return err
	}
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	_, err = tx.ExecContext(ctx, `INSERT INTO reports VALUES ($1, $2, $3)`, d.ID, claim.Attempt, result)
	if err != nil {
		return err
	}
	if err := s.events.CompleteTx(ctx, tx, claim); err != nil {
		return err
	}
	return tx.Commit()
}

// render is the slow part. Its context ends if the lease is lost.
func render(ctx context.Context, work time.Duration) (string, error) {
	select {
	case <-ctx.Done():
		return "", context.Cause(ctx)
	case <-time.After(work):
		return "a report", nil
	}
}
