// Package heldlog holds back the writes of a database's log, which shows what is
// answered before they are durable. It needs a C compiler.
package heldlog

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

//go:embed testdata/hold.c
var source string

// Build compiles the library to preload into the process that writes the log, and
// returns its path, which is in dir. The account of that process must be able to read
// it.
func Build(dir string) (library string, err error) {
	library = filepath.Join(dir, "hold.so")
	cc := exec.Command("cc", "-shared", "-fPIC", "-O1", "-Wall", "-o", library, "-x", "c", "-", "-ldl")
	cc.Stdin = strings.NewReader(source)
	if out, err := cc.CombinedOutput(); err != nil {
		return "", fmt.Errorf("cc: %w\n%s", err, out)
	}
	return library, nil
}

// Environ returns the environment of a process that has the library preloaded. Its
// writes to files whose path contains logPath wait while the file control exists.
func Environ(library, control, logPath string) []string {
	return append(os.Environ(), "LD_PRELOAD="+library, "HOLD_WHILE="+control, "HOLD_PATH="+logPath)
}
