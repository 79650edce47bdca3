package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"github.com/hookonce/hookonce/examples/pgx/ledger"
	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/pgxstore"
)

//go:embed ledger/schema.sql
var createLedger string

// A service keeps the accounts of customers.
type service struct {
	events   *pgxstore.Store
	queries  *ledger.Queries
	jobs     *river.Client[pgx.Tx]
	endpoint *idempotency.Endpoint[pgx.Tx]
	receive  pgxstore.Func
}

func newService(ctx context.Context, pool *pgxpool.Pool, o options) (*service, error) {
	events, err := pgxstore.New(pool, &pgxstore.Options{
		MaxAttempts:  10,   // then an event is dead, and listed
		KeepPayloads: true, // to process it again without the sender
	})
	if err != nil {
		return nil, err
	}
	// In production your migrations create the tables: see store/sqlstore/schema.
	if err := events.CreateTables(ctx); err != nil {
		return nil, err
	}
	if _, err := pool.Exec(ctx, createLedger, pgx.QueryExecModeSimpleProtocol); err != nil {
		return nil, err
	}
	if err := events.Check(ctx); err != nil {
		return nil, err
	}
	s := &service{events: events, queries: ledger.New(pool)}
	if s.jobs, err = newJobs(ctx, pool, events, o.pgBouncer); err != nil {
		return nil, err
	}
	s.receive = idempotency.ByType(map[string]pgxstore.Func{
		"payment_intent.succeeded": s.credit,
		"charge.refunded":          s.refund,
	}, nil) // all other types are acknowledged, so that Stripe stops sending them
	verifier, err := hmacverify.New(preset.Stripe(), nil, o.secret)
	if err != nil {
		return nil, err
	}
	s.endpoint, err = idempotency.NewEndpoint("stripe", verifier, events, nil)
	return s, err
}

func (s *service) routes(adminToken string) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks/stripe", s.endpoint.Handle(s.receive))
	mux.HandleFunc("GET /accounts/{customer}", s.showAccount)
	mux.HandleFunc("GET /receipts", s.showReceipts)
	mux.Handle("/admin/", s.admin(adminToken))
	return mux
}

// credit adds a payment to the account, and has a receipt made, in one transaction.
func (s *service) credit(ctx context.Context, tx pgx.Tx, d *hmacverify.Delivery) error {
	object, err := decode(d)
	if err != nil {
		return err
	}
	if err := s.queries.WithTx(tx).Credit(ctx, ledger.CreditParams{Customer: object.Customer, Cents: object.Amount}); err != nil {
		return err
	}
	_, err = s.jobs.InsertTx(ctx, tx, receipt{Event: d.ID, Customer: object.Customer, Cents: object.Amount}, nil)
	return err
}

var errOverdrawn = errors.New("the refund is more than the account holds")

// refund takes a refund from the account. What is not there a person must look at.
func (s *service) refund(ctx context.Context, tx pgx.Tx, d *hmacverify.Delivery) error {
	object, err := decode(d)
	if err != nil {
		return err
	}
	n, err := s.queries.WithTx(tx).Debit(ctx, ledger.DebitParams{Customer: object.Customer, Amount: object.Refunded})
	if err == nil && n == 0 {
		return idempotency.Permanent(errOverdrawn)
	}
	return err
}

// An object is what an event of Stripe's is about.
type object struct {
	Customer string `json:"customer"`
	Amount   int64  `json:"amount"`
	Refunded int64  `json:"amount_refunded"`
}

func decode(d *hmacverify.Delivery) (object, error) {
	var event struct {
		Data struct {
			Object object `json:"object"`
		} `json:"data"`
	}
	if err := json.Unmarshal(d.Body, &event); err != nil {
		return object{}, idempotency.WithStatus(http.StatusBadRequest, err)
	}
	return event.Data.Object, nil
}

func (s *service) showAccount(w http.ResponseWriter, r *http.Request) {
	cents, err := s.queries.Balance(r.Context(), r.PathValue("customer"))
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		http.Error(w, "not now", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, cents, "cents")
}

func (s *service) showReceipts(w http.ResponseWriter, r *http.Request) {
	receipts, err := s.queries.Receipts(r.Context())
	if err != nil {
		http.Error(w, "not now", http.StatusServiceUnavailable)
		return
	}
	for _, receipt := range receipts {
		fmt.Fprintln(w, receipt.Event, receipt.Customer, receipt.Cents, "cents")
	}
}
