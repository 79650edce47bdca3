//go:build linux

package patroni_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/hookonce/hookonce/store/sqltest/internal/testserver"
)

// A node is a server of PostgreSQL and the Patroni that runs it. Links lead to it, and from
// it to etcd.
type node struct {
	name     string
	dir      string
	port     int // of PostgreSQL
	rest     int // of Patroni's API
	patroni  *process
	etcd     *link // to etcd
	peers    *link // of the other nodes to PostgreSQL: replication, pg_rewind
	peerRest *link // of the other nodes to the API
	clients  *link // of application servers and HAProxy to PostgreSQL
	checks   *link // of HAProxy to the API
}

func newNode(t *testing.T, name string, etcdPort int) *node {
	t.Helper()
	n := &node{name: name, dir: testserver.Directory(t, account), port: testserver.FreePort(t, 1), rest: testserver.FreePort(t, 1)}
	n.etcd = newLink(t, etcdPort)
	n.peers, n.clients = newLink(t, n.port), newLink(t, n.port)
	n.peerRest, n.checks = newLink(t, n.rest), newLink(t, n.rest)
	writeFile(t, n.dir, "patroni.yml", n.config(t))
	t.Cleanup(n.kill)
	return n
}

type object = map[string]any

// config is Patroni's configuration. JSON is YAML.
func (n *node) config(t *testing.T) []byte {
	t.Helper()
	loopback := func(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
	text, err := json.Marshal(object{
		"scope": "hookonce",
		"name":  n.name,
		"restapi": object{
			"listen":          loopback(n.rest),
			"connect_address": loopback(n.peerRest.port()),
		},
		"etcd3": object{
			"hosts":       []string{loopback(n.etcd.port())},
			"use_proxies": true, // else it asks etcd for addresses, past the link
		},
		"bootstrap": object{
			"dcs": object{
				"ttl": 8, "loop_wait": 2, "retry_timeout": 3, // the shortest that Patroni 3.0 takes
				"maximum_lag_on_failover": 1 << 40,
				"synchronous_mode":        true,
				"synchronous_mode_strict": true,
				"postgresql": object{
					"use_pg_rewind": true,
					"parameters":    object{"max_connections": 300},
				},
			},
			"initdb": []any{object{"encoding": "UTF8"}, object{"locale": "C"}, object{"auth": "trust"}, "no-sync"},
		},
		"postgresql": object{
			"listen":          loopback(n.port),
			"connect_address": loopback(n.peers.port()),
			"data_dir":        n.data(),
			"bin_dir":         programs(t, n.dir),
			"use_unix_socket": true,
			"basebackup":      []any{object{"checkpoint": "fast"}, "no-sync"},
			"pgpass":          filepath.Join(n.dir, "pgpass"),
			"remove_data_directory_on_rewind_failure":     true,
			"remove_data_directory_on_diverged_timelines": true,
			"authentication": object{
				"superuser":   object{"username": "postgres"},
				"replication": object{"username": "replicator"},
			},
			"pg_hba": []string{"local all all trust", "host all all 127.0.0.1/32 trust", "host replication all 127.0.0.1/32 trust"},
			"parameters": object{
				"unix_socket_directories": n.dir,
				"shared_buffers":          "32MB",
				"fsync":                   "off",   // a process that is killed loses nothing that it has written
				"log_min_messages":        "fatal", // the faults provoke errors
				"min_wal_size":            "48MB",
				"wal_keep_size":           "256MB",
				"wal_sender_timeout":      "15s", // so long a primary that is cut off waits for standbys in its shutdown
			},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// programs creates a directory of PostgreSQL's programs for Patroni, in which pg_rewind does
// not wait for the disk: that took 15 s.
func programs(t *testing.T, dir string) string {
	t.Helper()
	rewind, bin := testserver.Binary(t, "pg_rewind"), filepath.Join(dir, "bin")
	all, err := filepath.Glob(filepath.Join(filepath.Dir(rewind), "*"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, program := range all {
		if program == rewind {
			continue
		}
		if err := os.Symlink(program, filepath.Join(bin, filepath.Base(program))); err != nil {
			t.Fatal(err)
		}
	}
	script := fmt.Sprintf("#!/bin/sh\nexec %s --no-sync \"$@\"\n", rewind)
	if err := os.WriteFile(filepath.Join(bin, "pg_rewind"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return bin
}

func (n *node) data() string { return filepath.Join(n.dir, "data") }

// start starts Patroni, which runs until the end of the cluster: a test that starts a node
// again can be one of several on it.
func (n *node) start(t *testing.T) {
	t.Helper()
	p, err := launch(testserver.Binary(t, "patroni"), n.dir, testserver.Credential(t, account), []string{filepath.Join(n.dir, "patroni.yml")})
	if err != nil {
		t.Fatal(err)
	}
	n.patroni = p
}

// kill ends Patroni and PostgreSQL at once.
func (n *node) kill() {
	if n.patroni != nil {
		n.patroni.kill()
	}
	text, err := os.ReadFile(filepath.Join(n.data(), "postmaster.pid"))
	if err != nil {
		return // it has shut down
	}
	first, _, _ := strings.Cut(string(text), "\n")
	if pid, err := strconv.Atoi(first); err == nil && pid > 0 && n.runs(pid) {
		killTree(pid)
	}
}

// runs reports whether the process is this node's PostgreSQL: the file may be older.
func (n *node) runs(pid int) bool {
	command, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return strings.Contains(string(command), n.data())
}

// isolate cuts the node off from etcd and from the other nodes.
func (n *node) isolate() {
	for _, k := range []*link{n.etcd, n.peers, n.peerRest} {
		k.hold()
	}
}

// cutClients cuts the node off from its clients.
func (n *node) cutClients() {
	n.clients.hold()
	n.clients.giveUp(userTimeout)
	n.checks.hold()
}

func (n *node) heal() {
	for _, k := range []*link{n.etcd, n.peers, n.peerRest, n.clients, n.checks} {
		k.release()
	}
}
