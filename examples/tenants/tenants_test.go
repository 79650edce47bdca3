package main

import (
	"database/sql"
	"net/http/httptest"
	"testing"

	"github.com/hookonce/hookonce/examples/internal/hooktest"
	"github.com/hookonce/hookonce/hmacverify/preset"
)

func TestMain(m *testing.M) { hooktest.Main(m, main) }

// serve serves the example in this process, with two tenants.
func serve(t *testing.T) (*sql.DB, string) {
	t.Helper()
	db := hooktest.NewSQLite(t)
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

func TestTenants_SameID(t *testing.T) {
	t.Parallel()
	_, url := serve(t)
	acme := sender(t, url+"/webhooks/acme", "acme's")
	globex := sender(t, url+"/webhooks/globex", "globex's")
	acme.Send(t, event).Want(t, 200, "")
	globex.Send(t, event).Want(t, 200, "")
	acme.Send(t, event).Want(t, 409, "duplicate")
	hooktest.See(t, url+"/counts", "acme 1\nglobex 1")
}

func TestTenants_ForeignSecret(t *testing.T) {
	t.Parallel()
	_, url := serve(t)
	sender(t, url+"/webhooks/globex", "acme's").Send(t, event).Want(t, 401, "")
	sender(t, url+"/webhooks/initech", "acme's").Send(t, event).Want(t, 401, "")
	hooktest.See(t, url+"/counts", "")
}

func TestTenants_OtherSpelling(t *testing.T) {
	t.Parallel()
	_, url := serve(t)
	sender(t, url+"/webhooks/acme", "acme's").Send(t, event).Want(t, 200, "")
	sender(t, url+"/webhooks/ACME", "acme's").Send(t, event).Want(t, 409, "duplicate")
	hooktest.See(t, url+"/counts", "acme 1")
}

func TestTenants_Closed(t *testing.T) {
	t.Parallel()
	db, url := serve(t)
	hooktest.Exec(t, db, `UPDATE tenants SET closed = TRUE WHERE name = 'acme'`)
	sender(t, url+"/webhooks/acme", "acme's").Send(t, event).Want(t, 401, "")
}

func TestTenants_KeysUnavailable(t *testing.T) {
	t.Parallel()
	db, url := serve(t)
	hooktest.Exec(t, db, `ALTER TABLE tenants RENAME TO elsewhere`)
	sender(t, url+"/webhooks/acme", "acme's").Send(t, event).Want(t, 503, "")
}

func TestTenants_ConcurrentDuplicates(t *testing.T) {
	t.Parallel()
	p := hooktest.Start(t, nil)
	hooktest.CheckOnce(t, p.Try(t, "-n", "10"), 10, 200, 409)
	hooktest.See(t, p.URL+"/counts", "acme 1")
	p.Stop(t)
}
