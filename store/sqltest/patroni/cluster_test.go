//go:build linux

package patroni_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // pgx

	"github.com/hookonce/hookonce/store/sqltest/internal/testserver"
)

// size is how many nodes a cluster has: with one away there still is a standby to wait for.
const size = 3

// userTimeout is how long a connection that is cut off stays open at the client's, as of
// tcp_user_timeout.
const userTimeout = 5 * time.Second

// A cluster is of nodes, of which one is the leader.
type cluster struct {
	nodes     []*node
	etcd      *process
	haproxy   *process
	pgbouncer *service
	proxyPort int // of HAProxy
	poolPort  int // of PgBouncer
	http      http.Client
}

// newCluster starts a cluster, and stops it at the end of the test.
func newCluster(t *testing.T) *cluster {
	t.Helper()
	began := time.Now()
	c := &cluster{proxyPort: testserver.FreePort(t, 1), poolPort: testserver.FreePort(t, 1), http: http.Client{Timeout: time.Second}}
	port := c.startEtcd(t)
	for i := range size {
		c.nodes = append(c.nodes, newNode(t, fmt.Sprintf("node%d", i), port))
	}
	for _, n := range c.nodes {
		n.start(t)
	}
	c.startHAProxy(t)
	c.startPgBouncer(t)
	c.awaitWhole(t, true)
	t.Logf("the cluster started in %v", since(began))
	return c
}

func since(start time.Time) time.Duration { return time.Since(start).Round(100 * time.Millisecond) }

func (c *cluster) startEtcd(t *testing.T) (port int) {
	t.Helper()
	dir, port, peer := testserver.Directory(t, account), testserver.FreePort(t, 1), testserver.FreePort(t, 1)
	address := func(port int) string { return fmt.Sprintf("http://127.0.0.1:%d", port) }
	c.etcd = startProcess(t, dir, "etcd", "--name=etcd", "--data-dir="+dir+"/data", "--unsafe-no-fsync",
		"--listen-client-urls="+address(port), "--advertise-client-urls="+address(port),
		"--listen-peer-urls="+address(peer), "--initial-advertise-peer-urls="+address(peer),
		"--initial-cluster=etcd="+address(peer), "--logger=zap")
	return port
}

// startHAProxy starts a proxy that leads to the node whose Patroni says that it is the
// primary, and that ends the connections to one that no longer is.
func (c *cluster) startHAProxy(t *testing.T) {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, `defaults
    mode tcp
    maxconn 500
    timeout connect 1s
    timeout client 10m
    timeout server 10m
    timeout check 1s
listen primary
    bind 127.0.0.1:%d
    option httpchk GET /primary
    http-check expect status 200
    default-server inter 500ms fall 2 rise 1 on-marked-down shutdown-sessions
`, c.proxyPort)
	for _, n := range c.nodes {
		fmt.Fprintf(&b, "    server %s 127.0.0.1:%d check port %d\n", n.name, n.clients.port(), n.checks.port())
	}
	dir := testserver.Directory(t, account)
	c.haproxy = startProcess(t, dir, "haproxy", "-db", "-f", writeFile(t, dir, "haproxy.cfg", []byte(b.String())))
}

// startPgBouncer starts PgBouncer before HAProxy.
func (c *cluster) startPgBouncer(t *testing.T) {
	t.Helper()
	dir := testserver.Directory(t, account)
	config := fmt.Sprintf(`[databases]
* = host=127.0.0.1 port=%d user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = any
admin_users = postgres
pool_mode = transaction
default_pool_size = 12
max_client_conn = 300
server_login_retry = 1
server_connect_timeout = 2
ignore_startup_parameters = extra_float_digits
`, c.proxyPort, c.poolPort)
	// Up to 1.20, PgBouncer ends when queries are canceled under load (pgbouncer#822).
	c.pgbouncer = startService(t, dir, "pgbouncer", writeFile(t, dir, "pgbouncer.ini", []byte(config)))
}

// show is what PgBouncer says of its parts.
func (c *cluster) show(what string) string {
	db, err := sql.Open("pgx", c.dsn("pgbouncer", c.poolPort)+"&default_query_exec_mode=simple_protocol")
	if err != nil {
		return err.Error()
	}
	defer db.Close()
	rows, err := db.Query("SHOW " + what)
	if err != nil {
		return err.Error()
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return err.Error()
	}
	lines := []string{strings.Join(columns, " ")}
	for rows.Next() {
		values, into := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return err.Error()
		}
		var line strings.Builder
		for _, v := range values {
			line.WriteString(v.String + " ")
		}
		lines = append(lines, line.String())
	}
	return strings.Join(lines, "\n")
}

// A status is what Patroni knows of the cluster.
type status struct {
	Members []struct {
		Name, Role, State string
		Timeline          int
	}
}

// status asks a node that answers, past the links. One that is cut off knows nothing new.
func (c *cluster) status(ctx context.Context, except *node) (s status, err error) {
	for _, n := range c.nodes {
		if n == except {
			continue
		}
		if err = c.get(ctx, n, "/cluster", &s); err == nil {
			return s, nil
		}
	}
	return s, err
}

