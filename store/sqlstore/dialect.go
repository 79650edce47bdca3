package sqlstore

// A Dialect is the SQL that a database speaks. The caller names it; nothing is
// guessed from the driver.
type Dialect string

// The dialects.
const (
	PostgreSQL Dialect = "postgresql" // PostgreSQL 14 and later
	MySQL      Dialect = "mysql"      // MySQL 8.0 and later, MariaDB 10.6 and later
	SQLite     Dialect = "sqlite"     // SQLite 3.38 and later
)
