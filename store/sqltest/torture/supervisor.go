package torture

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// startTimeout is how long a database may take to answer after its start, on a busy
// machine.
const startTimeout = 60 * time.Second

// supervise restarts the server whenever it has ended, like a service manager.
func (d *database) supervise() {
	defer close(d.ended)
	for {
		command, err := d.serve(d.dir, d.port)
		if err != nil {
			return
		}
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

// takeAway kills the server, which stays away, and returns when its processes have
// ended.
func (d *database) takeAway(ctx context.Context, signal syscall.Signal) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.away = true
	if d.process == nil {
		return nil // it has ended by itself
	}
	children := childrenOf(d.process.Pid)
	if err := d.process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	if signal == syscall.SIGKILL {
		// PostgreSQL's processes outlive their parent until they have finished a
		// query, and keep a new server from starting.
		for _, pid := range children {
			syscall.Kill(pid, syscall.SIGKILL)
		}
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