func (c *cluster) get(ctx context.Context, n *node, path string, into any) error {
	r, err := http.NewRequestWithContext(ctx, "GET", fmt.Sprintf("http://127.0.0.1:%d%s", n.rest, path), nil)
	if err != nil {
		return err
	}
	response, err := c.http.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	return json.NewDecoder(response.Body).Decode(into)
}

// leader returns the node that is the leader by what all but one say; nil if there is none.
func (c *cluster) leader(ctx context.Context, except *node) *node {
	s, err := c.status(ctx, except)
	if err != nil {
		return nil
	}
	for i, n := range c.nodes {
		for _, m := range s.Members {
			if m.Name == c.nodes[i].name && m.Role == "leader" && m.State == "running" && n != except {
				return n
			}
		}
	}
	return nil
}

// awaitLeader waits until there is a leader other than that, and returns it.
func (c *cluster) awaitLeader(t *testing.T, other *node) (n *node) {
	t.Helper()
	c.await(t, "a leader", func(ctx context.Context) bool {
		n = c.leader(ctx, other)
		return n != nil && c.query(n, "SELECT NOT pg_is_in_recovery()") == "true"
	})
	return n
}

// leaderWithin is awaitLeader that returns nil if there is none in time: if the leader fails
// while Patroni is about to choose another synchronous standby, it promotes none.
func (c *cluster) leaderWithin(t *testing.T, other *node, d time.Duration) *node {
	t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		if n := c.leader(t.Context(), other); n != nil && c.query(n, "SELECT NOT pg_is_in_recovery()") == "true" {
			return n
		}
	}
	return nil
}

// awaitWhole waits until all nodes are up, and commits wait for one standby, or for none. What
// makes a new copy of the leader streams from it too, and does not count.
func (c *cluster) awaitWhole(t *testing.T, synchronous bool) {
	t.Helper()
	c.await(t, "the cluster to be whole", func(ctx context.Context) bool {
		n := c.leader(ctx, nil)
		return n != nil && c.query(n, `
			SELECT count(*) FILTER (WHERE state = 'streaming') = $1
			   AND count(*) FILTER (WHERE sync_state = 'sync') = $2
			   AND current_setting('synchronous_standby_names') <> '*'
			FROM pg_stat_replication WHERE application_name LIKE 'node_'`, size-1, map[bool]int{true: 1}[synchronous]) == "true" && c.proxied()
	})
}

// proxied reports whether both proxies lead to the leader.
func (c *cluster) proxied() bool {
	return query(c.dsn("postgres", c.poolPort)+"&default_query_exec_mode=exec", "SELECT NOT pg_is_in_recovery()") == "true"
}

func (c *cluster) await(t *testing.T, what string, done func(ctx context.Context) bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end) && c.up(); time.Sleep(200 * time.Millisecond) {
		if done(t.Context()) {
			return
		}
	}
	t.Fatalf("waited in vain for %s; all servers are up: %v\n%s", what, c.up(), c.logs())
}

// logs are the ends of what the servers have printed.
func (c *cluster) logs() string {
	var b strings.Builder
	for _, p := range c.processes() {
		b.WriteString(p.logTail() + "\n")
	}
	return b.String()
}

// up reports whether no server has ended that was not killed.
func (c *cluster) up() bool {
	for _, p := range c.processes() {
		select {
		case <-p.exited:
			if !p.killed.Load() {
				return false
			}
		default:
		}
	}
	return true
}

func (c *cluster) processes() []*process {
	all := []*process{c.etcd, c.haproxy}
	for _, n := range c.nodes {
		all = append(all, n.patroni)
	}
	return all
}

// setSynchronous has Patroni replicate synchronously or not.
func (c *cluster) setSynchronous(t *testing.T, yes bool) {
	t.Helper()
	body, err := json.Marshal(object{"synchronous_mode": yes, "synchronous_mode_strict": yes})
	if err != nil {
		t.Fatal(err)
	}
	url := fmt.Sprintf("http://127.0.0.1:%d/config", c.awaitLeader(t, nil).rest)
	r, err := http.NewRequestWithContext(t.Context(), "PATCH", url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := c.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatal("Patroni answers the change of its configuration with ", response.Status)
	}
	c.awaitWhole(t, yes)
}

// dsn is that of a database by a port.
func (c *cluster) dsn(database string, port int) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=disable&connect_timeout=1", port, database)
}

// hosts is that of a database by all nodes, of which the primary is used.
func (c *cluster) hosts(database string) string {
	var hosts []string
	for _, n := range c.nodes {
		hosts = append(hosts, fmt.Sprintf("127.0.0.1:%d", n.clients.port()))
	}
	return fmt.Sprintf("postgres://postgres@%s/%s?sslmode=disable&connect_timeout=1&target_session_attrs=read-write",
		strings.Join(hosts, ","), database)
}

// query asks a node's PostgreSQL for one value, past the links.
func (c *cluster) query(n *node, q string, args ...any) string {
	return query(c.dsn("postgres", n.port), q, args...)
}

func query(dsn, q string, args ...any) (value string) {
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		return err.Error()
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := db.QueryRowContext(ctx, q, args...).Scan(&value); err != nil {
		return err.Error()
	}
	return value
}
