// Package sqlstore keeps the records of package idempotency in a table of a SQL
// database, and commits them together with the work.
//
//	events, err := sqlstore.New(db, sqlstore.PostgreSQL, nil)
//	…
//	err = events.RunTx(ctx, key, func(ctx context.Context, tx *sql.Tx) error {
//		_, err := tx.ExecContext(ctx, "UPDATE accounts SET …")
//		return err
//	})
//
// The record of key and the UPDATE are one commit: both are there or neither is,
// and of any number of concurrent calls, in any number of processes, one updates
// and the others get [idempotency.ErrDuplicate].
//
// For HTTP, give [Store.Transactional] to an idempotency.Middleware. The handler
// finds the transaction by [Tx]:
//
//	once := &idempotency.Middleware{Runner: events.Transactional()}
//
// # The table
//
// [Schema] returns the statement that makes the table, for your migrations, and
// [Store.CreateTable] runs it. Keys are bytes and are compared byte for byte.
// Times are microseconds since 1970 by the database's clock; the clocks of the
// application's machines do not matter.
//
// # Databases
//
// The package imports no driver and rests on no flag in a DSN: you open the
// database and name its [Dialect]. Run it against the primary; a replica does not
// know yet what was just done.
//
// PostgreSQL: a delivery of an event that another process has in flight waits on
// the key's row, bounded by lock_timeout, which is as it was before while the
// work runs. Every isolation level works.
//
// SQLite: one writer at a time has the whole file. Runs that find it busy try
// again for Options.Wait, whatever the busy_timeout is; use journal_mode(WAL), and
// synchronous(FULL) if an acknowledged event must survive a power cut.
package sqlstore
