// Command downstream has an effect in another system, a payment service, and
// passes the event's key on to it.
//
//	go -C examples run ./downstream
//
// No transaction spans two systems. If the process dies after it has paid and
// before that is recorded, the event is delivered again and the payment is asked
// for again. What makes it one payment is the header Idempotency-Key, which
// Stripe, Adyen, Square and others take: the same for every attempt at an event,
// whichever process makes it.
//
// The payment service is played by the program itself, at /service. With
// -lose-answers it pays but its first answer to each payment gets lost, which is
// the same to us as a crash at that moment: send an event, be told 500, send it
// again, and see that one payment was made.
package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	_ "modernc.org/sqlite"

	"github.com/hookonce/hookonce/examples/internal/local"
	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/sqlstore"
)

func main() {
	var bank service
	flag.BoolVar(&bank.loseAnswers, "lose-answers", false, "let the first answer to each payment get lost")
	local.Main(func(m *local.Machine) (http.Handler, error) {
		secret := m.Secret("WEBHOOK_SECRET")
		m.Try("-secret", secret, "-url", m.URL+"/webhooks", "-data", `{"eventId":"evt_1","to":"alice","cents":1000}`)
		m.See("/service/payments")
		db, err := sql.Open("sqlite", m.SQLite())
		if err != nil {
			return nil, err
		}
		m.Defer(db.Close)
		return newHandler(m.Context, db, secret, m.URL+"/service", &bank)
	})
}

func newHandler(ctx context.Context, db *sql.DB, secret, service string, bank *service) (http.Handler, error) {
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
	// A lease, because a payment is nothing that a transaction could undo.
	once := &idempotency.Middleware{Runner: &idempotency.Leased{Store: events}}
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks", verifier.Handler(once.Handler(&payer{service})))
	mux.HandleFunc("POST /service/payments", bank.pay)
	mux.HandleFunc("GET /service/payments", bank.list)
	return mux, nil
}

// A payer asks the service at that URL to pay.
type payer struct{ service string }

func (p *payer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var event struct {
		To    string
		Cents int
	}
	if err := json.NewDecoder(r.Body).Decode(&event); err != nil {
		http.Error(w, "not an event", http.StatusBadRequest)
		return
	}
	if err := p.pay(r.Context(), event.To, event.Cents); err != nil {
		idempotency.Fail(r, err)
		return
	}
	fmt.Fprintln(w, "paid")
}

func (p *payer) pay(ctx context.Context, to string, cents int) error {
	form := url.Values{"to": {to}, "cents": {strconv.Itoa(cents)}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.service+"/payments", strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	attempt, _ := idempotency.AttemptFrom(ctx)
	req.Header.Set("Idempotency-Key", attempt.Key.Downstream())
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err // perhaps it was paid: the next attempt will have the same key
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("the payment service answered %s", resp.Status)
	}
	return nil
}
