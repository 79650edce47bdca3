package pgxstep_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/sessionstep"
	"github.com/hookonce/hookonce/sessionstep/pgxstep"
	"github.com/hookonce/hookonce/store/pgxstore"
)

// The callback of a verification service, on pgx end to end. It has no output because it
// needs a database; the command examples/aiverification runs, with -db pgxpool:URL.
func ExampleStore() {
	serve := func(pool *pgxpool.Pool, verifier *hmacverify.Verifier) error {
		events, err := pgxstore.New(pool, nil)
		if err != nil {
			return err
		}
		sessions, err := pgxstep.New(pool, nil)
		if err != nil {
			return err
		}
		callback, err := sessionstep.NewHandler(sessions, nil)
		if err != nil {
			return err
		}
		endpoint, err := idempotency.NewEndpoint("ai-verification", verifier, events, nil)
		if err != nil {
			return err
		}
		return http.ListenAndServe("127.0.0.1:8080", endpoint.WrapFunc(
			func(w http.ResponseWriter, r *http.Request, _ pgx.Tx) error { return callback.Serve(w, r) }))
	}
	_ = serve
}

// An unusable prefix is refused before the database is used.
func ExampleNew() {
	pool, err := pgxpool.New(context.Background(), "postgres://localhost/app") // connects when it is used
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close()
	_, err = pgxstep.New(pool, &pgxstep.Options{Prefix: "kyc-"})
	fmt.Println(err)
	// Output: sqlstep: Options.Prefix is not the beginning of a table's name: use at most 52 letters, digits and underscores, after an optional schema and a dot
}

// SubmitTx submits in a transaction of yours.
func ExampleStore_SubmitTx() {
	var sessions *pgxstep.Store // of pgxstep.New
	decide := func(ctx context.Context, pool *pgxpool.Pool, s sessionstep.Submission) error {
		return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "INSERT INTO decisions (session) VALUES ($1)", s.Session); err != nil {
				return err
			}
			return sessions.SubmitTx(ctx, tx, s)
		})
	}
	_ = decide
}
