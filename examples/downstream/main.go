// Command downstream has an effect in another system, a payment service, and passes the
// event's key on to it.
//
//	WEBHOOK_SECRET=example go -C examples run ./downstream
//
// Send it an event from another terminal, and look at the payments:
//
//	go run ./hmacverify/send -secret example -url http://127.0.0.1:8080/webhooks \
//		-data '{"eventId":"evt_1","to":"alice","cents":1000}'
//	curl http://127.0.0.1:8080/service/payments
//
// No transaction spans two systems. If the process dies after it has paid and before
// that is recorded, the event is delivered again and the payment is requested again.
// It stays one payment because each attempt, in any process, sends the same
// Idempotency-Key, a header that Stripe, Adyen, Square and others support.
//
// The program plays the payment service itself, at /service. With -lose-responses the
// service pays, but its first response to each payment is lost, as in a crash at that
// moment: the event is answered 500, sent again it is answered 200, and one payment
// was made.
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
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	_ "modernc.org/sqlite"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/sqlstore"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "listen on this `address`")
	loseResponses := flag.Bool("lose-responses", false, "lose the first response to each payment")
	flag.Parse()
	if err := run(*addr, os.Getenv("WEBHOOK_SECRET"), *loseResponses); err != nil {
		log.Fatal(err)
	}
}

func run(addr, secret string, loseResponses bool) error {
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

	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	payments := &payer{service: "http://" + listener.Addr().String() + "/service"}
	webhooks, err := newEndpoint(ctx, db, secret, payments)
	if err != nil {
		return err
	}
	bank := &service{loseResponses: loseResponses}
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks", webhooks)
	mux.HandleFunc("POST /service/payments", bank.pay)
	mux.HandleFunc("GET /service/payments", bank.list)
	server := &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      45 * time.Second, // longer than the work may take
		IdleTimeout:       2 * time.Minute,
	}
	fmt.Printf("listening on http://%s\n", listener.Addr())
	stopped := make(chan error, 1)
	context.AfterFunc(ctx, func() { stopped <- server.Shutdown(context.WithoutCancel(ctx)) })
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped // the requests in flight have been answered
}

func newEndpoint(ctx context.Context, db *sql.DB, secret string, payments *payer) (http.Handler, error) {
	events, err := sqlstore.New(db, sqlstore.SQLite, nil)
	if err != nil {
		return nil, err
	}
	if err := events.CreateTables(ctx); err != nil {
		return nil, err
	}
	leases, err := lease.New(events, nil) // because no transaction can undo a payment
	if err != nil {
		return nil, err
	}
	verifier, err := hmacverify.New(preset.XSignature256(), nil, secret)
	if err != nil {
		return nil, err
	}
	endpoint, err := idempotency.NewEndpoint("downstream", verifier, leases, nil)
	if err != nil {
		return nil, err
	}
	return endpoint.Handle(payments.pay), nil
}

// A payer requests payments of the service at that URL.
type payer struct{ service string }

// pay requests the payment under the event's key.
func (p *payer) pay(ctx context.Context, claim lease.Claim, d *hmacverify.Delivery) error {
	var event struct {
		To    string
		Cents int
	}
	if err := json.Unmarshal(d.Body, &event); err != nil {
		return idempotency.WithStatus(http.StatusBadRequest, err)
	}
	form := url.Values{"to": {event.To}, "cents": {strconv.Itoa(event.Cents)}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.service+"/payments", strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Idempotency-Key", claim.Key.Downstream())
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err // perhaps it was paid: the next attempt has the same key
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("the payment service responded %s", resp.Status)
	}
	return nil
}
