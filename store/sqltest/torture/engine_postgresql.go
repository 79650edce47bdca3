package torture

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"

	"github.com/hookonce/hookonce/store/sqlstore"
)

func postgreSQL() *engine {
	return &engine{
		name:    "PostgreSQL",
		driver:  "pgx",
		dialect: sqlstore.PostgreSQL,
		pgxpool: true,
		account: "postgres",
		initialize: func(dir string) (*exec.Cmd, error) {
			// Small WAL segments, so that a small disk is not full from the start.
			return findBinary("initdb", "--pgdata="+dir, "--username=postgres", "--auth=trust",
				"--wal-segsize=1", "--encoding=UTF8", "--locale=C")
		},
		serve: func(dir string, port int) (*exec.Cmd, error) {
			return findBinary("postgres", "-D", dir, "-p", fmt.Sprint(port), "-k", dir,
				"-c", "listen_addresses=127.0.0.1", "-c", "min_wal_size=2MB", "-c", "max_wal_size=16MB",
				"-c", "shared_buffers=32MB", "-c", "checkpoint_timeout=30s")
		},
		adminDSN:  func(_ string, port int) string { return postgreSQLDSN(fmt.Sprintf("127.0.0.1:%d", port)) },
		userDSN:   postgreSQLDSN,
		up:        "SELECT TRUE",
		frames:    func() framer { return &postgreSQLFrames{} },
		immediate: true,
		logPath:   "/pg_wal/",
		tables: []string{
			"CREATE TABLE ledger (mode text NOT NULL, event text NOT NULL, note text NOT NULL)",
			"CREATE TABLE accounts (id integer PRIMARY KEY, balance bigint NOT NULL)",
		},
		oldRecord: `INSERT INTO ` + sqlstore.DefaultTable + ` (scope, id, state, owner, token, attempts, lease_until, changed_at)
			VALUES ('\x6f6c64', convert_to(?, 'UTF8'), 2, '', 1, 1, 0, 0)`,
		connections: "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
		readOnly:    []string{"ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()"},
		// A role's setting is for sessions that begin, and stands above the server's.
		failover: []string{
			"ALTER ROLE postgres SET default_transaction_read_only = off",
			"ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()",
		},
		writable: []string{
			"SET default_transaction_read_only = off",
			"ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()",
		},
	}
}

func postgreSQLDSN(address string) string {
	return "postgres://postgres@" + address + "/postgres?sslmode=disable&connect_timeout=5"
}

// findBinary returns a command from PATH or from where Debian keeps servers.
func findBinary(name string, args ...string) (*exec.Cmd, error) {
	if path, err := exec.LookPath(name); err == nil {
		return exec.Command(path, args...), nil
	}
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin/", "/usr/sbin/", "/usr/local/*/bin/"} {
		found, err := filepath.Glob(pattern + name)
		if err != nil {
			return nil, err
		}
		if len(found) > 0 {
			slices.Sort(found)
			return exec.Command(found[len(found)-1], args...), nil
		}
	}
	return nil, fmt.Errorf("%s is not installed: neither in PATH, nor in /usr/lib/postgresql, nor in /usr/sbin", name)
}
