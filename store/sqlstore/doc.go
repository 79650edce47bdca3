// Package sqlstore keeps the records of package idempotency in a table of a SQL
// database, and commits them together with the work.
//
//	events, err := sqlstore.New(db, sqlstore.PostgreSQL, nil)
//	…
//	if err := events.CreateTables(ctx); err != nil {
//		return err
//	}
//	endpoint, err := idempotency.NewEndpoint("stripe", verifier, events, nil)
//
// A [Store] is the endpoint's runner. Without HTTP, call [Store.RunTx]:
//
//	err = events.RunTx(ctx, key, func(ctx context.Context, tx *sql.Tx) error {
//		_, err := tx.ExecContext(ctx, "UPDATE accounts SET …")
//		return err
//	})
//
// The record of key and the UPDATE are one commit. When duplicates arrive
// concurrently, even in different processes, exactly one updates, and the others get
// [idempotency.ErrDuplicate].
//
// # Modes
//
// [Store.RunTx], and an endpoint on the store, commit record and work together: the
// effect is exactly-once. [Store.ClaimTx] does the same in a transaction that the
// caller has begun.
//
// A Store is also a [lease.Store], for work that takes too long for a transaction or
// whose effect is elsewhere: give it to [lease.New]. If such work ends with a
// transaction of its own, [Store.CompleteTx] completes the record in that, and the
// effect is exactly-once again.
//
// # Tables
//
// Create the tables with [Store.CreateTables], or add the output of [Schema], or the
// files in the folder schema, to your migrations. [Upgrade] returns the statements
// that bring older tables up to date. [Store.Check], called at start, refuses tables
// or a server on which the store would fail or confuse two events. The view
// idempotency_records_readable shows the records to people.
//
// Keys are bytes and are compared byte for byte. Times are microseconds since 1970
// by the database's clock; the clocks of the application's machines do not matter.
//
// Partition the table by the hash of its key, or not at all. Partitioned by time it
// would need the time in its primary key, and the same event on two days would be
// two.
//
// # Commit
//
// A COMMIT has three outcomes. If the server has committed, RunTx returns nil. If it has
// not because of what the work did, that is a failure of the work: it is counted, and
// listed by [Store.Failures] with the server's own text. Such are a deferred constraint,
// an error of a statement that the work did not return, rows that it left open, and a
// transaction that idled for longer than the server allows. If it is not known what
// became of the COMMIT, because the connection was lost or there was no answer, or if
// the server is full, read-only or shutting down, the outcome is
// [idempotency.ErrUnavailable], and the next delivery finds out.
//
// The work must not end the transaction. After a call of tx.Commit or tx.Rollback, or
// the statement of that name, the run fails; if it was COMMIT, the record is committed
// with it, and the next delivery is a duplicate. With a driver that wraps pgx in
// another type, a statement ROLLBACK is not seen: the event would be acknowledged
// without record and effect.
//
// The work may change the search_path, the current database or its role. The store
// finds its table in spite of that, but a role must have the right to write to it.
//
// A transaction ends with the context of its delivery until COMMIT is sent; that the
// context ends later changes nothing. A run waits 10 s for the answer. Then the outcome
// is unknown, and the connection stays in use until the server answers, or until the
// operating system finds that the server is gone (tcp_user_timeout, TCP keepalive). On
// SQLite it waits until COMMIT returns.
//
// # Connections
//
// A run holds one connection from BEGIN to COMMIT, also while it waits for another
// process. Set [database/sql.DB.SetMaxOpenConns] before the first event: without a
// limit, a burst of deliveries opens more connections than the server accepts. Of a
// pool of N, runs hold at most N-1 at once, so that work that needs a second connection
// besides its transaction finds one. While a lease lasts, one connection of the pool is
// kept for renewals. With a pool of 1, do everything on tx.
//
// When a statement says that its connection cannot write, because the node is a replica
// since a failover or because work left a mode or a role behind, the idle connections of
// the pool are closed, at most twice a second.
//
// # Operation
//
// Call [Store.Purge] once a day. [Store.Failures] lists the events that failed,
// [Store.Lookup] says what is known of one, [Store.Retry] frees one that is dead, and
// [Store.Forget] one that was processed. Failures are logged; Options.Observe sees
// everything.
//
// The package imports no driver and depends on no flag in the data source name. Run
// it against the primary: a replica does not know yet what was just committed. After
// a failover that lost commits, or a restore from a backup, the events since then can
// be processed again.
//
// # PostgreSQL
//
// Version 14 or later; every isolation level works. For services on pgxpool, package
// pgxstore does the same with a pgx.Tx, in fewer round trips.
//
// A delivery of an event that another process has in flight waits for that one's
// commit. After Options.Wait the driver cancels the statement, and closes the
// connection with it. Where a proxy does not route cancel requests to the right
// server, set lock_timeout for the role instead.
//
// Behind PgBouncer in transaction mode, or another pooler like it, tell the driver to
// do without named prepared statements: default_query_exec_mode=exec (or
// simple_protocol, or cache_describe) in pgx's data source name, binary_parameters=yes
// in lib/pq's. [Store.Check] finds pgx without it, unless the pooler keeps prepared
// statements, as PgBouncer can since 1.21; then pgx's default works. lib/pq without it,
// and pgx with describe_exec, execute other statements than they prepared, now and then,
// which this check cannot find. Parameters such as lock_timeout in the data source name
// are refused by PgBouncer: set them for the role (ALTER ROLE … SET lock_timeout = …).
//
// lib/pq hides the text of an error that ends the connection, so that with it an
// idle_in_transaction_session_timeout counts as a lost connection and not as a failure.
//
// Keep synchronous_commit on: without it, a crash of the server loses acknowledged
// events, work and record.
//
// With a synchronous standby, a record can be visible that the standby does not have
// yet: the wait for it was canceled, or the server was restarted meanwhile. So where
// synchronous_standby_names is set, a duplicate locks its record FOR KEY SHARE, and
// is acknowledged when the standby has that too. While no standby answers, duplicates
// are in flight. A primary that was demoted refuses the lock: it shows records that the
// new one may not have, and duplicates are unavailable there. An administrator who cancels that wait with pg_cancel_backend
// accepts the loss. A transaction of your own ([Store.ClaimTx], [Store.CompleteTx]) is
// canceled so when its context ends in COMMIT, which lib/pq reports as a success: begin
// it with [context.WithoutCancel], or take a COMMIT for failed if its context has ended.
//
// # MySQL and MariaDB
//
// MySQL 8.0 or later, MariaDB 10.6 or later, with the driver
// github.com/go-sql-driver/mysql.
//
// Return every error of a statement from the work: after a deadlock the server has
// rolled back, and each statement after it would be committed by itself. Statements
// that commit implicitly (CREATE, ALTER, TRUNCATE, LOCK TABLES) would commit the
// record before the work is done; the work must not contain them.
//
// Set readTimeout in the data source name: the driver frees the connection of a COMMIT
// that is not answered in no other way. An acknowledged event survives a crash with
// innodb_flush_log_at_trx_commit at 1, the default, and, with a binary log,
// sync_binlog at 1, which is not MariaDB's default. Purge needs binlog_format ROW or
// MIXED. The SQL mode ORACLE, and sessions that set the variable timestamp, are not
// supported.
//
// Without a binary log (log_bin or sql_log_bin off), and on MariaDB from 12.3,
// InnoDB shows a commit to others before it has flushed its log. There a duplicate
// first commits a write of its own, which flushes it, and costs a flush. A filter of
// the binary log that leaves the database out (binlog_do_db, binlog_ignore_db) has
// the same effect and is not seen: do not set one.
//
// With semi-synchronous replication on MariaDB, set rpl_semi_sync_master_wait_point
// to AFTER_SYNC. Under AFTER_COMMIT, the default, others see a commit before any
// replica has it, and a duplicate would be acknowledged that a failover undoes.
//
// On a cluster of Galera every node may take writes. An abort by another node is not always
// told to the transaction that it ends, so the store's run without autocommit there, and are
// tried again. Transactions of your own ([Store.ClaimTx], [Store.CompleteTx]) need
// interpolateParams=true in the data source name, and must prepare no statements; leases on
// connections that move between nodes need wsrep_sync_wait=7, or may be lost without cause.
// The file .github/ENGINES.md says more, also of other engines.
//
// When a winner rolls back, InnoDB makes several waiters on its key deadlock; they
// are retried. MariaDB bounds the wait of a single statement; MySQL does not. There,
// after Options.Wait, the driver closes the connection, but the statement stays in
// the server's queue until the other transaction ends or innodb_lock_wait_timeout
// (50 s by default) has passed. In a transaction it has no effect then. In lease mode
// it may leave an orphaned lease, which counts as an attempt and delays the event
// until it expires.
//
// # SQLite
//
// Version 3.38 or later. Use journal_mode(WAL), and synchronous(FULL) if an
// acknowledged event must survive a power failure. With these, a commit is on disk
// before others see it.
//
// SQLite has one writer at a time. The runs of one Store queue for it, for at most
// Options.Wait, and wait as long again for other processes and other Stores, or for
// the busy_timeout if that is longer.
//
// Return every error of a statement from the work: a statement that was interrupted
// by the end of its context has rolled everything back, and each statement after it
// would be committed by itself.
package sqlstore
