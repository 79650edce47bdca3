package main

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/hookonce/hookonce/examples/pgx/ledger"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/pgxstore"
)

// newJobs creates River's tables and returns a client that works on jobs.
func newJobs(ctx context.Context, pool *pgxpool.Pool, events *pgxstore.Store, pgBouncer bool) (*river.Client[pgx.Tx], error) {
	driver := riverpgxv5.New(pool)
	migrator, err := rivermigrate.New(driver, nil)
	if err != nil {
		return nil, err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return nil, err
	}
	workers := river.NewWorkers()
	river.AddWorker(workers, &receiptWorker{events: events})
	return river.NewClient(driver, &river.Config{
		Queues:   map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 4}},
		Workers:  workers,
		PollOnly: pgBouncer, // which has no LISTEN in transaction mode
	})
}

// A receipt is the job: to make the receipt of a payment.
type receipt struct {
	Event    string `json:"event"`
	Customer string `json:"customer"`
	Cents    int64  `json:"cents"`
}

// Kind is the job's name in the database.
func (receipt) Kind() string { return "receipt" }

// A receiptWorker is the worker that does it.
type receiptWorker struct {
	river.WorkerDefaults[receipt]
	events *pgxstore.Store
}

// Work makes the receipt once, however often River has to try: a job whose worker dies
// before River has noted that it is done runs again. Its statements are known beforehand,
// so that a batch takes a single round trip.
func (w *receiptWorker) Work(ctx context.Context, job *river.Job[receipt]) error {
	r := job.Args
	work := new(pgx.Batch)
	work.Queue(ledger.AddReceipt, r.Event, r.Customer, r.Cents) // sqlc's text
	err := w.events.RunBatch(ctx, idempotency.Key{Scope: "receipts", ID: r.Event}, work)
	if errors.Is(err, idempotency.ErrDuplicate) {
		return nil
	}
	return err
}
