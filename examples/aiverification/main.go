// Command aiverification receives the results of an identity-verification service by
// webhook and applies each exactly once.
//
// Try it on a temporary database:
//
//	go -C examples run ./aiverification -demo
//
// Or serve, with the sender's secret in AI_WEBHOOK_SECRET:
//
//	AI_WEBHOOK_SECRET=example go -C examples run ./aiverification -db sqlite:/tmp/aiverification.db
//
// With PERSONA_WEBHOOK_SECRET and STRIPE_IDENTITY_WEBHOOK_SECRET it receives the results
// of these services, too, for the same sessions: POST /webhooks/persona and
// /webhooks/stripe-identity. The demo has them. See examples/identity for others.
//
// With -db pgxpool:postgres://… it runs on pgxpool and pgx.Tx. With -inbox it answers a
// callback as soon as that is stored, and submits it afterwards.
//
// Then create a session and submit a result to it from another terminal:
//
//	curl -d '{"id":"sess_1"}' http://127.0.0.1:8080/sessions
//	go run ./hmacverify/send -secret example -url http://127.0.0.1:8080/webhooks/ai-verification \
//		-data '{"eventId":"evt_1","sessionId":"sess_1","status":"verified"}'
//
// Or sign it with openssl and send it with curl:
//
//	body='{"eventId":"evt_1","sessionId":"sess_1","status":"verified"}'
//	signature=$(printf %s "$body" | openssl dgst -sha256 -hmac "$AI_WEBHOOK_SECRET" | sed 's/.* //')
//	curl -s http://127.0.0.1:8080/webhooks/ai-verification -H "X-Signature-256: sha256=$signature" -d "$body"
//
// It has three routes:
//
//	POST /webhooks/ai-verification  the callback
//	POST /sessions                  creates the session {"id":"sess_1"}
//	GET  /sessions/{id}             shows session, steps and submissions
//
// On SIGTERM and SIGINT it accepts no more requests, finishes those in flight, and exits.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hookonce/hookonce/idempotency/inbox"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "aiverification:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("aiverification", flag.ContinueOnError)
	demo := flags.Bool("demo", false, "send all kinds of deliveries to a temporary database, and exit")
	addr := flags.String("addr", "127.0.0.1:8080", "listen on this `address`")
	dbURL := flags.String("db", "sqlite:aiverification.db", "keep everything in this database: sqlite:FILE, postgres://…, pgxpool:postgres://… or mysql://…")
	later := flags.Bool("inbox", false, "answer when a callback is stored, and submit it afterwards")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	if *demo {
		return runDemo(ctx, stdout)
	}
	secret := os.Getenv("AI_WEBHOOK_SECRET")
	if secret == "" {
		return errors.New("AI_WEBHOOK_SECRET is not set: it must hold the secret that the sender signs with")
	}
	o := &options{secrets: make(map[string]string)}
	for name, variable := range map[string]string{"persona": "PERSONA_WEBHOOK_SECRET", "stripe-identity": "STRIPE_IDENTITY_WEBHOOK_SECRET"} {
		if secret := os.Getenv(variable); secret != "" {
			o.secrets[name] = secret
		}
	}
	if *later {
		o.later = new(inbox.Options)
	}
	app, err := newApp(ctx, *dbURL, secret, o)
	if err != nil {
		return err
	}
	defer app.close()
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		return err
	}
	slog.Info("listening", "addr", listener.Addr().String())
	return app.serve(ctx, listener)
}

// serve serves until ctx ends, and what has begun is done.
func (a *app) serve(ctx context.Context, listener net.Listener) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return serve(ctx, listener, a.routes()) })
	if a.box != nil {
		group.Go(func() error { return a.box.Run(ctx, 4) })
	}
	return group.Wait()
}

// shutdownTimeout is how long requests in flight may go on after a signal.
const shutdownTimeout = 35 * time.Second

// serve serves until ctx ends and the requests in flight have been answered.
func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      45 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	return server.Shutdown(ctx)
}
