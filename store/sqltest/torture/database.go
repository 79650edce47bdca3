package torture

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"

	"github.com/hookonce/hookonce/store/sqltest/internal/galeranode"
	"github.com/hookonce/hookonce/store/sqltest/internal/testserver"
)

// A database is one throwaway database: a server with its own directory, a cluster of
// such, or a file.
type database struct {
	*engine
	dir  string
	file string // of SQLite
	port int
	log  *os.File
	env  []string // of the process that writes the log

	nodes   []*database // its servers: itself and, of a cluster, the others
	options []string    // with which the server joins its cluster

	mu      sync.Mutex  // guards what follows
	process *os.Process // nil while there is none
	away    bool        // it is not restarted
	stopped bool
	ended   chan struct{} // closed when supervise has returned

	admin *sql.DB
	books *sql.DB // the test's own connection, past the proxy
}

// newDatabase creates and starts a database below dir, with its tables.
func newDatabase(ctx context.Context, e *engine, dir string) (*database, error) {
	d := &database{engine: e, dir: filepath.Join(dir, "data"), ended: make(chan struct{})}
	if err := d.start(ctx); err != nil {
		d.stop()
		return nil, fmt.Errorf("%s: %w", e.name, err)
	}
	return d, nil
}

func (d *database) start(ctx context.Context) error {
	err := errors.Join(d.makeDirectory(), d.preload())
	if err != nil {
		return err
	}
	if !d.hasServer() {
		d.file = filepath.Join(d.dir, "torture.db")
		if d.books, err = d.open(d.userDSN(d.file), 1); err != nil {
			return err
		}
		return d.makeTables(ctx)
	}
	if err := d.makeServers(); err != nil {
		return err
	}
	// One joins after the other: each copies the data of one that is in the cluster.
	first := d.bootstrap
	for _, node := range d.nodes {
		if err := node.startServer(ctx, first); err != nil {
			return err
		}
		first = nil
	}
	for _, statement := range d.setUp {
		if _, err := d.admin.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	if d.books, err = d.open(d.userDSN(d.address())+d.current, 1); err != nil {
		return err
	}
	return d.makeTables(ctx)
}

// makeDirectory creates the data directory, owned by the account that runs the
// server.
func (d *database) makeDirectory() error {
	if err := os.MkdirAll(d.dir, 0o700); err != nil || os.Getuid() != 0 {
		return err
	}
	uid, gid := d.runAs()
	return os.Chown(d.dir, uid, gid)
}

// runAs returns the account for the server, or for the process that opens the file,
// when we are root: the engine's own, or the least privileged one.
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

// attributes returns attributes with which a command does not run as root.
func (d *database) attributes() *syscall.SysProcAttr {
	// Its own group, so that an interrupt in the terminal reaches only us, and we
	// stop what we have started.
	a := &syscall.SysProcAttr{Setpgid: true}
	if os.Getuid() == 0 {
		uid, gid := d.runAs()
		a.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	return a
}

// makeServers makes the server, or all of the cluster, ready to be started.
func (d *database) makeServers() (err error) {
	size := max(1, d.size)
	if d.port, err = testserver.FindPort(size * galeranode.Ports); err != nil {
		return err
	}
	for i := range size {
		node := d
		if i > 0 {
			node = &database{engine: d.engine, dir: fmt.Sprint(d.dir, i), port: d.port + i*galeranode.Ports, ended: make(chan struct{})}
			if err := node.makeDirectory(); err != nil {
				return err
			}
		}
		if d.join != nil {
			if node.options, err = d.join(d.port, size, i); err != nil {
				return err
			}
		}
		if err := node.copyTemplate(); err != nil {
			return err
		}
		if node.log, err = os.CreateTemp("", "torture-*.log"); err != nil {
			return err
		}
		d.nodes = append(d.nodes, node)
	}
	return nil
}

// startServer starts the server, the first time with more options, and returns when it is
// ready.
func (d *database) startServer(ctx context.Context, first []string) (err error) {
	go d.supervise(first)
	if d.admin, err = d.open(d.adminDSN(d.dir, d.port), 1); err != nil {
		return err
	}
	return d.ready(ctx)
}

func (d *database) address() string { return fmt.Sprintf("127.0.0.1:%d", d.port) }
