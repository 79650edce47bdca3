package main

import (
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"github.com/hookonce/hookonce/examples/internal/hooktest"
	"github.com/hookonce/hookonce/hmacverify/preset"
)

func TestMain(m *testing.M) { hooktest.Main(m, main) }

const (
	secret = "example" // as in the doc comment
	event  = `{"event_id":"Ev1","event":{"type":"app_mention"}}`
)

func start(t *testing.T, args ...string) (*hooktest.Process, *hooktest.Sender) {
	t.Helper()
	p := hooktest.Start(t, args)
	return p, hooktest.NewSender(t, preset.Slack(), p.URL+"/webhooks/slack", secret)
}

// Slack has its answer, and its retries have theirs, while the work goes on.
func TestSlack_AnsweredBeforeTheWork(t *testing.T) {
	t.Parallel()
	db := filepath.Join(t.TempDir(), "test.db")
	p, s := start(t, "-db", db, "-work", "5s")
	s.Send(t, event).Want(t, 202, "")
	s.Send(t, event).Want(t, 202, "duplicate")
	if n := reports(t, db); n != 0 {
		t.Errorf("%d reports when Slack had its answers, want 0", n)
	}
	waitFor(t, func() bool { return reports(t, db) == 1 })
	s.Send(t, event).Want(t, 202, "duplicate")
	hooktest.See(t, p.URL+"/reports", "Ev1: a summary")
	p.Stop(t)
	if n := reports(t, db); n != 1 {
		t.Errorf("%d reports, want 1", n)
	}
}

func TestSlack_SetUp(t *testing.T) {
	t.Parallel()
	_, s := start(t, "-db", filepath.Join(t.TempDir(), "test.db"))
	if a := s.Send(t, `{"type":"url_verification","challenge":"3eZbrw1a"}`); a.Status != 200 || a.Body != "3eZbrw1a" {
		t.Errorf("got %+v, want the challenge", a)
	}
}

// What a process has accepted is done by another when it is killed, once.
func TestSlack_ProcessKilled(t *testing.T) {
	t.Parallel()
	db := filepath.Join(t.TempDir(), "test.db")
	first, s := start(t, "-db", db, "-work", "1h", "-lease", "2s")
	s.Send(t, event).Want(t, 202, "")
	first.Kill()
	start(t, "-db", db, "-work", "10ms", "-lease", "2s")
	waitFor(t, func() bool { return reports(t, db) == 1 })
}

// reports returns the number of reports in a database.
func reports(t *testing.T, file string) (n int) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(2000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM reports").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// waitFor waits until ok returns true, for thirty seconds.
func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not within thirty seconds")
		}
	}
}
