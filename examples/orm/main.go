// Command orm has code of gorm's and code that sqlc made join the transaction in
// which an event is recorded.
//
//	go -C examples run ./orm
//
// It prints a command that sends it a payment. The payment is stored by gorm and
// credited by queries of sqlc; the event's record, the payment and the credit are
// one commit. See repository.go for the two lines that it takes.
package main

import (
	"context"
	"database/sql"
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/glebarez/sqlite" // gorm's dialect, and the driver "sqlite"
	"gorm.io/gorm"

	"github.com/hookonce/hookonce/examples/internal/local"
	"github.com/hookonce/hookonce/examples/orm/accounts"
	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/sqlstore"
)

func main() {
	local.Main(func(m *local.Machine) (http.Handler, error) {
		secret := m.Secret("WEBHOOK_SECRET")
		m.Try("-secret", secret, "-url", m.URL+"/webhooks", "-data", `{"eventId":"evt_1","owner":"alice","cents":1000}`)
		m.See("/owners/alice")
		db, err := sql.Open("sqlite", m.SQLite())
		if err != nil {
			return nil, err
		}
		m.Defer(db.Close)
		return newHandler(m.Context, db, secret)
	})
}

//go:embed accounts/schema.sql
var createAccounts string

func newHandler(ctx context.Context, db *sql.DB, secret string) (http.Handler, error) {
	verifier, err := hmacverify.New(preset.XSignature256(), nil, secret)
	if err != nil {
		return nil, err
	}
	events, err := sqlstore.New(db, sqlstore.SQLite, nil)
	if err != nil {
		return nil, err
	}
	if err := events.CreateTables(ctx); err != nil {
		return nil, err
	}
	if err := local.Exec(ctx, db, createAccounts); err != nil {
		return nil, err
	}
	orm, err := gorm.Open(sqlite.Dialector{Conn: db}, nil)
	if err != nil {
		return nil, err
	}
	if err := orm.WithContext(ctx).AutoMigrate(&Payment{}); err != nil {
		return nil, err
	}
	repository := &repository{orm: orm, queries: accounts.New(db)}
	once := &idempotency.Middleware{Runner: events.Transactional()}
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks", verifier.Handler(once.Handler(receive(repository))))
	mux.Handle("GET /owners/{owner}", show(repository))
	return mux, nil
}

// receive stores and credits a payment. It does not know of transactions.
func receive(repository *repository) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var p Payment
		if err := json.NewDecoder(r.Body).Decode(&p); err != nil {
			http.Error(w, "not a payment", http.StatusBadRequest)
			return
		}
		err := repository.store(r.Context(), &p)
		if err == nil {
			err = repository.credit(r.Context(), p.Owner, p.Cents)
		}
		if err != nil {
			idempotency.Fail(r, err)
		}
	}
}

func show(repository *repository) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		owner := r.PathValue("owner")
		payments, err1 := repository.payments(r.Context(), owner)
		cents, err2 := repository.balance(r.Context(), owner)
		if err1 != nil || err2 != nil {
			http.Error(w, "database", http.StatusInternalServerError)
			return
		}
		fmt.Fprintf(w, "%d payments, %d cents\n", payments, cents)
	}
}
