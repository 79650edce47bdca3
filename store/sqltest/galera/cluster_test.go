package galera_test

import (
	"context"
	crand "crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql" // mysql

	"github.com/hookonce/hookonce/store/sqltest/internal/testserver"
)

// provider is Galera's library, where Debian and Red Hat keep it.
var provider = []string{"/usr/lib/galera/libgalera_smm.so", "/usr/lib64/galera-4/libgalera_smm.so"}

// account is that of the servers, if we are root.
const account = "mysql"

// size is how many nodes a cluster has.
const size = 3

// A node is one server of a cluster.
type node struct {
	dir     string
	port    int // of SQL; the next three are Galera's own
	process *os.Process
	exited  chan struct{}
}

// A cluster is one, or a database in one.
type cluster struct {
	nodes    []*node
	database string
}

// newCluster starts a cluster, and stops it at the end of the test.
func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := new(cluster)
	for range size {
		c.nodes = append(c.nodes, &node{dir: testserver.Directory(t, account), port: testserver.FreePort(t, 4)})
	}
	first := c.nodes[0]
	install := testserver.Command(t, account, first.dir, "mariadb-install-db", append(first.common(), "--auth-root-authentication-method=normal", "--skip-test-db")...)
	run(t, install)
	for _, n := range c.nodes[1:] {
		run(t, exec.Command("cp", "--archive", first.dir+"/data", n.dir))
	}
	c.start(t, 0, "--wsrep-new-cluster")
	c.wait(t, 0)
	// One joins after the other: each copies the data of one that is in the cluster.
	for i := 1; i < size; i++ {
		c.start(t, i)
		c.wait(t, i)
	}
	return c
}

// in creates a database in the cluster, and waits until each node has it.
func (c *cluster) in(t *testing.T) *cluster {
	t.Helper()
	own := &cluster{nodes: c.nodes, database: "t_" + strings.ToLower(crand.Text())}
	mustExec(t, c.open(t, 0), "CREATE DATABASE "+own.database)
	for i := range c.nodes {
		db := (&cluster{nodes: c.nodes}).open(t, i, "wsrep_sync_wait=15")
		mustExec(t, db, "SELECT 1")
		db.Close()
	}
	return own
}

func run(t *testing.T, c *exec.Cmd) {
	t.Helper()
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", filepath.Base(c.Path), err, out)
	}
}

func (n *node) common() []string {
	return []string{
		"--no-defaults", "--datadir=" + n.dir + "/data", "--tmpdir=" + n.dir, "--innodb-log-file-size=16M",
		"--innodb-buffer-pool-size=64M", "--aria-log-file-size=8M",
	}
}

// start starts a node, without waiting for it.
func (c *cluster) start(t *testing.T, i int, options ...string) {
	t.Helper()
	library := slices.IndexFunc(provider, func(name string) bool {
		_, err := os.Stat(name)
		return err == nil
	})
	if library < 0 {
		t.Fatal("Galera is not installed: there is none of ", provider)
	}
	for _, tool := range []string{"rsync", "wsrep_sst_rsync"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatal(tool, " is not installed, by which a node gets its data")
		}
	}
	n := c.nodes[i]
	var peers []string
	for _, peer := range c.nodes {
		peers = append(peers, fmt.Sprintf("127.0.0.1:%d", peer.port+1))
	}
	args := append(n.common(),
		fmt.Sprintf("--port=%d", n.port), "--bind-address=127.0.0.1", "--skip-name-resolve", "--max-connections=300",
		"--socket="+n.dir+"/socket", "--pid-file="+n.dir+"/pid",
		"--binlog-format=ROW", "--innodb-autoinc-lock-mode=2", "--innodb-flush-log-at-trx-commit=0",
		"--wsrep-on=ON", "--wsrep-provider="+provider[library], "--wsrep-cluster-name="+filepath.Base(c.nodes[0].dir),
		"--wsrep-cluster-address=gcomm://"+strings.Join(peers, ","),
		fmt.Sprintf("--wsrep-node-address=127.0.0.1:%d", n.port+1),
		fmt.Sprintf("--wsrep-provider-options=gmcast.listen_addr=tcp://127.0.0.1:%d;ist.recv_addr=127.0.0.1:%d;gcache.size=64M", n.port+1, n.port+2),
		"--wsrep-sst-method=rsync", fmt.Sprintf("--wsrep-sst-receive-address=127.0.0.1:%d", n.port+3),
	)
	command := testserver.Command(t, account, n.dir, "mariadbd", append(args, options...)...)
	log, err := os.OpenFile(filepath.Join(n.dir, "log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr.Setpgid = true // with the scripts that it starts
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		command.Wait()
		close(exited)
	}()
	n.process, n.exited = command.Process, exited
	t.Cleanup(n.kill)
}

// wait waits until the node is in the cluster.
func (c *cluster) wait(t *testing.T, i int) {
	t.Helper()
	c.await(t, i, "wsrep_local_state_comment", "Synced")
}

// await waits until a status variable of the node has a value.
func (c *cluster) await(t *testing.T, i int, name, value string) {
	t.Helper()
	db := (&cluster{nodes: c.nodes}).open(t, i)
	defer db.Close()
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		var ignored, got string
		err = db.QueryRowContext(t.Context(), "SHOW STATUS LIKE '"+name+"'").Scan(&ignored, &got)
		if err == nil && got == value {
			return
		}
		select {
		case <-c.nodes[i].exited:
			end = time.Now()
		default:
		}
		err = errors.Join(err, fmt.Errorf("it is %q", got))
	}
	text, _ := os.ReadFile(filepath.Join(c.nodes[i].dir, "log"))
	t.Fatalf("%s of node %d does not become %s: %v\n%s", name, i, value, err, text[max(0, len(text)-8000):])
}

// kill ends the node at once.
func (n *node) kill() {
	if n.process == nil {
		return
	}
	syscall.Kill(-n.process.Pid, syscall.SIGKILL)
	<-n.exited
	n.process = nil
}

// open opens the database by a node, with options of the driver.
func (c *cluster) open(t *testing.T, i int, options ...string) *sql.DB {
	t.Helper()
	options = append(options, "timeout=5s", "readTimeout=20s")
	db, err := sql.Open("mysql", fmt.Sprintf("root@tcp(127.0.0.1:%d)/%s?%s", c.nodes[i].port, c.database, strings.Join(options, "&")))
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(50)
	db.SetMaxIdleConns(50)
	t.Cleanup(func() { db.Close() })
	return db
}

func mustExec(t *testing.T, db *sql.DB, query string) {
	t.Helper()
	if _, err := db.ExecContext(context.WithoutCancel(t.Context()), query); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}
