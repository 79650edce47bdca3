package hooktest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// NPM installs the npm packages of the lock file in dir, and returns the directory
// that has node_modules. It is kept in the user's cache until the lock file changes,
// because packages are slow to download. Without npm the test fails.
func NPM(t *testing.T, dir string) string {
	t.Helper()
	lock, err := os.ReadFile(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(lock)
	installed := filepath.Join(cache, "hookonce-npm", hex.EncodeToString(sum[:8]))
	if err := os.MkdirAll(filepath.Dir(installed), 0o755); err != nil {
		t.Fatal(err)
	}
	defer lockFile(t, installed+".lock")() // tests of other packages run at the same time
	if _, err := os.Stat(installed); err == nil {
		return installed
	}
	partial := installed + ".partial"
	if err := os.RemoveAll(partial); err != nil { // an install that was killed
		t.Fatal(err)
	}
	if err := os.MkdirAll(partial, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"package.json", "package-lock.json"} {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(partial, name), content, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	run(t, partial, "npm", "ci", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund")
	if err := os.Rename(partial, installed); err != nil {
		t.Fatal(err)
	}
	return installed
}

// lockFile waits for the lock on a file, and returns a function that releases it.
func lockFile(t *testing.T, path string) func() {
	t.Helper()
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	return func() { file.Close() }
}

// Node returns a command that runs a script with the npm packages of the lock file in
// dir. The script runs as a copy beside them, which import() needs.
func Node(t *testing.T, dir, script string, args ...string) *exec.Cmd {
	t.Helper()
	temporary := t.TempDir()
	if err := os.CopyFS(temporary, os.DirFS(filepath.Dir(script))); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(NPM(t, dir), "node_modules"), filepath.Join(temporary, "node_modules")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", append([]string{filepath.Base(script)}, args...)...)
	cmd.Dir = temporary
	return cmd
}

// run runs a program, which must succeed.
func run(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out.String())
	}
}
