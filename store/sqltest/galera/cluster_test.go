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

	"github.com/hookonce/hookonce/store/sqltest/internal/galeranode"
	"github.com/hookonce/hookonce/store/sqltest/internal/testserver"
)

// account is that of the servers, if we are root.
const account = "mysql"

// size is how many nodes a cluster has.
const size = 3

// A node is one server of a cluster.
type node struct {
	dir     string
	port    int // of SQL, and the next ones, see galeranode
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
	port := testserver.FreePort(t, size*galeranode.Ports)
	for i := range size {
		c.nodes = append(c.nodes, &node{dir: testserver.Directory(t, account), port: port + i*galeranode.Ports})
	}
	first := c.nodes[0]
	install := testserver.Command(t, account, first.dir, "mariadb-install-db", append(first.common(), "--auth-root-authentication-method=normal", "--skip-test-db")...)
	run(t, install)
	for _, n := range c.nodes[1:] {
		run(t, exec.Command("cp", "--archive", first.dir+"/data", n.dir))
	}
	c.start(t, 0, galeranode.NewCluster)
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
	n := c.nodes[i]
	galera, err := galeranode.Options(c.nodes[0].port, size, i)
	if err != nil {
		t.Fatal(err)
	}
	args := append(n.common(),
		fmt.Sprintf("--port=%d", n.port), "--bind-address=127.0.0.1", "--skip-name-resolve", "--max-connections=300",
		"--socket="+n.dir+"/socket", "--pid-file="+n.dir+"/pid",
	)
	command := testserver.Command(t, account, n.dir, "mariadbd", slices.Concat(args, galera, options)...)
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
