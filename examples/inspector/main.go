// Command inspector shows the page of idempotency/inspect on a SQLite database, with
// deliveries of two senders of which some wait, some have failed and some are dead:
//
//	INSPECTOR_PASSWORD=example go -C examples run ./inspector
//
// It prints the address. Sign in as oncall, with that password.
//
// Stripe's events are processed at once, and those of the shop later, by an inbox. The
// work on orders of the warehouse "away" fails until you restart with -fixed. Then
// redeliver what is dead.
package main

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
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

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/inbox"
	"github.com/hookonce/hookonce/idempotency/inspect"
	"github.com/hookonce/hookonce/store/sqlstore"
)

func main() {
	var s server
	addr := flag.String("addr", "127.0.0.1:8080", "listen on this `address`")
	file := flag.String("db", filepath.Join(os.TempDir(), "inspector.db"), "keep everything in this `file`")
	flag.BoolVar(&s.fixed, "fixed", false, "the work on orders of the warehouse \"away\" succeeds")
	flag.Parse()
	if err := s.run(*addr, *file, os.Getenv("INSPECTOR_PASSWORD")); err != nil {
		log.Fatal(err)
	}
}

type server struct {
	fixed bool
	box   *inbox.Inbox
}

func (s *server) run(addr, file, password string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if password == "" {
		return errors.New("INSPECTOR_PASSWORD is not set")
	}
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(2000)")
	if err != nil {
		return err
	}
	defer db.Close()
	handler, err := s.newHandler(ctx, db, password)
	if err != nil {
		return err
	}
	if err := seed(ctx, handler); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	fmt.Printf("listening on http://%s\n", listener.Addr())
	fmt.Printf("the page is http://%s/ops/webhooks/ (user oncall)\n", listener.Addr())
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, IdleTimeout: 2 * time.Minute}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.box.Run(ctx, 2) })
	group.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	context.AfterFunc(ctx, func() { server.Shutdown(context.WithoutCancel(ctx)) })
	return group.Wait()
}

func (s *server) newHandler(ctx context.Context, db *sql.DB, password string) (http.Handler, error) {
	var page *inspect.Page // which sees what the store observes
	events, err := sqlstore.New(db, sqlstore.SQLite, &sqlstore.Options{
		RecordFailures: true,
		KeepPayloads:   true,
		Observe: func(ctx context.Context, e idempotency.Event) {
			idempotency.LogFailures(ctx, e)
			page.Observe(ctx, e)
		},
	})
	if err != nil {
		return nil, err
	}
	page, err = inspect.New(events, &inspect.Options{
		Title:     "example",
		Endpoints: []string{"stripe", "shop"},
		Authorize: basicAuth(password),
		Redact:    redact,
	})
	if err != nil {
		return nil, err
	}
	if err := events.CreateTables(ctx); err != nil {
		return nil, err
	}
	stripeVerifier, err := hmacverify.New(preset.Stripe(), nil, stripeSecret)
	if err != nil {
		return nil, err
	}
	stripe, err := idempotency.NewEndpoint("stripe", stripeVerifier, events, nil)
	if err != nil {
		return nil, err
	}
	shopVerifier, err := hmacverify.New(preset.StandardWebhooks(), nil, shopSecret)
	if err != nil {
		return nil, err
	}
	shop, err := idempotency.NewEndpoint("shop", shopVerifier, events, nil)
	if err != nil {
		return nil, err
	}
	if s.box, err = inbox.New(events, &inbox.Options{MaxAttempts: 3, Backoff: pause}); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks/stripe", stripe.Handle(s.pay))
	inbox.Handle(s.box, stripe, s.pay, nil) // so that its dead events can be redelivered
	mux.Handle("POST /webhooks/shop", inbox.Handle(s.box, shop, s.ship, &inbox.HandleOptions{Group: warehouse}))
	mux.HandleFunc("GET /ops/webhooks/", func(w http.ResponseWriter, r *http.Request) { challenge(w, r, page) })
	mux.HandleFunc("POST /ops/webhooks/", page.ServeHTTP)
	return mux, nil
}

// basicAuth lets oncall do everything. Yours asks the session of your own users.
func basicAuth(password string) func(r *http.Request) (inspect.Viewer, bool) {
	want := sha256.Sum256([]byte(password))
	return func(r *http.Request) (inspect.Viewer, bool) {
		name, given, _ := r.BasicAuth()
		got := sha256.Sum256([]byte(given))
		ok := subtle.ConstantTimeCompare(got[:], want[:]) == 1 && name == "oncall"
		return inspect.Viewer{Name: name, Payloads: true, Redeliver: true, Forget: true}, ok
	}
}

// challenge has the browser ask for the password.
func challenge(w http.ResponseWriter, r *http.Request, page http.Handler) {
	if _, _, ok := r.BasicAuth(); !ok {
		w.Header().Set("WWW-Authenticate", `Basic realm="webhooks"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	page.ServeHTTP(w, r)
}
