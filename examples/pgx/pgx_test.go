package main

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/hookonce/hookonce/examples/internal/hooktest"
	"github.com/hookonce/hookonce/hmacverify/preset"
)

func TestMain(m *testing.M) { hooktest.Main(m, main) }

const secret = "whsec_example" // as in the doc comment

// A fixture is the example on a database of its own.
type fixture struct {
	*hooktest.Process
	*hooktest.Sender
	db *sql.DB
}

func start(t *testing.T) *fixture {
	t.Helper()
	databaseURL := hooktest.NewPostgreSQL(t)
	db, err := sql.Open("pgx", databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	p := hooktest.Start(t, nil, "HOOKONCE_POSTGRES="+databaseURL)
	return &fixture{p, hooktest.NewSender(t, preset.Stripe(), p.URL+"/webhooks/stripe", secret), db}
}

func payment(id string, cents int) string {
	return fmt.Sprintf(`{"id":%q,"type":"payment_intent.succeeded","data":{"object":{"customer":"cus_2","amount":%d}}}`, id, cents)
}

func refund(id string, cents int) string {
	return fmt.Sprintf(`{"id":%q,"type":"charge.refunded","data":{"object":{"customer":"cus_2","amount_refunded":%d}}}`, id, cents)
}

// eventually waits until what a GET of path shows is want.
func (f *fixture) eventually(t *testing.T, path, want string) {
	t.Helper()
	f.until(t, want, func() string { return hooktest.Get(t, f.Process.URL+path).Body })
}

func (f *fixture) until(t *testing.T, want string, get func() string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		got := get()
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%q after 20 seconds, want %q", got, want)
		}
	}
}

// query returns what a query for a text selects.
func (f *fixture) query(t *testing.T, query string) (text string) {
	t.Helper()
	if err := f.db.QueryRowContext(t.Context(), query).Scan(&text); err != nil {
		t.Fatal(err)
	}
	return text
}

// admin checks the response to an operator.
func (f *fixture) admin(t *testing.T, method, path, token string, wantStatus int, want string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, f.Process.URL+"/admin"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != wantStatus || !strings.Contains(string(body), want) {
		t.Errorf("%s %s responds %d %q, want %d %q", method, path, resp.StatusCode, body, wantStatus, want)
	}
}

func TestPgx_ConcurrentDuplicates(t *testing.T) {
	t.Parallel()
	f := start(t)
	hooktest.CheckOnce(t, f.Try(t), 50, 200, 200)
	hooktest.See(t, f.Process.URL+"/accounts/cus_1", "1000 cents")
	f.eventually(t, "/receipts", "evt_1 cus_1 1000 cents")
	if got := f.query(t, "SELECT count(*) FROM river_job"); got != "1" {
		t.Errorf("%s jobs, want 1", got)
	}
	f.Stop(t)
}

// Record, credit and job are one commit: without the job there is none of them.
func TestPgx_JobNotInserted(t *testing.T) {
	t.Parallel()
	f := start(t)
	hooktest.Exec(t, f.db, `ALTER TABLE river_job ADD CONSTRAINT full_up CHECK (false) NOT VALID`)
	f.Send(t, payment("evt_1", 100)).Want(t, 500, "failed")
	hooktest.See(t, f.Process.URL+"/accounts/cus_2", "0 cents")
	hooktest.Exec(t, f.db, `ALTER TABLE river_job DROP CONSTRAINT full_up`)
	f.Send(t, payment("evt_1", 100)).Want(t, 200, "")
	f.Send(t, payment("evt_1", 100)).Want(t, 200, "duplicate")
	hooktest.See(t, f.Process.URL+"/accounts/cus_2", "100 cents")
	f.eventually(t, "/receipts", "evt_1 cus_2 100 cents")
}

