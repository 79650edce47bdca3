package torture

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
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
