package torture

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hookonce/hookonce/store/sqltest/internal/heldlog"
)

// control is the file that holds the log's writes back while it exists.
func (d *database) control() string { return d.dir + "-hold" }

// preload has the writes of the log go through the library that can hold them back.
func (d *database) preload() error {
	if d.logPath == "" {
		return nil
	}
	library, err := heldlog.Build(filepath.Dir(d.dir))
	d.env = heldlog.Environ(library, d.control(), d.logPath)
	return err
}

// holdLog holds the log back.
func (d *database) holdLog() error { return os.WriteFile(d.control(), nil, 0o644) }

func (d *database) releaseLog() error {
	if err := os.Remove(d.control()); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
