// Package torture kills servers and databases under load, cuts their connections,
// and then balances the books. It has no API:
//
//	go -C store/sqltest test -v -parallel 4 ./torture        # all databases, minutes
//	go -C store/sqltest test -v ./torture -long -timeout 4h  # until there is little left to doubt
//
// For each database it starts a throwaway server, a proxy in front of it that
// recognizes a COMMIT, and several copies of the test binary as webhook servers,
// which run hmacverify and idempotency's endpoints over sqlstore; half of PostgreSQL's
// run them over pgxstore, on the same table at once. It sends every event at least
// three times at once, and retries until each copy is answered with
// 2xx or 409, or for half of the events, one of them. Meanwhile:
//
//   - servers are killed with SIGKILL, and so is the database;
//   - or of a cluster, Galera's, one node at a time is killed, or cut off from the others
//     but not from the servers, of which two use each node;
//   - writes of the database's log are slow, and the database is killed before they
//     are done;
//   - servers are stopped until their leases have expired, and continued;
//   - connections are cut before, during, and after a COMMIT, so that its outcome
//     is unknown to the server;
//   - the network is slow, or stalls;
//   - the servers' clocks differ by up to two hours, and their pools are too small;
//   - handlers fail and panic after they have done their work, and outlive their
//     lease;
//   - handlers hang, which ignore the end of their context: some return when another
//     delivery has done the event, some only at the end;
//   - a purge runs without end.
//
// In transactional mode a handler writes to a ledger in the event's transaction; on
// pgxpool that is a batch for half of the events.
// Under a lease it asks another system for an effect, or writes to the ledger in
// the transaction that completes the lease. At the end there must be one effect and
// one processed record for each event, and nothing left over.
//
// Then there are outages, except on a cluster, one after the other: the disk is full, the
// database read-only, the database, its network, or another system that the work depends
// on is away for several redeliveries.
// Attempts are bounded. No event is acknowledged that is not stored, none dies of an
// outage, those whose work fails each time do die, and the same process recovers when
// the outage ends. And the database fails over: open connections become read-only, and
// new ones do not. Each of several servers must find out without a restart.
//
// For each fault there is a server with a mistake, see broken.go, that the books must
// find.
//
// Each run logs what it did and counted, and its seed. The seed decides what is
// done to which process, but not how that meets with the deliveries:
//
//	go -C store/sqltest test -v ./torture -run '/postgres' -seed 42
//
// The servers of PostgreSQL and MariaDB, Galera, rsync and a C compiler must be installed:
// the log is held back by a preloaded library, that of SQLite in runs of its own with another
// driver. To fill a disk, the tests mount a small one, which only root may do; other
// users see these tests skipped.
package torture