// The other way round: a job is taken back with the rest.
func TestPgx_RollbackTakesTheJob(t *testing.T) {
	t.Parallel()
	f := start(t)
	hooktest.Exec(t, f.db, `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused'; END $$`)
	hooktest.Exec(t, f.db, `CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON accounts DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()`)
	f.Send(t, payment("evt_1", 100)).Want(t, 500, "failed") // by COMMIT, after InsertTx
	if got := f.query(t, "SELECT count(*) FROM river_job"); got != "0" {
		t.Errorf("%s jobs of an event that was rolled back, want none", got)
	}
	hooktest.Exec(t, f.db, `DROP TRIGGER refuse ON accounts`)
	f.Send(t, payment("evt_1", 100)).Want(t, 200, "")
	f.eventually(t, "/receipts", "evt_1 cus_2 100 cents")
}

// A job whose worker died before River noted that it was done runs again.
func TestPgx_JobRunsAgain(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.Send(t, payment("evt_1", 100)).Want(t, 200, "")
	state := func() string { return f.query(t, "SELECT state FROM river_job") }
	f.until(t, "completed", state)
	hooktest.Exec(t, f.db, `UPDATE river_job SET state = 'available', finalized_at = NULL, attempt = 0`)
	f.until(t, "completed", state)
	hooktest.See(t, f.Process.URL+"/receipts", "evt_1 cus_2 100 cents")
}

func TestPgx_DeadEvent(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.Send(t, payment("evt_1", 100)).Want(t, 200, "")
	f.Send(t, refund("evt_2", 150)).Want(t, 200, "dead") // Stripe shall not retry it
	f.Send(t, refund("evt_2", 150)).Want(t, 200, "dead")
	const dead = "stripe evt_2: dead, attempts: 1, last error: \"the refund is more than the account holds\"\n"
	f.admin(t, "GET", "/failures", "guessed", 401, "")
	f.admin(t, "POST", "/events/evt_2/rerun", "", 401, "")
	f.admin(t, "GET", "/failures", "example", 200, dead)
	f.admin(t, "GET", "/events/evt_2", "example", 200, dead)
	f.admin(t, "GET", "/events/evt_9", "example", 404, "")
	f.admin(t, "POST", "/events/evt_9/rerun", "example", 404, "")

	f.admin(t, "POST", "/events/evt_2/rerun", "example", 409, "dead") // the cause is still there
	f.Send(t, payment("evt_3", 60)).Want(t, 200, "")
	f.admin(t, "POST", "/events/evt_2/rerun", "example", 200, "")
	f.admin(t, "POST", "/events/evt_2/rerun", "example", 409, "duplicate")
	hooktest.See(t, f.Process.URL+"/accounts/cus_2", "10 cents")
	f.admin(t, "GET", "/events/evt_2", "example", 200, "done")
	f.Send(t, refund("evt_2", 150)).Want(t, 200, "duplicate")
}

// A delivery that is in flight when the process gets SIGTERM is answered.
func TestPgx_Shutdown(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.Send(t, payment("evt_1", 100)).Want(t, 200, "")
	tx, err := f.db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(t.Context(), "SELECT FROM accounts FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	answer := make(chan hooktest.Answer)
	go func() { answer <- f.Send(t, payment("evt_2", 100)) }()
	f.until(t, "1", func() string {
		return f.query(t, "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND query LIKE '-- name: Credit%' AND relation IS NULL")
	})
	stopped := make(chan struct{})
	go func() { defer close(stopped); f.Stop(t) }()
	select {
	case <-stopped:
		t.Error("the process ended before the delivery was answered")
	case <-time.After(200 * time.Millisecond):
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	(<-answer).Want(t, 200, "")
	<-stopped
	if got := f.query(t, "SELECT cents FROM accounts"); got != "200" {
		t.Errorf("%s cents, want 200", got)
	}
}

func TestPgx_NotSet(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"HOOKONCE_POSTGRES", "STRIPE_WEBHOOK_SECRET", "ADMIN_TOKEN"} {
		if got := hooktest.Refusal(t, nil, name+"="); !strings.Contains(got, name) {
			t.Errorf("it says %q, want it to name %s", got, name)
		}
	}
}

// newTestService returns the service in this process.
func newTestService(t *testing.T) *service {
	t.Helper()
	pool, err := newPool(context.WithoutCancel(t.Context()), hooktest.NewPostgreSQL(t), false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	s, err := newService(t.Context(), pool, options{secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	return s
}
