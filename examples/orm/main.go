// Command orm makes code that uses gorm and code that sqlc generated join the
// transaction in which an event is recorded.
//
//	WEBHOOK_SECRET=example go -C examples run ./orm
//
// Send it a payment from another terminal, and look at the balance:
//
//	go run ./hmacverify/send -secret example -url http://127.0.0.1:8080/webhooks \
//		-data '{"eventId":"evt_1","owner":"alice","cents":1000}'
//	curl http://127.0.0.1:8080/owners/alice
//
// Gorm stores the payment and a query of sqlc's credits it; the event's record, the
// payment and the credit are one commit. See repository.go for the two lines that it
// takes.
package main

import (
	"context"
	"database/sql"
	_ "embed"
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

	"github.com/glebarez/sqlite" // gorm's dialect, and the driver "sqlite"
	"gorm.io/gorm"

	"github.com/hookonce/hookonce/examples/orm/accounts"
	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/sqlstore"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "listen on this `address`")
	flag.Parse()
	if err := run(*addr, os.Getenv("WEBHOOK_SECRET")); err != nil {
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

//go:embed accounts/schema.sql
var createAccounts string

func newHandler(ctx context.Context, db *sql.DB, secret string) (http.Handler, error) {
	events, err := sqlstore.New(db, sqlstore.SQLite, nil)
	if err != nil {
		return nil, err
	}
	if err := events.CreateTables(ctx); err != nil {
		return nil, err
	}
	if _, err := db.ExecContext(ctx, createAccounts); err != nil {
		return nil, err
	}
	orm, err := gorm.Open(sqlite.Dialector{Conn: db}, nil)
	if err != nil {
		return nil, err
	}
	if err := orm.WithContext(ctx).AutoMigrate(&Payment{}); err != nil {
		return nil, err
	}
	verifier, err := hmacverify.New(preset.XSignature256(), nil, secret)
	if err != nil {
		return nil, err
	}
	endpoint, err := idempotency.NewEndpoint("orm", verifier, events, nil)
	if err != nil {
		return nil, err
	}
	r := &repository{orm: orm, queries: accounts.New(db)}
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks", endpoint.Handle(r.receive))
	mux.HandleFunc("GET /owners/{owner}", r.show)
	return mux, nil
}

// receive stores and credits a payment. It needs no transaction as an argument: the
// repository finds it in the context.
func (r *repository) receive(ctx context.Context, _ *sql.Tx, d *hmacverify.Delivery) error {
	var p Payment
	if err := json.Unmarshal(d.Body, &p); err != nil {
		return idempotency.WithStatus(http.StatusBadRequest, err)
	}
	if err := r.store(ctx, &p); err != nil {
		return err
	}
	return r.credit(ctx, p.Owner, p.Cents)
}

func (r *repository) show(w http.ResponseWriter, req *http.Request) {
	owner := req.PathValue("owner")
	payments, err := r.payments(req.Context(), owner)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	cents, err := r.balance(req.Context(), owner)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Fprintf(w, "%d payments, %d cents\n", payments, cents)
}
