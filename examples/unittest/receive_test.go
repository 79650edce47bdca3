package unittest

import (
	"database/sql"
	"net/http"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/hooktest"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// newDB returns an empty database in memory.
func newDB(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(1) // each connection would have a database of its own
	if _, err := db.ExecContext(t.Context(), "CREATE TABLE payments (order_id TEXT, amount INTEGER)"); err != nil {
		t.Fatal(err)
	}
	return db
}

// query is what a *sql.DB and a *sql.Tx have.
type query interface {
	QueryRow(query string, args ...any) *sql.Row
}

// wantPayments checks the effect: what was paid for order 6735, and how often.
func wantPayments(t *testing.T, db query, amount, count int) {
	t.Helper()
	var gotAmount, gotCount int
	row := db.QueryRow("SELECT coalesce(sum(amount), 0), count(*) FROM payments WHERE order_id = '6735'")
	if err := row.Scan(&gotAmount, &gotCount); err != nil {
		t.Fatal(err)
	}
	if gotAmount != amount || gotCount != count {
		t.Errorf("%d in %d payments, want %d in %d", gotAmount, gotCount, amount, count)
	}
}

// The function alone: a transaction, and what the sender sends.
func TestReceive(t *testing.T) {
	t.Parallel()
	stripe := hooktest.NewSender(t, preset.Stripe(), nil)
	tx, err := newDB(t).BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if err := receive(t.Context(), tx, stripe.Delivery(t, stripe.Sample("evt_1"))); err != nil {
		t.Fatal(err)
	}
	wantPayments(t, tx, 2000, 1)
}

func newEndpoint(t *testing.T, db *sql.DB, secret string) http.Handler {
	t.Helper()
	events, err := sqlstore.New(db, sqlstore.SQLite, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := events.CreateTables(t.Context()); err != nil {
		t.Fatal(err)
	}
	verifier, err := hmacverify.New(preset.Stripe(), nil, secret)
	if err != nil {
		t.Fatal(err)
	}
	endpoint, err := idempotency.NewEndpoint("stripe", verifier, events, nil)
	if err != nil {
		t.Fatal(err)
	}
	return endpoint.Handle(receive)
}

// The endpoint: whatever happens to the deliveries, there is one payment.
func TestEndpoint(t *testing.T) {
	t.Parallel()
	stripe := hooktest.NewSender(t, preset.Stripe(), nil)
	event := stripe.Sample("evt_1")
	tests := map[string]func(*testing.T, http.Handler){
		"a retry": func(t *testing.T, h http.Handler) {
			stripe.Deliver(t, h, event).Want(t, 200, "")
		},
		"copies at once":       func(t *testing.T, h http.Handler) { hooktest.WantOnce(t, stripe.DeliverCopies(t, h, 20, event)) },
		"the answer cut off":   func(t *testing.T, h http.Handler) { stripe.CutOff(t, h, event) },
		"the sender goes away": func(t *testing.T, h http.Handler) { stripe.GoAway(t, h, event) },
	}
	for name, deliver := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := newDB(t)
			h := newEndpoint(t, db, stripe.Secret)
			deliver(t, h)
			stripe.Deliver(t, h, event).Want(t, 200, "duplicate")
			wantPayments(t, db, 2000, 1)
		})
	}
}

// What fails leaves nothing, and is done by the retry.
func TestEndpoint_Failure(t *testing.T) {
	t.Parallel()
	stripe := hooktest.NewSender(t, preset.Stripe(), nil)
	db := newDB(t)
	h := newEndpoint(t, db, stripe.Secret)
	if _, err := db.Exec("ALTER TABLE payments RENAME TO later"); err != nil {
		t.Fatal(err)
	}
	stripe.Deliver(t, h, stripe.Sample("evt_1")).Want(t, 500, "failed")
	if _, err := db.Exec("ALTER TABLE later RENAME TO payments"); err != nil {
		t.Fatal(err)
	}
	stripe.Deliver(t, h, stripe.Sample("evt_1")).Want(t, 200, "")
	wantPayments(t, db, 2000, 1)
}
