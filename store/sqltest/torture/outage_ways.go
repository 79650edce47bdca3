package torture

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

func containsField(text, field string) bool { return slices.Contains(strings.Fields(text), field) }

func (r *run) filler() string { return filepath.Join(r.disk(), "filler") }

// fillDisk fills what is left of the disk. The deliveries fill what the database has
// reserved for itself.
func fillDisk(_ context.Context, r *run) error {
	f, err := os.Create(r.filler())
	if err != nil {
		return err
	}
	defer f.Close()
	// Ever smaller pieces, down to the last byte.
	for size := 1 << 20; size > 0; size /= 16 {
		for piece := make([]byte, size); err == nil; {
			_, err = f.Write(piece)
		}
		if !errors.Is(err, syscall.ENOSPC) {
			return err
		}
		err = nil
	}
	return nil
}

func freeDisk(_ context.Context, r *run) error { return os.Remove(r.filler()) }

// makeReadOnly makes the database refuse writes, like a server that became a replica,
// or a file whose mode was changed.
func makeReadOnly(ctx context.Context, r *run) error {
	if r.hasServer() {
		return r.exec(ctx, r.readOnly)
	}
	return r.chmod(0o444, 0o555)
}

func makeWritable(ctx context.Context, r *run) error {
	if r.hasServer() {
		return r.exec(ctx, r.writable)
	}
	return r.chmod(0o600, 0o700)
}

// chmod changes the modes of SQLite's files and their directory.
func (r *run) chmod(file, dir fs.FileMode) error {
	files, err := filepath.Glob(r.file + "*")
	if err != nil {
		return err
	}
	for _, name := range files {
		if err := os.Chmod(name, file); err != nil {
			return err
		}
	}
	return os.Chmod(r.disk(), dir)
}

// takeDatabaseAway kills the server, which stays away. A file is locked by another
// writer instead.
func takeDatabaseAway(ctx context.Context, r *run) (err error) {
	if r.hasServer() {
		return r.takeAway(ctx, syscall.SIGKILL)
	}
	if r.locked, err = r.books.Conn(ctx); err != nil {
		return err
	}
	_, err = r.locked.ExecContext(ctx, "BEGIN EXCLUSIVE")
	return err
}

func bringDatabaseBack(ctx context.Context, r *run) error {
	if r.hasServer() {
		return r.bringBack(ctx)
	}
	_, err := r.locked.ExecContext(ctx, "ROLLBACK")
	return errors.Join(err, r.locked.Close())
}

// silenceNetwork has all that is sent to the database, and by it, disappear for now.
func silenceNetwork(_ context.Context, r *run) error {
	r.proxy.freeze(time.Hour)
	return nil
}

func restoreNetwork(_ context.Context, r *run) error {
	r.proxy.calm()
	return nil
}

func takeDependencyAway(_ context.Context, r *run) error {
	r.outside.away.Store(true)
	return nil
}

func bringDependencyBack(_ context.Context, r *run) error {
	r.outside.away.Store(false)
	return nil
}

// failOver makes all open connections read-only, as if the proxy had been led to
// another node for new ones.
func failOver(ctx context.Context, r *run) error {
	// Our own has to be a new one too.
	r.books.SetMaxIdleConns(-1)
	r.books.SetMaxIdleConns(1)
	return r.exec(ctx, r.failover)
}

// recovery is how long a server may take to find a node that can write: it may need
// several deliveries, but neither a restart nor the end of its connections' lives.
const recovery = 20 * time.Second

// useEachServer delivers events to one server each. Those that a server does not do in
// time are missing in the books.
func useEachServer(ctx context.Context, r *run) error {
	soon, cancel := context.WithTimeout(ctx, recovery)
	defer cancel()
	var wg sync.WaitGroup
	for _, slot := range r.fleet.slots {
		for i := range 2 * len(modes) {
			e, until := r.sender.newEvent(""), ctx
			if !e.doomed { // which takes longer to die
				e.only, until = slot, soon
			}
			wg.Go(func() { r.sender.deliver(until, e, 1, r.seed+uint64(i)) })
		}
	}
	wg.Wait()
	return nil
}
