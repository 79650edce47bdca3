// Package sqltest holds the tests of sqlstore, sqlstep and pgxstep that need a driver
// and a real database. It has no API.
//
// Each test runs against every database that the library supports. SQLite needs
// nothing. PostgreSQL is the server that the environment variable
// HOOKONCE_POSTGRES names by its URL, MariaDB the one that HOOKONCE_MARIADB names
// by a DSN of go-sql-driver/mysql. Without them the tests fail, they never skip.
// If HOOKONCE_MYSQL names a MySQL in the same way, they run against that too.
// HOOKONCE_POSTGRES_DRIVER and HOOKONCE_SQLITE_DRIVER name the drivers, pgx and
// sqlite (modernc.org) if they do not say postgres (lib/pq) and sqlite3 (mattn).
// The tests make schemas and databases of their own and drop them at the end.
package sqltest
