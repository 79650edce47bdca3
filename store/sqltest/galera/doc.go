// Package galera holds the tests on a cluster of MariaDB with Galera: three nodes, of
// which each takes writes. They start the nodes themselves, on the loopback interface, and
// need MariaDB, Galera 4 and rsync.
package galera
