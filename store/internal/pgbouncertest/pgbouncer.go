//go:build unix

// Package pgbouncertest starts PgBouncer for the tests of stores, which are in modules of
// their own.
package pgbouncertest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// Start starts PgBouncer in transaction mode before a database of server, with few
// connections to it, and returns the URL of the database behind it. It keeps that many
// prepared statements of each client, none if it is older than 1.21.
func Start(t testing.TB, server *url.URL, database string, prepared int) *url.URL {
	t.Helper()
	dir, err := os.MkdirTemp("", "pgbouncer-") // t.TempDir cannot be read by another user
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	config := fmt.Sprintf(`[databases]
%s = host=%s port=%s dbname=%[1]s user=%[4]s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %[5]d
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 4
max_client_conn = 100
ignore_startup_parameters = extra_float_digits
`, database, server.Hostname(), server.Port(), server.User.Username(), port)
	if KeepsPrepared(t) {
		config += fmt.Sprintf("max_prepared_statements = %d\n", prepared)
	}
	file := filepath.Join(dir, "pgbouncer.ini")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program(), file)
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	cmd.SysProcAttr = unprivileged(t)
	if err := cmd.Start(); err != nil {
		t.Fatalf("PgBouncer does not start: install Debian's pgbouncer: %v", err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	waitForPort(t, port)
	behind := *server
	behind.Host, behind.Path = fmt.Sprintf("127.0.0.1:%d", port), "/"+database
	return &behind
}

// KeepsPrepared reports whether PgBouncer can keep prepared statements in transaction
// mode, as it can since version 1.21.
func KeepsPrepared(t testing.TB) bool {
	t.Helper()
	out, err := exec.Command(program(), "--version").Output()
	if err != nil {
		t.Fatalf("PgBouncer does not start: install Debian's pgbouncer: %v", err)
	}
	var major, minor int
	if _, err := fmt.Sscanf(string(out), "PgBouncer %d.%d", &major, &minor); err != nil {
		t.Fatalf("PgBouncer's version is %q", out)
	}
	return major > 1 || minor >= 21
}

func program() string {
	if path, err := exec.LookPath("pgbouncer"); err == nil {
		return path
	}
	return "/usr/sbin/pgbouncer"
}

// unprivileged makes a process run as nobody if this one is root, as whom PgBouncer
// refuses to run.
func unprivileged(t testing.TB) *syscall.SysProcAttr {
	t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	u, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}

// freePort returns a port from below those that outgoing connections are given.
func freePort(t testing.TB) int {
	t.Helper()
	for range 100 {
		port := 20000 + rand.N(12000)
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

func waitForPort(t testing.TB, port int) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			c.Close()
			return
		}
	}
	t.Fatal("PgBouncer does not listen")
}
