// Command identity receives the results of identity-verification services side by side,
// and submits each exactly once to the session that it is about.
//
// Each service whose secret is set has a route, POST /webhooks/NAME:
//
//	PERSONA_WEBHOOK_SECRET=wbhsec_example STRIPE_IDENTITY_WEBHOOK_SECRET=whsec_example \
//		go -C examples run ./identity -inbox
//
// The variable is CHECKR_, DIDIT_, IDENFY_, ONFIDO_, PERSONA_, STRIPE_IDENTITY_, SUMSUB_ or
// VERIFF_ with WEBHOOK_SECRET after it. Without -inbox a result is submitted before the
// service is answered. Create a session, send a result to it from another terminal, and
// look at the session:
//
//	curl -X POST http://127.0.0.1:8080/sessions/sess_1
//	go run ./hmacverify/send -scheme persona -secret wbhsec_example -url http://127.0.0.1:8080/webhooks/persona \
//		-data "$(cat sessionstep/idv/testdata/persona.json)"
//	curl http://127.0.0.1:8080/sessions/sess_1
//
// How a service is wired is in service.go. The database is a temporary one, of SQLite.
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
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
	_ "modernc.org/sqlite"

	"github.com/hookonce/hookonce/sessionstep/idv"
	"github.com/hookonce/hookonce/store/sqlstore"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "listen on this `address`")
	later := flag.Bool("inbox", false, "answer when a result is stored, and submit it afterwards")
	flag.Parse()
	if err := run(*addr, *later); err != nil {
		log.Fatal(err)
	}
}

func run(addr string, later bool) error {
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
	s, err := newServer(ctx, db, sqlstore.SQLite, nil)
	if err != nil {
		return err
	}
	for _, vendor := range idv.All() {
		secret := os.Getenv(strings.ToUpper(strings.ReplaceAll(vendor.Name, "-", "_")) + "_WEBHOOK_SECRET")
		if secret == "" {
			continue
		}
		if err := s.add(vendor, secret, later); err != nil {
			return err
		}
		fmt.Printf("receiving %s at /webhooks/%s\n", vendor.Name, vendor.Name)
	}
	return s.serve(ctx, addr)
}

// serve serves until ctx ends, and what has begun is done.
func (s *server) serve(ctx context.Context, addr string) error {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	fmt.Printf("listening on http://%s\n", listener.Addr())
	web := &http.Server{
		Handler:           s.mux,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      45 * time.Second, // longer than the work may take
		IdleTimeout:       2 * time.Minute,
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		if err := web.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		return web.Shutdown(context.WithoutCancel(ctx))
	})
	if s.accepts {
		group.Go(func() error { return s.box.Run(ctx, 4) })
	}
	return group.Wait()
}
