// Package torture kills servers and databases under load, cuts their connections,
// and then balances the books. It has no API:
//
//	go -C store/sqltest test -v ./torture                    # all databases, about a minute
//	go -C store/sqltest test -v ./torture -long -timeout 3h  # until there is little left to doubt
//
// For each database it starts a throwaway server, a proxy in front of it that
// recognizes a COMMIT, and several copies of the test binary as webhook servers,
// which run hmacverify and idempotency's endpoints over sqlstore. It sends every
// event at least three times at once, and retries until each copy is answered with
// 2xx or 409. Meanwhile:
//
//   - servers are killed with SIGKILL, and so is the database;
//   - servers are stopped until their leases have expired, and continued;
//   - connections are cut before, during, and after a COMMIT, so that its outcome
//     is unknown to the server;
//   - the network is slow, or stalls;
//   - the servers' clocks differ by up to two hours, and their pools are too small;
//   - handlers fail and panic after they have done their work, and outlive their
//     lease;
//   - a purge runs without end.
//
// In transactional mode a handler writes to a ledger in the event's transaction.
// Under a lease it asks another system for an effect, or writes to the ledger in
// the transaction that completes the lease. At the end there must be one effect and
// one processed record for each event, and nothing left over. Then the disk is
// filled, and the database made read-only: no event is acknowledged that is not
// stored, and the same process recovers when the outage ends.
//
// Each run logs what it did and counted, and its seed. The seed decides what is
// done to which process, but not how that meets with the deliveries:
//
//	go -C store/sqltest test -v ./torture -run 'Torture/postgres' -seed 42
//
// The servers of PostgreSQL and MariaDB must be installed. To fill a disk, the
// tests mount a small one, which only root may do; other users see these tests
// skipped.
package torture
