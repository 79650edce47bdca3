package torture

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// startTimeout is how long a database may take to answer after its start, on a busy
// machine.
const startTimeout = 2 * time.Minute

// supervise restarts the server whenever it has ended, like a service manager. It starts
// the first time with more options.
func (d *database) supervise(first []string) {
	defer close(d.ended)
	for options := slices.Concat(d.options, first); ; options = d.options {
		command, err := d.serve(d.dir, d.port)
		if err != nil {
			return
		}
		command.Args = append(command.Args, options...)
		command.Dir, command.SysProcAttr = d.dir, d.attributes()
		command.Stdout, command.Stderr, command.Env = d.log, d.log, d.env
		if !d.launch(command) {
			return
		}
		command.Wait()
		if !d.absent() {
			return
		}
	}
}

// absent waits for as long as the server shall be away, and reports whether it shall
// be restarted.
func (d *database) absent() (restart bool) {
	d.mu.Lock()
	d.process = nil
	d.mu.Unlock()
	for {
		time.Sleep(50 * time.Millisecond)
		d.mu.Lock()
		away, stopped := d.away, d.stopped
		d.mu.Unlock()
		if stopped || !away {
			return !stopped
		}
	}
}

// launch starts the server unless stop was called.
func (d *database) launch(command *exec.Cmd) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopped || command.Start() != nil {
		return false
	}
	d.process = command.Process
	return true
}

// ready waits until the server is.
func (d *database) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		err := d.isUp(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the server is not ready: %w\n%s", err, d.lastWords())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// allReady waits until all servers are.
func (d *database) allReady(ctx context.Context) error {
	for _, node := range d.nodes {
		if err := node.ready(ctx); err != nil {
			return err
		}
	}
	return nil
}

// isUp returns an error unless the server is ready.
func (d *database) isUp(ctx context.Context) error {
	var up bool
	err := d.admin.QueryRowContext(ctx, d.up).Scan(&up)
	if err == nil && !up {
		err = errors.New("it has not joined the others")
	}
	return err
}

// takeAway kills the server, which stays away, and returns when its processes have
// ended.
func (d *database) takeAway(ctx context.Context, signal syscall.Signal) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.away = true
	if d.process == nil {
		return nil // it has ended by itself
	}
	if signal == syscall.SIGKILL {
		killAll(d.process.Pid)
	} else if err := d.process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	for d.process != nil && ctx.Err() == nil {
		d.mu.Unlock()
		time.Sleep(5 * time.Millisecond)
		d.mu.Lock()
	}
	return nil
}

// bringBack restarts a server that was taken away.
func (d *database) bringBack(ctx context.Context) error {
	d.mu.Lock()
	d.away = false
	d.mu.Unlock()
	return d.ready(ctx)
}

// killAll kills a server with the processes that it has started. PostgreSQL's outlive their
// parent until they have finished a query, and keep a new server from starting; Galera's
// send a node its data.
func killAll(server int) {
	children := childrenOf(server)
	syscall.Kill(-server, syscall.SIGKILL) // its group
	for _, pid := range children {
		syscall.Kill(pid, syscall.SIGKILL)
	}
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

// stop stops all servers for good.
func (d *database) stop() {
	for _, node := range d.nodes[min(1, len(d.nodes)):] {
		node.stop()
	}
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
		killAll(process.Pid)
		<-d.ended
	}
	d.log.Close()
	os.Remove(d.log.Name())
}

// lastWords returns the end of the server's log.
func (d *database) lastWords() string {
	if d.log == nil {
		return ""
	}
	text, err := os.ReadFile(d.log.Name())
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}
