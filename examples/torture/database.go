package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// startTimeout is for how long a database may take to answer after it was
// started, on a machine that does much else.
const startTimeout = 60 * time.Second

// A database is one throwaway database: a server of its own in a directory of its
// own, or a file.
type database struct {
	*engine
	dir  string
	file string // of SQLite
	port int
	log  *os.File

	mu      sync.Mutex // guards what follows
	process *os.Process
	stopped bool
	ended   chan struct{} // closed when the server is stopped for good

	admin *sql.DB
	books *sql.DB // the parent's own connection, around the proxy
}

// newDatabase makes and starts a database below dir, with its tables.
func newDatabase(ctx context.Context, e *engine, dir string) (*database, error) {
	d := &database{engine: e, dir: filepath.Join(dir, "data"), ended: make(chan struct{})}
	if err := d.start(ctx); err != nil {
		d.stop()
		return nil, fmt.Errorf("%s: %w", e.name, err)
	}
	return d, nil
}

func (d *database) start(ctx context.Context) error {
	if err := d.makeDirectory(); err != nil {
		return err
	}
	var err error
	if !d.hasServer() {
		d.file = filepath.Join(d.dir, "torture.db")
		if d.books, err = d.open(sqliteDSN(d.file), 1); err != nil {
			return err
		}
		return d.makeTables(ctx)
	}
	if err := d.makeServer(); err != nil {
		return err
	}
	go d.supervise()
	if d.admin, err = d.open(d.adminDSN(d.dir, d.port), 1); err != nil {
		return err
	}
	if err := d.ready(ctx); err != nil {
		return err
	}
	for _, statement := range d.setUp {
		if _, err := d.admin.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	if d.books, err = d.open(d.userDSN(d.address()), 1); err != nil {
		return err
	}
	return d.makeTables(ctx)
}

// makeDirectory makes the data directory, and makes it the property of whoever
// will run the server.
func (d *database) makeDirectory() error {
	if err := os.MkdirAll(d.dir, 0o700); err != nil || os.Getuid() != 0 {
		return err
	}
	uid, gid := d.runAs()
	return os.Chown(d.dir, uid, gid)
}

// runAs returns whom the server, or the process that has the file, runs as when
// we are root: the engine's account, or nobody.
func (d *database) runAs() (uid, gid int) {
	for _, name := range []string{d.account, "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.Atoi(u.Uid)
		gid, gidErr := strconv.Atoi(u.Gid)
		if errors.Join(uidErr, gidErr) == nil {
			return uid, gid
		}
	}
	return 65534, 65534
}

// attributes make a command run as somebody other than root.
func (d *database) attributes() *syscall.SysProcAttr {
	// A group of its own, so that an interrupt in the terminal reaches us only,
	// and we stop what we have started.
	a := &syscall.SysProcAttr{Setpgid: true}
	if os.Getuid() == 0 {
		uid, gid := d.runAs()
		a.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	return a
}

func (d *database) makeServer() (err error) {
	command, err := d.initialize(d.dir)
	if err != nil {
		return err
	}
	command.Dir, command.SysProcAttr = d.dir, d.attributes()
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", filepath.Base(command.Path), err, out)
	}
	if d.port, err = freePort(); err != nil {
		return err
	}
	d.log, err = os.CreateTemp("", "torture-*.log")
	return err
}

func (d *database) address() string { return fmt.Sprintf("127.0.0.1:%d", d.port) }

// supervise starts the server again whenever it has ended, as the machine's
// service manager would.
func (d *database) supervise() {
	defer close(d.ended)
	for {
		command, err := d.serve(d.dir, d.port)
		if err != nil {
			return
		}
		command.Dir, command.SysProcAttr = d.dir, d.attributes()
		command.Stdout, command.Stderr = d.log, d.log
		if !d.launch(command) {
			return
		}
		command.Wait()
		time.Sleep(50 * time.Millisecond)
	}
}

// launch starts the server unless it was stopped for good.
func (d *database) launch(command *exec.Cmd) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopped || command.Start() != nil {
		return false
	}
	d.process = command.Process
	return true
}

// ready waits until the server answers.
func (d *database) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		err := d.admin.PingContext(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the server does not answer: %w\n%s", err, d.lastWords())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// kill kills the server, and returns when the supervisor has brought it back.
func (d *database) kill(ctx context.Context, signal syscall.Signal) error {
	d.mu.Lock()
	process := d.process
	children := childrenOf(process.Pid)
	err := process.Signal(signal)
	d.mu.Unlock()
	if err != nil {
		return err
	}
	if signal == syscall.SIGKILL {
		// PostgreSQL's processes outlive their parent by what they are doing, and
		// would keep a new server from starting.
		for _, pid := range children {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	for alive := true; alive && ctx.Err() == nil; {
		time.Sleep(5 * time.Millisecond)
		d.mu.Lock()
		alive = d.process == process
		d.mu.Unlock()
	}
	return d.ready(ctx)
}

func childrenOf(pid int) []int {
	list, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return nil
	}
	var pids []int
	for field := range bytes.FieldsSeq(list) {
		if child, err := strconv.Atoi(string(field)); err == nil {
			pids = append(pids, child)
		}
	}
	return pids
}

// stop stops the server for good.
func (d *database) stop() {
	for _, db := range []*sql.DB{d.admin, d.books} {
		if db != nil {
			db.Close()
		}
	}
	if d.log == nil {
		return
	}
	d.mu.Lock()
	d.stopped = true
	process := d.process
	d.mu.Unlock()
	if process != nil {
		children := childrenOf(process.Pid)
		process.Kill()
		for _, pid := range children {
			syscall.Kill(pid, syscall.SIGKILL)
		}
		<-d.ended
	}
	d.log.Close()
	os.Remove(d.log.Name())
}

// lastWords returns the end of the server's log.
func (d *database) lastWords() string {
	text, err := os.ReadFile(d.log.Name())
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}

// freePort returns a port of the loopback interface that nobody listens on.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
