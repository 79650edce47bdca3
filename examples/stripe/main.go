// Command stripe receives Stripe's webhooks and credits each payment exactly once.
//
//	STRIPE_WEBHOOK_SECRET=whsec_example go -C examples run ./stripe
//
// Send it a payment from another terminal, 50 times concurrently, and look at the
// balance:
//
//	go run ./hmacverify/send -scheme stripe -secret whsec_example -url http://127.0.0.1:8080/webhooks/stripe -n 50 \
//		-data '{"id":"evt_1","type":"payment_intent.succeeded","data":{"object":{"customer":"cus_1","amount":1000}}}'
//	curl http://127.0.0.1:8080/balances/cus_1
//
// With an endpoint of your own, set the secret that Stripe shows you, or let Stripe's
// command-line tool forward to /webhooks/stripe.
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
	if err := run(*addr, os.Getenv("STRIPE_WEBHOOK_SECRET")); err != nil {
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
	_, err = db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS balances (customer TEXT PRIMARY KEY, cents INTEGER NOT NULL)`)
	if err != nil {
		return nil, err
	}
	verifier, err := hmacverify.New(preset.Stripe(), nil, secret)
	if err != nil {
		return nil, err
	}
	endpoint, err := idempotency.NewEndpoint("stripe", verifier, events, nil)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks/stripe", endpoint.Handle(idempotency.ByType(map[string]idempotency.Func[*sql.Tx]{
		"payment_intent.succeeded": credit,
	}, nil))) // all other types are acknowledged, so that Stripe stops sending them
	mux.Handle("GET /balances/{customer}", show.Rows(db,
		`SELECT coalesce(sum(cents), 0) FROM balances WHERE customer = $1`, "customer"))
	return mux, nil
}

// credit must not happen twice: adding is not idempotent by itself.
func credit(ctx context.Context, tx *sql.Tx, d *hmacverify.Delivery) error {
	var event struct {
		Data struct {
			Object struct {
				Customer string
				Amount   int
			}
		}
	}
	if err := json.Unmarshal(d.Body, &event); err != nil {
		return idempotency.WithStatus(http.StatusBadRequest, err)
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO balances VALUES ($1, $2)
		ON CONFLICT (customer) DO UPDATE SET cents = cents + excluded.cents`,
		event.Data.Object.Customer, event.Data.Object.Amount)
	return err
}
