// Command pgx receives Stripe's webhooks on pgxpool, with code that sqlc generated for
// pgx/v5 and jobs of River (https://riverqueue.com).
//
//	HOOKONCE_POSTGRES=postgres://localhost/postgres STRIPE_WEBHOOK_SECRET=whsec_example ADMIN_TOKEN=example go -C examples run ./pgx
//
// It creates its tables in that database. Send it a payment from another terminal, 50
// times concurrently, and look at the account and its receipts:
//
//	go run ./hmacverify/send -scheme stripe -secret whsec_example -url http://127.0.0.1:8080/webhooks/stripe -n 50 \
//		-data '{"id":"evt_1","type":"payment_intent.succeeded","data":{"object":{"customer":"cus_1","amount":1000}}}'
//	curl http://127.0.0.1:8080/accounts/cus_1
//	curl http://127.0.0.1:8080/receipts
//
// A refund of more than is in the account is dead at once. Look at what failed, pay in,
// and process the refund again:
//
//	go run ./hmacverify/send -scheme stripe -secret whsec_example -url http://127.0.0.1:8080/webhooks/stripe \
//		-data '{"id":"evt_2","type":"charge.refunded","data":{"object":{"customer":"cus_1","amount_refunded":1500}}}'
//	curl -H 'Authorization: Bearer example' http://127.0.0.1:8080/admin/failures
//	curl -H 'Authorization: Bearer example' http://127.0.0.1:8080/admin/events/evt_2
//	curl -H 'Authorization: Bearer example' -X POST http://127.0.0.1:8080/admin/events/evt_2/rerun
//
// The record of the event, what sqlc's queries write and River's job are one commit, in
// one [pgx.Tx]. pool.go has the settings of a pool in production; start it with
// -pgbouncer if HOOKONCE_POSTGRES leads to PgBouncer.
package main

import (
	"context"
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
)

func main() {
	var o options
	flag.StringVar(&o.addr, "addr", "127.0.0.1:8080", "listen on this `address`")
	flag.BoolVar(&o.pgBouncer, "pgbouncer", false, "the database is behind PgBouncer in transaction mode")
	flag.Parse()
	for name, value := range map[string]*string{
		"HOOKONCE_POSTGRES":     &o.databaseURL,
		"STRIPE_WEBHOOK_SECRET": &o.secret,
		"ADMIN_TOKEN":           &o.adminToken,
	} {
		if *value = os.Getenv(name); *value == "" {
			log.Fatalf("%s is not set", name)
		}
	}
	if err := run(o); err != nil {
		log.Fatal(err)
	}
}

type options struct {
	addr, databaseURL, secret, adminToken string
	pgBouncer                             bool
}

func run(o options) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	pool, err := newPool(ctx, o.databaseURL, o.pgBouncer)
	if err != nil {
		return err
	}
	defer pool.Close() // last, when all connections are given back
	s, err := newService(ctx, pool, o)
	if err != nil {
		return err
	}
	if err := s.jobs.Start(context.WithoutCancel(ctx)); err != nil { // the jobs may end
		return err
	}
	defer s.jobs.Stop(context.WithoutCancel(ctx)) // after the jobs that have begun
	server := &http.Server{
		Handler:           s.routes(o.adminToken),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      45 * time.Second, // longer than the work may take
		IdleTimeout:       2 * time.Minute,
	}
	listener, err := net.Listen("tcp", o.addr)
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
