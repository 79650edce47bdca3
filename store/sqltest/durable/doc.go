// Package durable holds the tests of what is answered while a commit is visible and
// not yet durable. They start servers of their own, hold the writes of their logs
// back, or stop the standby that their commits wait for; kill them, and balance the
// books after a restart or a promotion. They need a C compiler, and the programs of
// PostgreSQL and MariaDB. If HOOKONCE_MYSQLD names the program of a MySQL server, they
// run against that too.
package durable
