package durable_test

import (
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/hookonce/hookonce/store/sqltest/internal/heldlog"
)

// dir is for the library and the templates, and readable by every account.
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

var build = sync.OnceValues(func() (string, error) { return heldlog.Build(dir) })

// library returns the path of the library that holds writes back.
func library(t *testing.T) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}
