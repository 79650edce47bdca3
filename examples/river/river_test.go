package main

import (
	"database/sql"
	"strings"
	"testing"
	"time"

	"github.com/hookonce/hookonce/examples/internal/hooktest"
	"github.com/hookonce/hookonce/hmacverify/preset"
)

func TestMain(m *testing.M) { hooktest.Main(m, main) }

const secret = "example" // as in the doc comment

// start starts the example on a database of its own, which it also returns.
func start(t *testing.T) (*hooktest.Process, *hooktest.Sender, *sql.DB) {
	t.Helper()
	databaseURL := hooktest.NewPostgreSQL(t)
	db, err := sql.Open("pgx", databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	p := hooktest.Start(t, nil, "HOOKONCE_POSTGRES="+databaseURL)
	return p, hooktest.NewSender(t, preset.XSignature256(), p.URL+"/webhooks", secret), db
}

// waitForMails waits until the example shows these mails.
func waitForMails(t *testing.T, p *hooktest.Process, want string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		got := hooktest.Get(t, p.URL+"/mails").Body
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("mails %q after 20 seconds, want %q", got, want)
		}
	}
}

// jobs returns the number of jobs, completed or not.
func jobs(t *testing.T, db *sql.DB) (n int) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM river_job").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestRiver_ConcurrentDuplicates(t *testing.T) {
	t.Parallel()
	p, _, db := start(t)
	hooktest.CheckOnce(t, p.Try(t, "-n", "50"), 50, 200, 409)
	waitForMails(t, p, "alice@example.com at attempt 1")
	if got := jobs(t, db); got != 1 {
		t.Errorf("%d jobs, want 1", got)
	}
	p.Stop(t)
}

func TestRiver_Retry(t *testing.T) {
	t.Parallel()
	p, s, db := start(t)
	event := `{"eventId":"evt_2","to":"busy@example.com"}`
	s.Send(t, event).Want(t, 200, "")
	s.Send(t, event).Want(t, 409, "duplicate")
	waitForMails(t, p, "busy@example.com at attempt 2")
	if got := jobs(t, db); got != 1 {
		t.Errorf("%d jobs, want 1", got)
	}
}

func TestRiver_JobNotInserted(t *testing.T) {
	t.Parallel()
	p, s, db := start(t)
	event := `{"eventId":"evt_3","to":"carol@example.com"}`
	// NOT VALID: the constraint does not concern the jobs that exist.
	hooktest.Exec(t, db, `ALTER TABLE river_job ADD CONSTRAINT full_up CHECK (false) NOT VALID`)
	s.Send(t, event).Want(t, 500, "failed")
	hooktest.Exec(t, db, `ALTER TABLE river_job DROP CONSTRAINT full_up`)
	s.Send(t, event).Want(t, 200, "")
	waitForMails(t, p, "carol@example.com at attempt 1")
}

func TestRiver_NoDatabase(t *testing.T) {
	t.Parallel()
	if got := hooktest.Refusal(t, nil, "HOOKONCE_POSTGRES="); !strings.Contains(got, "HOOKONCE_POSTGRES") {
		t.Errorf("it says %q, want it to name HOOKONCE_POSTGRES", got)
	}
}
