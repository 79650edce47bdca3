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
// # The modes
//
// [Store.RunTx] and [Store.Transactional] are the transactional mode: record and
// work are one commit, and the effect is exactly-once. [Store.ClaimTx] is the same
// in a transaction that you have begun.
//
// A [Store] is also an [idempotency.Store], for work that takes too long for a
// transaction or whose effect is elsewhere:
//
//	once := &idempotency.Middleware{Runner: &idempotency.Leased{Store: events}}
//
// If such work ends with a transaction of its own, [Store.CompleteTx] completes
// the record in it, and the effect is exactly-once again.
//
// # The tables
//
// [Schema] returns the statements that create the tables, for your migrations, and
// [Store.CreateTables] runs them. The folder schema has them as files for goose,
// golang-migrate and atlas. [Upgrade] returns the statements that bring tables of an
// older version up to date. [Store.Check], at start, refuses tables or a server that
// would fail or would take one event for another. To look at the records yourself,
// select from the view whose name is the table's with _readable after it.
//
// Keys are bytes and are
// compared byte for byte. Times are microseconds since 1970 by the database's
// clock; the clocks of the application's machines do not matter.
//
// Do not partition the table by time: a unique key would have to contain the time,
// and the same event of two days would be two. By the hash of the key is fine.
// There is no claim of many keys at once: each key has its own statement, and its
// own answer.
//
// # Operating it
//
// Call [Store.Purge] once a day. [Store.Failures] lists the events that failed,
// [Store.Retry] frees one that is dead. What happens is told to Options.Observe;
// in lease mode, to the one of idempotency.Leased.
//
// # Databases
//
// The package imports no driver and rests on no flag in a DSN: you open the
// database and name its [Dialect]. Run it against the primary; a replica does not
// know yet what was just done. After a failover that lost its last commits, or a
// restore from a backup, the events since then can be done again.
//
// PostgreSQL: a delivery of an event that another process has in flight waits on
// the key's row. When that takes too long, the driver cancels its statement, and
// with that closes the connection; the pool opens another. Where a proxy does not
// pass cancel requests on to the right server, the statement would wait on: set
// lock_timeout in the DSN there. Every isolation level works. COMMIT and ROLLBACK
// end with the context on pgx; lib/pq waits on for their answer. With
// synchronous_commit off, a crash of the server loses acknowledged events, work and
// record; leave it on.
//
// MySQL and MariaDB: when a winner rolls back, InnoDB makes several waiters on its
// key deadlock. Those are tried again. Return every error of a statement from the
// work: after a deadlock there is no transaction any more, and what follows would
// be committed at once, each statement for itself. Nor must the work contain what
// commits by itself (CREATE, ALTER, TRUNCATE, LOCK TABLES): it would commit the
// record before the work is done. Set readTimeout in the DSN to bound how long a
// COMMIT waits for an answer that does not come, for the driver has no context
// there. An acknowledged event survives a crash with innodb_flush_log_at_trx_commit
// at 1, its default. The purge needs binlog_format ROW or MIXED. The SQL mode
// ORACLE, and a session whose variable timestamp stands still, are not supported.
//
// MariaDB bounds the wait of one statement, MySQL does not: there, when
// Options.Wait is over, the driver closes the connection, and its statement stays
// in the server's queue until the other transaction ends or
// innodb_lock_wait_timeout (50 s by default; it can be set in the DSN) has passed.
// In a transaction it then has no effect. In lease mode it may take a lease that
// nobody knows of, which counts as an attempt, and the event waits for its end.
//
// SQLite: one writer at a time has the whole file. The runs of one process queue
// for it, for at most Options.Wait, and wait as long again for other processes, or
// for the busy_timeout if that is longer. Return every error of a statement from the
// work: one that was interrupted, by the end of its context, has rolled everything
// back, and what follows would be committed at once. Use journal_mode(WAL), and
// synchronous(FULL) if an acknowledged event must survive a power cut.
package sqlstore
