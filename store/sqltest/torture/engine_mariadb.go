package torture

import (
	"fmt"
	"io"
	"log"
	"os/exec"
	"sync"

	"github.com/go-sql-driver/mysql" // registers "mysql"

	"github.com/hookonce/hookonce/store/sqlstore"
)

// quiet keeps the driver from logging the connections that we cut.
var quiet = sync.OnceFunc(func() { mysql.SetLogger(log.New(io.Discard, "", 0)) })

func mariaDB() *engine {
	quiet()
	return &engine{
		name:    "MariaDB",
		driver:  "mysql",
		dialect: sqlstore.MySQL,
		account: "mysql",
		initialize: func(dir string) (*exec.Cmd, error) {
			return findBinary("mariadb-install-db", append(mariaDBOptions(dir),
				"--auth-root-authentication-method=normal", "--skip-test-db")...)
		},
		serve: func(dir string, port int) (*exec.Cmd, error) {
			return findBinary("mariadbd", append(mariaDBOptions(dir), fmt.Sprintf("--port=%d", port),
				"--bind-address=127.0.0.1", "--socket="+dir+"/socket", "--skip-name-resolve",
				// Asynchronous writes would go past the library that holds them back.
				"--innodb-use-native-aio=0")...)
		},
		adminDSN: func(dir string, _ int) string { return "root@unix(" + dir + "/socket)/mysql" },
		userDSN: func(address string) string {
			return "torture@tcp(" + address + ")/torture?timeout=5s"
		},
		up:      "SELECT TRUE",
		frames:  func() framer { return mySQLFrames{} },
		logPath: "ib_logfile0",
		setUp: []string{
			"CREATE DATABASE IF NOT EXISTS torture",
			// Not the administrator: read_only does not apply to that account.
			"CREATE USER IF NOT EXISTS torture@127.0.0.1",
			"GRANT ALL ON torture.* TO torture@127.0.0.1",
		},
		tables: []string{
			"CREATE TABLE ledger (mode VARCHAR(20) NOT NULL, event VARCHAR(80) NOT NULL, note TEXT NOT NULL) ENGINE = InnoDB",
			"CREATE TABLE accounts (id INT PRIMARY KEY, balance BIGINT NOT NULL) ENGINE = InnoDB",
		},
		oldRecord: `INSERT INTO ` + sqlstore.DefaultTable + ` (scope, id, state, owner, token, attempts, lease_until, changed_at)
			VALUES ('old', ?, 2, '', 1, 1, 0, 0)`,
		connections: "SELECT count(*) FROM information_schema.processlist WHERE command <> 'Daemon' AND user = 'torture' AND id <> connection_id()",
		readOnly:    []string{"SET GLOBAL read_only = 1"},
		writable:    []string{"SET GLOBAL read_only = 0"},
		// A session has the privileges that its account had when it began.
		failover: []string{"SET GLOBAL read_only = 1", "GRANT READ_ONLY ADMIN ON *.* TO torture@127.0.0.1"},
	}
}

// mariaDBOptions are the options for creating and for serving a data directory. The
// log is small, so that a small disk is not full from the start. The directory for
// temporary files is not shared, because each server empties it at startup.
func mariaDBOptions(dir string) []string {
	return []string{
		"--no-defaults", "--datadir=" + dir, "--tmpdir=" + dir, "--innodb-log-file-size=8M",
		"--innodb-buffer-pool-size=32M", "--aria-log-file-size=8M", "--innodb-undo-tablespaces=0",
		// A recalculation of statistics would hang in a log that is held back, with the
		// dictionary locked.
		"--innodb-stats-persistent=0",
	}
}
