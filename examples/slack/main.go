// Command slack answers Slack at once, which waits for three seconds, and does ten seconds
// of work for each event afterwards, once.
//
//	SLACK_SIGNING_SECRET=example go -C examples run ./slack
//
// Send it an event from another terminal, and look at its reports:
//
//	go run ./hmacverify/send -preset slack -secret example -url http://127.0.0.1:8080/webhooks/slack -body '{"event_id":"Ev1","event":{"type":"app_mention"}}'
//	curl http://127.0.0.1:8080/reports
//
// Kill the server with SIGKILL in the middle of the work and start it again: when the
// lease of the dead process has expired, the work is done.
//
// The delivery is stored before it is answered. The work runs under a lease, so that it
// holds no transaction while it takes its time; the result is then written in a short one
// that also completes the event.
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

	"golang.org/x/sync/errgroup"
	_ "modernc.org/sqlite"

	"github.com/hookonce/hookonce/examples/internal/show"
	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/inbox"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/sqlstore"
)

func main() {
	var s server
	addr := flag.String("addr", "127.0.0.1:8080", "listen on this `address`")
	file := flag.String("db", filepath.Join(os.TempDir(), "slack.db"), "keep everything in this `file`")
	flag.DurationVar(&s.work, "work", 10*time.Second, "how `long` the work takes")
	flag.DurationVar(&s.lease, "lease", inbox.DefaultLease, "how `long` an event stays with a process that has died")
	flag.Parse()
	if err := s.run(*addr, *file, os.Getenv("SLACK_SIGNING_SECRET")); err != nil {
		log.Fatal(err)
	}
}

type server struct {
	db          *sql.DB
	events      *sqlstore.Store
	box         *inbox.Inbox
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
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	fmt.Printf("listening on http://%s\n", listener.Addr())

	// The workers stop after the server, which may accept to the end.
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, IdleTimeout: 2 * time.Minute}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.box.Run(ctx, 4) })
	group.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	context.AfterFunc(ctx, func() { server.Shutdown(context.WithoutCancel(ctx)) })
	return group.Wait()
}

func (s *server) newHandler(ctx context.Context, secret string) (http.Handler, error) {
	var err error
	if s.events, err = sqlstore.New(s.db, sqlstore.SQLite, nil); err != nil {
		return nil, err
	}
	if err := s.events.CreateTables(ctx); err != nil {
		return nil, err
	}
	_, err = s.db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS reports (event TEXT NOT NULL, result TEXT NOT NULL)`)
	if err != nil {
		return nil, err
	}
	verifier, err := hmacverify.New(preset.Slack(), nil, secret)
	if err != nil {
		return nil, err
	}
	leases, err := lease.New(s.events, &lease.Options{Lease: s.lease})
	if err != nil {
		return nil, err
	}
	slack, err := idempotency.NewEndpoint("slack", verifier, leases, &idempotency.Options{Timeout: s.work + time.Minute})
	if err != nil {
		return nil, err
	}
	if s.box, err = inbox.New(s.events, &inbox.Options{Lease: s.lease}); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks/slack", verifier.Handler(preset.SlackChallenge(inbox.Handle(s.box, slack, s.receive, nil))))
	mux.Handle("GET /reports", show.Rows(s.db, `SELECT event || ': ' || result FROM reports ORDER BY event`))
	return mux, nil
}

// receive does the slow part outside of a transaction, and completes the event in the
// one that writes the result.
func (s *server) receive(ctx context.Context, claim lease.Claim, d *hmacverify.Delivery) error {
	result, err := summarize(ctx, s.work)
	if err != nil {
		return err
	}
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, `INSERT INTO reports VALUES ($1, $2)`, d.ID, result); err != nil {
		return err
	}
	if err := s.events.CompleteTx(ctx, tx, claim); err != nil {
		return err
	}
	return tx.Commit()
}

// summarize stands for a call of a model, say.
func summarize(ctx context.Context, takes time.Duration) (string, error) {
	select {
	case <-time.After(takes):
		return "a summary", nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}
