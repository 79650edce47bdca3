package durable_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3" // sqlite3, which writes through the C library

	"github.com/hookonce/hookonce/store/sqlstore"
	"github.com/hookonce/hookonce/store/sqltest/internal/heldlog"
)

// openSQLite opens a file with which a commit is on disk when it is acknowledged.
func openSQLite(file string) (store, *sql.DB, error) {
	db, err := sql.Open("sqlite3", "file:"+file+"?_journal_mode=WAL&_synchronous=FULL&_busy_timeout=100")
	if err != nil {
		return nil, nil, err
	}
	events, err := sqlstore.New(db, sqlstore.SQLite, options(300*time.Millisecond))
	if err != nil {
		return nil, nil, err
	}
	return onStandard(events, db), db, nil
}

// deliverToSQLite is the process that is killed. It delivers an event and a copy of
// it by another store, and prints what became of the copy.
func deliverToSQLite(file string) int {
	first, _, err := openSQLite(file)
	if err == nil {
		err = os.WriteFile(os.Getenv("HOLD_WHILE"), nil, 0o644)
	}
	second, _, secondErr := openSQLite(file)
	if err != nil || secondErr != nil {
		fmt.Println("failed:", err, secondErr)
		return 1
	}
	ctx := context.Background()
	go func() {
		err := first.run(ctx, keyOf("run"), effect("run"))
		fmt.Println("first:", acknowledges(err), err)
	}()
	time.Sleep(500 * time.Millisecond)
	err = second.run(ctx, keyOf("run"), effect("run"))
	fmt.Println("copy:", acknowledges(err), err)
	fmt.Println("end")
	select {} // until it is killed
}

// SQLite shows a commit when its log is synced: a copy is not acknowledged before.
func TestDurable_SQLiteLogHeldBack(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "events.db")
	store, db, err := openSQLite(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.CreateTables(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustExec(t, db, "CREATE TABLE effects (name TEXT NOT NULL)")

	out := runUntilEnd(t, file)
	if !strings.Contains(out, "copy: false") || strings.Contains(out, "first:") {
		t.Errorf("while the log was held back: got %q, want a copy that is not acknowledged and no first", out)
	}
	if err := store.run(t.Context(), keyOf("run"), effect("run")); !acknowledges(err) {
		t.Error(err)
	}
	if got := effects(t, db, "run"); got != 1 {
		t.Errorf("%d effects after the crash and one more delivery, want 1", got)
	}
	db.Close()
}

// runUntilEnd runs deliverToSQLite with the log held back, kills it, and returns what
// it has printed.
func runUntilEnd(t *testing.T, file string) string {
	t.Helper()
	var out strings.Builder
	c := exec.CommandContext(t.Context(), os.Args[0])
	control := filepath.Join(filepath.Dir(file), "hold")
	c.Env = append(heldlog.Environ(library(t), control, file+"-wal"), "DURABLE_SQLITE="+file)
	pipe, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	kill := time.AfterFunc(30*time.Second, func() { c.Process.Kill() })
	defer kill.Stop()
	buffer := make([]byte, 1024)
	for !strings.Contains(out.String(), "end\n") {
		n, err := pipe.Read(buffer)
		out.Write(buffer[:n])
		if err != nil {
			t.Errorf("the process ended: %v", err)
			break
		}
	}
	c.Process.Kill()
	c.Wait()
	return out.String()
}
