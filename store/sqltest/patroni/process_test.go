//go:build linux

package patroni_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/hookonce/hookonce/store/sqltest/internal/testserver"
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
	p, err := launch(testserver.Binary(t, program), dir, testserver.Credential(t, account), args)
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
	path, c := testserver.Binary(t, program), testserver.Credential(t, account)
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

// writeFile writes a configuration for a server.
func writeFile(t *testing.T, dir, name string, text []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	testserver.Own(t, path, account)
	return path
}
