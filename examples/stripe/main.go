// Command stripe receives Stripe's webhooks and credits each payment exactly
// once.
//
//	go -C examples run ./stripe
//
// It prints a command that sends it a payment; add -n 50 for fifty copies at
// once. Stripe takes anything but 2xx for a failure and comes again for three
// days, so duplicates are acknowledged.
//
// With an endpoint of your own, set STRIPE_WEBHOOK_SECRET (whsec_…) and send to
// /webhooks/stripe, or let Stripe's command-line tool forward to it.
package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"

	_ "modernc.org/sqlite"

	"github.com/hookonce/hookonce/examples/internal/local"
	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/sqlstore"
)

func main() {
	local.Main(func(m *local.Machine) (http.Handler, error) {
		secret := m.Secret("STRIPE_WEBHOOK_SECRET")
		m.Try("-scheme", "stripe", "-secret", secret, "-url", m.URL+"/webhooks/stripe", "-data",
			`{"id":"evt_1","type":"payment_intent.succeeded","data":{"object":{"customer":"cus_1","amount":1000}}}`)
		m.See("/balances/cus_1")
		db, err := sql.Open("sqlite", m.SQLite())
		if err != nil {
			return nil, err
		}
		m.Defer(db.Close)
		return newHandler(m.Context, db, secret)
	})
}

const createTable = `CREATE TABLE IF NOT EXISTS balances (customer TEXT PRIMARY KEY, cents INTEGER NOT NULL)`

func newHandler(ctx context.Context, db *sql.DB, secret string) (http.Handler, error) {
	verifier, err := hmacverify.New(preset.Stripe(), nil, secret)
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
	if err := local.Exec(ctx, db, createTable); err != nil {
		return nil, err
	}
	once := &idempotency.Middleware{Runner: events.Transactional(), Duplicate: idempotency.Acknowledge}
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks/stripe", verifier.Handler(once.Handler(http.HandlerFunc(receive))))
	mux.HandleFunc("GET /balances/{customer}", func(w http.ResponseWriter, r *http.Request) {
		var cents int
		err := db.QueryRowContext(r.Context(), `SELECT coalesce(sum(cents), 0) FROM balances WHERE customer = $1`,
			r.PathValue("customer")).Scan(&cents)
		if err != nil {
			http.Error(w, "database", http.StatusInternalServerError)
			return
		}
		fmt.Fprintln(w, cents)
	})
	return mux, nil
}

type event struct {
	Type string
	Data struct {
		Object struct {
			Customer string
			Amount   int
		}
	}
}

// receive acts on the type that the signed body names. Types that it does not
// know are acknowledged, so that Stripe stops sending them.
func receive(w http.ResponseWriter, r *http.Request) {
	var e event
	if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
		http.Error(w, "not an event", http.StatusBadRequest)
		return
	}
	if e.Type != "payment_intent.succeeded" {
		return
	}
	if err := credit(r.Context(), e.Data.Object.Customer, e.Data.Object.Amount); err != nil {
		idempotency.Fail(r, err)
	}
}

// credit is what must not happen twice: adding is not idempotent by itself.
func credit(ctx context.Context, customer string, cents int) error {
	tx, _ := sqlstore.Tx(ctx)
	_, err := tx.ExecContext(ctx, `INSERT INTO balances VALUES ($1, $2)
		ON CONFLICT (customer) DO UPDATE SET cents = cents + excluded.cents`, customer, cents)
	return err
}
