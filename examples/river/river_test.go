package main

import (
	"database/sql"
	"strings"
	"testing"
	"time"

	"github.com/hookonce/hookonce/examples/internal/hooktest"
	"github.com/hookonce/hookonce/examples/internal/local"
	"github.com/hookonce/hookonce/hmacverify/preset"
)

func TestMain(m *testing.M) { hooktest.Main(m, main) }

const secret = "s3cret"

// start starts the example on a database of its own, which it returns too.
func start(t *testing.T) (*hooktest.Process, *hooktest.Sender, *sql.DB) {
	t.Helper()
	databaseURL := hooktest.NewPostgreSQL(t)
	db, err := sql.Open("pgx", databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	p := hooktest.Start(t, nil, "HOOKONCE_POSTGRES="+databaseURL, "WEBHOOK_SECRET="+secret)
	return p, hooktest.NewSender(t, preset.XSignature256(), p.URL+"/webhooks", secret), db
}

// waitForMails waits until the example shows that these mails were sent.
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

// jobs returns how many jobs there are, done or not.
func jobs(t *testing.T, db *sql.DB) (n int) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM river_job").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestCopiesAtOnceMakeOneJob(t *testing.T) {
	t.Parallel()
	p, _, db := start(t)
	hooktest.CheckOnce(t, p.Try(t, "-n", "50"), 50, 202, 409)
	waitForMails(t, p, "alice@example.com at attempt 1")
	if got := jobs(t, db); got != 1 {
		t.Errorf("%d jobs, want 1", got)
	}
	p.Stop(t)
}

func TestRiverTriesAgainWhatHasFailed(t *testing.T) {
	t.Parallel()
	p, s, db := start(t)
	event := `{"eventId":"evt_2","to":"busy@example.com"}`
	s.Send(t, event).Want(t, 202, "")
	s.Send(t, event).Want(t, 409, "duplicate")
	waitForMails(t, p, "busy@example.com at attempt 2")
	if got := jobs(t, db); got != 1 {
		t.Errorf("%d jobs, want 1", got)
	}
}

func TestWithoutTheJobTheEventIsNotRecorded(t *testing.T) {
	t.Parallel()
	p, s, db := start(t)
	event := `{"eventId":"evt_3","to":"carol@example.com"}`
	// NOT VALID: what is there already is left alone.
	if err := local.Exec(t.Context(), db, `ALTER TABLE river_job ADD CONSTRAINT full_up CHECK (false) NOT VALID`); err != nil {
		t.Fatal(err)
	}
	s.Send(t, event).Want(t, 500, "failed")
	if err := local.Exec(t.Context(), db, `ALTER TABLE river_job DROP CONSTRAINT full_up`); err != nil {
		t.Fatal(err)
	}
	s.Send(t, event).Want(t, 202, "")
	waitForMails(t, p, "carol@example.com at attempt 1")
}

func TestWithoutADatabaseItSaysSo(t *testing.T) {
	t.Parallel()
	if got := hooktest.Refusal(t, nil, "HOOKONCE_POSTGRES="); !strings.Contains(got, "HOOKONCE_POSTGRES") {
		t.Errorf("it says %q, want it to name HOOKONCE_POSTGRES", got)
	}
}
