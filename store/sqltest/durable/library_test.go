package durable_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// dir is for the library, and readable by every account.
var dir string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	if file := os.Getenv("DURABLE_SQLITE"); file != "" {
		return deliverToSQLite(file)
	}
	var err error
	if dir, err = os.MkdirTemp("", "durable-library-*"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// build compiles the library that holds writes back.
var build = sync.OnceValues(func() (string, error) {
	path := filepath.Join(dir, "hold.so")
	out, err := exec.Command("cc", "-shared", "-fPIC", "-O1", "-Wall", "-o", path, "testdata/hold.c", "-ldl").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("cc: %w\n%s", err, out)
	}
	return path, nil
})

func library(t *testing.T) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}
