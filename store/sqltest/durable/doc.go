// Package durable holds the tests of what is answered while a commit is visible and
// not yet durable. They start servers of their own, hold the writes of their logs
// back, kill them, and balance the books after a restart. They need a C compiler,
// and the programs of PostgreSQL and MariaDB.
package durable
