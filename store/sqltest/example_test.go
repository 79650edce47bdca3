package sqltest_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// Without HTTP: the event's record and the work on tx are one commit.
func Example_runTx() {
	dir, err := os.MkdirTemp("", "example-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	db, err := sql.Open("sqlite", filepath.Join(dir, "events.db"))
	if err != nil {
		panic(err)
	}
	defer db.Close()
	ctx := context.Background()
	events, err := sqlstore.New(db, sqlstore.SQLite, nil)
	if err != nil {
		panic(err)
	}
	if err := errors.Join(events.CreateTables(ctx), events.Check(ctx)); err != nil {
		panic(err)
	}
	if _, err := db.ExecContext(ctx, "CREATE TABLE payments (amount INTEGER)"); err != nil {
		panic(err)
	}

	key := idempotency.Key{Scope: "stripe", ID: "evt_1"}
	for range 2 {
		err := events.RunTx(ctx, key, func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, "INSERT INTO payments (amount) VALUES (100)")
			return err
		})
		fmt.Println(err)
	}
	var payments int
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM payments").Scan(&payments); err != nil {
		panic(err)
	}
	fmt.Println(payments, "payment")
	// Output:
	// <nil>
	// idempotency: event already processed
	// 1 payment
}
