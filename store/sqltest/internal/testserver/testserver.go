// Package testserver has what tests need to start database servers of their own: programs,
// directories, ports, and, as servers refuse to run as root, an account.
package testserver

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
	"syscall"
	"testing"
)

// Credential is that of the account, if we are root; else nil.
func Credential(t testing.TB, account string) *syscall.Credential {
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

// Own makes a file or a directory the account's, if we are root.
func Own(t testing.TB, path, account string) {
	t.Helper()
	if c := Credential(t, account); c != nil {
		if err := os.Chown(path, int(c.Uid), int(c.Gid)); err != nil {
			t.Fatal(err)
		}
	}
}

// Directory creates a directory that belongs to the account, if we are root. It is removed
// at the end of the test.
func Directory(t testing.TB, account string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", account+"-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	Own(t, dir, account)
	return dir
}

// Binary finds a program in PATH or where Debian keeps servers.
func Binary(t testing.TB, name string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin/", "/usr/sbin/"} {
		if found, _ := filepath.Glob(pattern + name); len(found) > 0 {
			return found[len(found)-1]
		}
	}
	t.Fatalf("%s is not installed: neither in PATH, nor in /usr/lib/postgresql, nor in /usr/sbin", name)
	return ""
}

// Command is a command that runs as the account, if we are root, in a directory.
func Command(t testing.TB, account, dir, name string, args ...string) *exec.Cmd {
	t.Helper()
	c := exec.Command(Binary(t, name), args...)
	c.Dir = dir
	c.SysProcAttr = &syscall.SysProcAttr{Credential: Credential(t, account)}
	return c
}

// FreePort is FindPort for a test.
func FreePort(t testing.TB, n int) int {
	t.Helper()
	port, err := FindPort(n)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// FindPort returns the first of n ports that are free, from below those that outgoing
// connections are given: a server may take half a minute until it listens, and listens
// there again after it was killed.
func FindPort(n int) (int, error) {
	for range 100 {
		first := 20000 + rand.N(12000-n)
		if free(first, n) {
			return first, nil
		}
	}
	return 0, errors.New("no ports are free")
}

func free(first, n int) bool {
	for port := first; port < first+n; port++ {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			return false
		}
		l.Close()
	}
	return true
}
