// Package patroni holds the tests on a cluster of PostgreSQL with synchronous standbys that
// Patroni fails over: three nodes, etcd, HAProxy, and PgBouncer in transaction mode. They
// start all of it themselves, on the loopback interface, kill the primary under load, cut it
// off, and balance the books. They need Linux, PostgreSQL, and Debian's patroni,
// etcd-server, haproxy and pgbouncer.
package patroni
