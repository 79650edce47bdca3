package main

import (
	"database/sql"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/hookonce/hookonce/examples/internal/hooktest"
	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/sqlstore"
)

func TestMain(m *testing.M) { hooktest.Main(m, main) }

const (
	secret = "example" // as in the doc comment
	event  = `{"eventId":"evt_1"}`
)

func start(t *testing.T, args ...string) (*hooktest.Process, *hooktest.Sender) {
	t.Helper()
	p := hooktest.Start(t, args)
	return p, hooktest.NewSender(t, preset.XSignature256(), p.URL+"/webhooks", secret)
}

func TestSlowWork_DuplicatesInFlight(t *testing.T) {
	t.Parallel()
	p, s := start(t, "-work", "5s") // longer than the 2 s that a duplicate waits
	if hooktest.CheckOnce(t, p.Try(t, "-n", "5"), 5, 200, 409) == 0 {
		t.Error("no duplicate was asked to retry")
	}
	s.Send(t, event).Want(t, 409, "duplicate")
	hooktest.See(t, p.URL+"/reports", "evt_1 attempt 1: a report")
	p.Stop(t)
}

func TestSlowWork_LeaseRenewed(t *testing.T) {
	t.Parallel()
	_, s := start(t, "-work", "3s", "-lease", "1s")
	s.Send(t, event).Want(t, 200, "")
	s.Send(t, event).Want(t, 409, "duplicate")
}

func TestSlowWork_ProcessKilled(t *testing.T) {
	t.Parallel()
	db := filepath.Join(t.TempDir(), "test.db")
	first, _ := start(t, "-db", db, "-work", "1h", "-lease", "5s")
	second, s := start(t, "-db", db, "-work", "1ms", "-lease", "5s")
	firstSender := hooktest.NewSender(t, preset.XSignature256(), first.URL+"/webhooks", secret)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		firstSender.Lost(t, event)
	}()
	// Once the first has claimed the event, the second responds that it is in flight.
	// It gets no delivery before, or it would do the work itself.
	waitFor(t, func() bool { return records(t, db) == 1 })
	s.Send(t, event).Want(t, 503, "in_flight")
	first.Kill()
	<-gone
	waitFor(t, func() bool { return s.Send(t, event).Status == 200 })
	s.Send(t, event).Want(t, 409, "duplicate")
	hooktest.See(t, second.URL+"/reports", "evt_1 attempt 2: a report")
}

// A process that was taken for dead writes nothing when it wakes up.
func TestSlowWork_LeaseLost(t *testing.T) {
	t.Parallel()
	s := &server{db: hooktest.NewSQLite(t), work: time.Millisecond, lease: time.Minute}
	if _, err := s.newHandler(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	claim := func(length time.Duration) (c lease.Claim, won bool) {
		t.Helper()
		c = lease.Claim{Key: idempotency.Key{Scope: "slowwork", ID: "evt_1"}, Owner: lease.NewOwner()}
		rec, won, err := s.events.Claim(t.Context(), c.Key, lease.Terms{Owner: c.Owner, Lease: length})
		if err != nil {
			t.Fatal(err)
		}
		c.Token, c.Attempt = rec.Token, rec.Attempts
		return c, won
	}
	first, _ := claim(time.Millisecond)
	waitFor(t, func() bool {
		_, won := claim(time.Minute)
		return won
	})
	err := s.receive(t.Context(), first, &hmacverify.Delivery{ID: "evt_1"})
	if !errors.Is(err, idempotency.ErrLeaseLost) {
		t.Errorf("got %v, want ErrLeaseLost", err)
	}
	var reports int
	if err := s.db.QueryRowContext(t.Context(), "SELECT count(*) FROM reports").Scan(&reports); err != nil {
		t.Fatal(err)
	}
	if reports != 0 {
		t.Errorf("%d reports were written, want 0", reports)
	}
}

// records returns the number of events in a database.
func records(t *testing.T, file string) (n int) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(2000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM "+sqlstore.DefaultTable).Scan(&n); err != nil {
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
