package batches_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/inbox"
	"github.com/hookonce/hookonce/store/sqlstore"
)

const secret = "s3cr3t"

// allAtOnce is the work of an endpoint with Options.Whole: all events of a request that
// are new, in one transaction. If one of them fails, none is done, and the retry does them
// together; an event that was done in another request is left out.
//
// An event that always fails keeps all that come with it from being done, so this is for
// work that fails or succeeds as a whole, and for bulk statements.
func allAtOnce(events *sqlstore.Store, work func(ctx context.Context, tx *sql.Tx, d *hmacverify.Delivery) error) idempotency.Func[*sql.Tx] {
	return func(ctx context.Context, tx *sql.Tx, request *hmacverify.Delivery) error {
		items, err := request.Items()
		if err != nil {
			return err
		}
		keys := make([]idempotency.Key, len(items))
		for i, d := range items {
			if keys[i], err = idempotency.KeyOf("gocardless", d); err != nil {
				return err
			}
		}
		claimed, err := events.ClaimBatchTx(ctx, tx, keys)
		if err != nil {
			return err
		}
		for i, d := range items {
			if !claimed[i] {
				continue
			}
			if err := work(ctx, tx, d); err != nil {
				return err
			}
		}
		return nil
	}
}

// A rig is a database with payments, and a sender of events.
type rig struct {
	t      testing.TB
	db     *sql.DB
	events *sqlstore.Store
	sender *hmacverify.Signer
	fails  string // the event whose work fails
}

func newRig(t testing.TB) *rig {
	t.Helper()
	g := &rig{t: t}
	var err error
	if g.db, err = sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "test.db")+"?_txlock=immediate&_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.db.Close() })
	if g.events, err = sqlstore.New(g.db, sqlstore.SQLite, nil); err != nil {
		t.Fatal(err)
	}
	if err = g.events.CreateTables(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err = g.db.Exec("CREATE TABLE done (id TEXT NOT NULL)"); err != nil {
		t.Fatal(err)
	}
	if g.sender, err = hmacverify.NewSigner(preset.GoCardless(), nil, secret); err != nil {
		t.Fatal(err)
	}
	return g
}

func (g *rig) endpoint(o *idempotency.Options) *idempotency.Endpoint[*sql.Tx] {
	g.t.Helper()
	verifier, err := hmacverify.New(preset.GoCardless(), nil, secret)
	if err != nil {
		g.t.Fatal(err)
	}
	e, err := idempotency.NewEndpoint("gocardless", verifier, g.events, o)
	if err != nil {
		g.t.Fatal(err)
	}
	return e
}

func (g *rig) work(ctx context.Context, tx *sql.Tx, d *hmacverify.Delivery) error {
	if _, err := tx.ExecContext(ctx, "INSERT INTO done (id) VALUES (?)", d.ID); err != nil {
		return err
	}
	if d.ID == g.fails {
		return fmt.Errorf("%s fails", d.ID)
	}
	return nil
}

// send returns the status of the response to a request with these events.
func (g *rig) send(h http.Handler, ids ...string) int {
	g.t.Helper()
	var events []string
	for _, id := range ids {
		events = append(events, fmt.Sprintf(`{"id":%q,"resource_type":"payments","action":"confirmed"}`, id))
	}
	r, err := g.sender.NewRequest(g.t.Context(), "http://localhost/", nil, []byte(`{"events":[`+strings.Join(events, ",")+`]}`))
	if err != nil {
		g.t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

// wantDone checks which events were done, each of them once.
func (g *rig) wantDone(want string) {
	g.t.Helper()
	var got sql.NullString
	if err := g.db.QueryRow("SELECT group_concat(id, ' ') FROM (SELECT id FROM done ORDER BY id)").Scan(&got); err != nil {
		g.t.Fatal(err)
	}
	if got.String != want {
		g.t.Errorf("done %q, want %q", got.String, want)
	}
}

// Each event has its own transaction: one that fails does not hold the others back.
func TestEachByItself(t *testing.T) {
	g := newRig(t)
	h := g.endpoint(nil).Handle(g.work)
	g.fails = "EV2"
	if got := g.send(h, "EV1", "EV2", "EV3"); got != 500 {
		t.Errorf("got %d, want 500", got)
	}
	g.wantDone("EV1 EV3")
	g.fails = ""
	if got := g.send(h, "EV2", "EV3", "EV4"); got != 200 { // grouped otherwise
		t.Errorf("got %d, want 200", got)
	}
	g.wantDone("EV1 EV2 EV3 EV4")
}

// All events of a request have one transaction, in which only new ones are done.
func TestAllAtOnce(t *testing.T) {
	g := newRig(t)
	h := g.endpoint(&idempotency.Options{Whole: true}).Handle(allAtOnce(g.events, g.work))
	g.fails = "EV2"
	if got := g.send(h, "EV1", "EV2", "EV3"); got != 500 {
		t.Errorf("got %d, want 500", got)
	}
	g.wantDone("")
	g.fails = ""
	if got := g.send(h, "EV1", "EV3"); got != 200 { // grouped otherwise
		t.Errorf("got %d, want 200", got)
	}
	g.wantDone("EV1 EV3")
	for range 2 {
		if got := g.send(h, "EV1", "EV2", "EV3", "EV2"); got != 200 { // the first grouping again
			t.Errorf("got %d, want 200", got)
		}
	}
	g.wantDone("EV1 EV2 EV3")
}

// The largest request that is accepted fits into one commit of an inbox.
func TestAccept_Largest(t *testing.T) {
	g := newRig(t)
	b, err := inbox.New(g.events, nil)
	if err != nil {
		t.Fatal(err)
	}
	h := inbox.Handle(b, g.endpoint(nil), g.work, nil)
	ids := make([]string, hmacverify.MaxItems)
	for i := range ids {
		ids[i] = fmt.Sprint("EV", i)
	}
	for range 2 { // the second time all are duplicates
		if got := g.send(h, ids...); got != 202 {
			t.Errorf("got %d, want 202", got)
		}
	}
	last := idempotency.Key{Scope: "gocardless", ID: ids[len(ids)-1]}
	if s, err := b.Lookup(t.Context(), last); err != nil || s.State != inbox.Waiting {
		t.Errorf("the last is %v, error %v", s.State, err)
	}
}
