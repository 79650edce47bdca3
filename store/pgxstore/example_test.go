package pgxstore_test

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/pgxstore"
)

func ExampleNew() {
	pool, err := pgxpool.New(context.Background(), "postgres://localhost/app") // connects when it is used
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close()
	_, err = pgxstore.New(pool, &pgxstore.Options{Table: "webhooks.events", MaxAttempts: 10})
	fmt.Println(err)
	_, err = pgxstore.New(pool, &pgxstore.Options{Retention: time.Hour})
	fmt.Println(err)
	// Output:
	// <nil>
	// sqlstore: Options.Retention of 1h0m0s is less than 72h0m0s, for which senders retry; AllowShortRetention accepts it
}

func ExampleStore_RunTx() {
	var events *pgxstore.Store // of pgxstore.New
	consume := func(ctx context.Context, id string) error {
		return events.RunTx(ctx, idempotency.Key{Scope: "stripe", ID: id}, func(ctx context.Context, tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "UPDATE orders SET paid = true WHERE event = $1", id)
			return err
		})
	}
	_ = consume
}

func ExampleStore_RunBatch() {
	var events *pgxstore.Store // of pgxstore.New
	consume := func(ctx context.Context, id string) error {
		work := new(pgx.Batch)
		work.Queue("UPDATE orders SET paid = true WHERE event = $1", id)
		work.Queue("INSERT INTO ledger (event) VALUES ($1)", id)
		return events.RunBatch(ctx, idempotency.Key{Scope: "stripe", ID: id}, work)
	}
	_ = consume
}
