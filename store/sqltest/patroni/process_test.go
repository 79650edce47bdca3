//go:build linux

package patroni_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// account is that of all servers, if we are root: PostgreSQL and PgBouncer refuse that.
const account = "postgres"

// A process is a server that the test has started.
type process struct {
	log    string
	pid    int
	exited chan struct{}
	killed atomic.Bool
}

// startProcess starts a program, whose output it appends to a file in dir. It ends with the
// test, even if that crashes: Patroni then stops its PostgreSQL.
func startProcess(t *testing.T, dir, program string, args ...string) *process {
	t.Helper()
	p, err := launch(binary(t, program), dir, credential(t), args)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	return p
}

func launch(path, dir string, c *syscall.Credential, args []string) (*process, error) {
	command := exec.Command(path, args...)
	command.Dir = dir
	command.SysProcAttr = &syscall.SysProcAttr{Credential: c, Pdeathsig: syscall.SIGTERM}
	p := &process{log: filepath.Join(dir, filepath.Base(path)+".log"), exited: make(chan struct{})}
	log, err := os.OpenFile(p.log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	command.Stdout, command.Stderr = log, log
	if err := command.Start(); err != nil {
		return nil, err
	}
	p.pid = command.Process.Pid
	go func() {
		command.Wait()
		close(p.exited)
	}()
	return p, nil
}

func (p *process) kill() {
	p.killed.Store(true)
	select {
	case <-p.exited:
	default:
		syscall.Kill(p.pid, syscall.SIGKILL)
		<-p.exited
	}
}

// A service is a process that is started again when it ends, as by systemd.
type service struct{ ended atomic.Int64 }

func startService(t *testing.T, dir, program string, args ...string) *service {
	t.Helper()
	path, c := binary(t, program), credential(t)
	p, err := launch(path, dir, c, args)
	if err != nil {
		t.Fatal(err)
	}
	s := new(service)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				p.kill()
				return
			case <-p.exited:
				s.ended.Add(1)
			}
			if p, err = launch(path, dir, c, args); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	t.Cleanup(func() {
		close(stop)
		<-stopped
	})
	return s
}

// logTail is the end of what the process has printed.
func (p *process) logTail() string {
	text, _ := os.ReadFile(p.log)
	return fmt.Sprintf("%s:\n%s", p.log, text[max(0, len(text)-8000):])
}

// killTree kills a server that is not our child, and its processes.
func killTree(pid int) {
	syscall.Kill(pid, syscall.SIGSTOP) // so that it starts no more
	children, _ := exec.Command("ps", "-o", "pid=", "--ppid", fmt.Sprint(pid)).Output()
	for field := range strings.FieldsSeq(string(children)) {
		if child, err := strconv.Atoi(field); err == nil {
			syscall.Kill(child, syscall.SIGKILL)
		}
	}
	syscall.Kill(pid, syscall.SIGKILL)
}

// binary finds a program in PATH or where Debian keeps servers.
func binary(t *testing.T, name string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin/", "/usr/sbin/"} {
		if found, _ := filepath.Glob(pattern + name); len(found) > 0 {
			return found[len(found)-1]
		}
	}
	t.Fatalf("%s is not installed: neither in PATH, nor in /usr/lib/postgresql, nor in /usr/sbin; on Debian, install patroni, etcd-server, haproxy, pgbouncer and postgresql", name)
	return ""
}

func credential(t *testing.T) *syscall.Credential {
	t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	u, err := user.Lookup(account)
	if err != nil {
		t.Fatal(err)
	}
	uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(uidErr, gidErr); err != nil {
		t.Fatal(err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// directory creates a directory that belongs to the servers' account, if we are root.
func directory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "patroni-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	own(t, dir)
	return dir
}

func own(t *testing.T, path string) {
	t.Helper()
	if c := credential(t); c != nil {
		if err := os.Chown(path, int(c.Uid), int(c.Gid)); err != nil {
			t.Fatal(err)
		}
	}
}

// writeFile writes a configuration for a server.
func writeFile(t *testing.T, dir, name string, text []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	own(t, path)
	return path
}

// freePort returns a port from below those that outgoing connections are given: a server
// listens there again after it was killed.
func freePort(t *testing.T) int {
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
