package main

import (
	"database/sql"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/hookonce/hookonce/examples/internal/hooktest"
	"github.com/hookonce/hookonce/examples/internal/local"
	"github.com/hookonce/hookonce/hmacverify/preset"
)

func TestMain(m *testing.M) { hooktest.Main(m, main) }

// serve serves the example in this process, with two tenants.
func serve(t *testing.T) (*sql.DB, string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "test.db")+"?_pragma=busy_timeout(2000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	handler, err := newHandler(t.Context(), db, map[string]string{"acme": "acme's", "globex": "globex's"})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return db, server.URL
}

func sender(t *testing.T, url, secret string) *hooktest.Sender {
	t.Helper()
	return hooktest.NewSender(t, preset.XSignature256(), url, secret)
}

const event = `{"eventId":"evt_1"}`

func TestTenantsMayUseTheSameID(t *testing.T) {
	t.Parallel()
	_, url := serve(t)
	acme := sender(t, url+"/webhooks/acme", "acme's")
	globex := sender(t, url+"/webhooks/globex", "globex's")
	acme.Send(t, event).Want(t, 200, "")
	globex.Send(t, event).Want(t, 200, "")
	acme.Send(t, event).Want(t, 409, "duplicate")
	hooktest.See(t, url+"/counts", "acme 1\nglobex 1")
}

func TestOneTenantCannotSendForAnother(t *testing.T) {
	t.Parallel()
	_, url := serve(t)
	sender(t, url+"/webhooks/globex", "acme's").Send(t, event).Want(t, 401, "")
	sender(t, url+"/webhooks/nobody", "acme's").Send(t, event).Want(t, 401, "")
	hooktest.See(t, url+"/counts", "")
}

func TestAnotherSpellingOfTheNameIsNoWayToRepeatAnEvent(t *testing.T) {
	t.Parallel()
	_, url := serve(t)
	sender(t, url+"/webhooks/acme", "acme's").Send(t, event).Want(t, 200, "")
	sender(t, url+"/webhooks/ACME", "acme's").Send(t, event).Want(t, 409, "duplicate")
	hooktest.See(t, url+"/counts", "acme 1")
}

func TestATenantCanBeClosedAtOnce(t *testing.T) {
	t.Parallel()
	db, url := serve(t)
	if err := local.Exec(t.Context(), db, `UPDATE tenants SET closed = TRUE WHERE name = 'acme'`); err != nil {
		t.Fatal(err)
	}
	sender(t, url+"/webhooks/acme", "acme's").Send(t, event).Want(t, 401, "")
}

func TestWhenKeysCannotBeReadTheSenderIsToComeAgain(t *testing.T) {
	t.Parallel()
	db, url := serve(t)
	if err := local.Exec(t.Context(), db, `ALTER TABLE tenants RENAME TO elsewhere`); err != nil {
		t.Fatal(err)
	}
	sender(t, url+"/webhooks/acme", "acme's").Send(t, event).Want(t, 503, "")
}

func TestTheCommandThatItPrints(t *testing.T) {
	t.Parallel()
	p := hooktest.Start(t, nil)
	hooktest.CheckOnce(t, p.Try(t, "-n", "10"), 10, 200, 409)
	hooktest.See(t, p.URL+"/counts", "acme 1")
	p.Stop(t)
}
