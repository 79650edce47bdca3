// Package pgxstore keeps the records of package idempotency in PostgreSQL, and commits
// them together with the work, for services on pgxpool and pgx.Tx.
//
//	events, err := pgxstore.New(pool, nil)
//	…
//	if err := events.CreateTables(ctx); err != nil {
//		return err
//	}
//	endpoint, err := idempotency.NewEndpoint("stripe", verifier, events, nil)
//
// A [Store] is the endpoint's runner. Without HTTP, call [Store.RunTx]:
//
//	err = events.RunTx(ctx, key, func(ctx context.Context, tx pgx.Tx) error {
//		return queries.WithTx(tx).MarkPaid(ctx, order) // such as sqlc's
//	})
//
// It is [sqlstore.Store] without database/sql: the same tables, statements, options and
// outcomes. A service can move from one to the other, or run both on one table, with no
// migration. The documentation of package sqlstore says what the modes are, what the
// tables hold, what becomes of a COMMIT and how PostgreSQL is to be set up. All of it
// holds here; below is what differs.
//
// # Round trips
//
// BEGIN travels with the claim, so that RunTx takes two round trips besides those of the
// work. [Store.RunBatch] takes one for all: BEGIN, the claim, the statements of a
// [pgx.Batch] and COMMIT.
//
// Leases, and what people ask for ([Store.Lookup], [Store.Failures], [Store.Purge] and
// their like), are the statements of sqlstore on connections of the same pool.
//
// # Connections
//
// A run holds one connection from BEGIN to COMMIT. Of a pool of N, runs hold at most N-1
// at once, so that work that needs a second connection besides its transaction finds one.
// With a pool of 1, do everything on tx.
//
// The repository's examples/pgx has a pool set up for production, with the reason for
// each setting.
//
// When a lease is to be renewed, completed or released and all connections of the pool
// are in use, a connection outside of the pool is opened for it, one at a time, and
// closed afterwards.
//
// When the context of a delivery ends before its work returns, the connection is closed.
// The server rolls back, whatever the work does.
//
// When a statement says that its connection cannot write, because the node is a replica
// since a failover or because work left a mode or a role behind, the connections of the
// pool are replaced, at most twice a second.
//
// # Modes of pgx
//
// Every [pgx.QueryExecMode] works. Behind PgBouncer in transaction mode use
// QueryExecModeExec or QueryExecModeCacheDescribe (QueryExecModeSimpleProtocol works too,
// without the one round trip of RunBatch). QueryExecModeCacheStatement, pgx's default,
// works there if PgBouncer keeps prepared statements: from version 1.21, with
// max_prepared_statements above 0. [Store.Check] refuses the default without that, and
// QueryExecModeDescribeExec, which executes other clients' statements there; with a pool
// of one connection it cannot find either.
//
// # Tracing
//
// Tracers of pgx see every statement. Those of the store begin with a name as sqlc writes
// it, such as "-- name: HookonceClaim :execrows", and hold no values. BEGIN and the claim
// are seen as a batch: a tracer must be a [pgx.BatchTracer] too.
package pgxstore
