package torture

import (
	"database/sql"
	"os/exec"
	"strings"

	_ "github.com/jackc/pgx/v5/stdlib" // registers "pgx"
	_ "github.com/mattn/go-sqlite3"    // registers "sqlite3"
	_ "modernc.org/sqlite"             // registers "sqlite"

	"github.com/hookonce/hookonce/store/sqlstore"
)

// An engine is all that differs between the kinds of databases.
type engine struct {
	name    string
	driver  string
	dialect sqlstore.Dialect
	pgxpool bool // it can be used without database/sql, too

	userDSN func(address string) string // of the file, without a server process

	// An engine without a server process has none of these.
	account    string                              // that runs the server, which refuses root
	initialize func(dir string) (*exec.Cmd, error) // creates the data directory
	serve      func(dir string, port int) (*exec.Cmd, error)
	adminDSN   func(dir string, port int) string
	up         string        // a query that is true when the server is ready
	frames     func() framer // reads the client's side of the protocol
	setUp      []string      // as the administrator, once
	immediate  bool          // SIGQUIT stops it without a checkpoint

	// Only a cluster has these.
	size      int                                            // in nodes, of which each takes writes
	join      func(first, nodes, node int) ([]string, error) // the options of a node, by the first of all ports
	bootstrap []string                                       // likewise, of the first node's first start only
	cutOff    string                                         // has a node lose the others, as the administrator
	reconnect string
	ownTx     string // is added to a DSN for transactions of the handlers' own
	current   string // likewise, to read what was committed by any node
	reads     int    // with which the work of transactional mode begins

	logPath string // is in the path of its log's files; "" if they cannot be held back

	tables      []string
	oldRecord   string   // inserts a record that is past its retention
	connections string   // counts all but the one that asks
	readOnly    []string // as the administrator, without a restart
	writable    []string
	failover    []string // open connections become read-only, new ones are not
}

// engines are all engines by name.
func engines() map[string]*engine {
	return map[string]*engine{"sqlite": sqliteEngine(), "sqlite3": heldSQLite(), "postgres": postgreSQL(), "mariadb": mariaDB(), "galera": galera()}
}

// engineNames is the order in which long runs take them.
var engineNames = []string{"sqlite", "postgres", "mariadb"}

// accounts is the number of rows that the work of different events updates in
// random order, to provoke deadlocks.
const accounts = 16

func (e *engine) hasServer() bool { return e.serve != nil }

// bind returns the query with parameters in the syntax of the engine's driver.
func (e *engine) bind(query string) string {
	if e.dialect != sqlstore.PostgreSQL {
		return query
	}
	var b strings.Builder
	for i, part := range strings.Split(query, "?") {
		if i > 0 {
			b.WriteByte('$')
			b.WriteByte(byte('0' + i))
		}
		b.WriteString(part)
	}
	return b.String()
}

func (e *engine) open(dsn string, conns int) (*sql.DB, error) {
	db, err := sql.Open(e.driver, dsn)
	if err == nil {
		db.SetMaxOpenConns(conns)
		db.SetMaxIdleConns(conns)
	}
	return db, err
}
