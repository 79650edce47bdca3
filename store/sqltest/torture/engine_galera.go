package torture

import "github.com/hookonce/hookonce/store/sqltest/internal/galeranode"

// galera is MariaDB as a cluster. Its log is not held back, because what is acknowledged
// need not be in the log of a node: one that is killed loses the last second of it.
func galera() *engine {
	e := mariaDB()
	e.name, e.logPath = "Galera", ""
	e.up = "SELECT variable_value = 'Synced' FROM information_schema.global_status WHERE variable_name = 'wsrep_local_state_comment'"
	e.size, e.join, e.bootstrap = 3, galeranode.Options, []string{galeranode.NewCluster}
	e.cutOff = "SET GLOBAL wsrep_provider_options = 'gmcast.isolate = 1'"
	e.reconnect = "SET GLOBAL wsrep_provider_options = 'gmcast.isolate = 0'"
	// Other statements are prepared, and an abort by another node that comes meanwhile is
	// unnoticed but for the store's guard. A server uses one node, and need not wait for
	// what is committed by others.
	e.ownTx, e.current, e.reads = "&interpolateParams=true", "&wsrep_sync_wait=15", 8
	// Galera needs a primary key to replicate a row well.
	e.tables[0] = `CREATE TABLE ledger (
		id BIGINT AUTO_INCREMENT PRIMARY KEY, mode VARCHAR(20) NOT NULL, event VARCHAR(80) NOT NULL, note TEXT NOT NULL
	) ENGINE = InnoDB`
	return e
}
