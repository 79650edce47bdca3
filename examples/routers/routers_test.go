package main

import (
	"database/sql"
	"net/http/httptest"
	"testing"

	"github.com/hookonce/hookonce/examples/internal/hooktest"
	"github.com/hookonce/hookonce/hmacverify/preset"
)

func TestMain(m *testing.M) { hooktest.Main(m, main) }

const secret = "s3cret"

// eachRouter runs f with the URL of each router's server and its database.
func eachRouter(t *testing.T, f func(t *testing.T, name, url string, db *sql.DB)) {
	t.Helper()
	for name, route := range routers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := hooktest.NewSQLite(t)
			e, err := newEndpoint(t.Context(), db, secret)
			if err != nil {
				t.Fatal(err)
			}
			server := httptest.NewServer(route(e, events(db)))
			t.Cleanup(server.Close)
			f(t, name, server.URL, db)
		})
	}
}

func sender(t *testing.T, url, secret string) *hooktest.Sender {
	t.Helper()
	return hooktest.NewSender(t, preset.XSignature256(), url+"/webhooks/acme", secret)
}

const event = `{"eventId":"evt_1"}`

func TestRouters_Duplicate(t *testing.T) {
	t.Parallel()
	eachRouter(t, func(t *testing.T, name, url string, _ *sql.DB) {
		got := sender(t, url, secret).Send(t, event)
		got.Want(t, 200, "")
		if got.Body != "received by "+name {
			t.Errorf("responded %q", got.Body)
		}
		sender(t, url, secret).Send(t, event).Want(t, 409, "duplicate")
		sender(t, url, "guessed").Send(t, event).Want(t, 401, "")
		hooktest.See(t, url+"/events", "evt_1 from acme by "+name)
	})
}

func TestRouters_RetryAfterError(t *testing.T) {
	t.Parallel()
	eachRouter(t, func(t *testing.T, name, url string, db *sql.DB) {
		s := sender(t, url, secret)
		hooktest.Exec(t, db, `ALTER TABLE received RENAME TO elsewhere`)
		if got := s.Send(t, event); got.Status != 500 {
			t.Errorf("responded %d, want 500", got.Status)
		}
		hooktest.Exec(t, db, `ALTER TABLE elsewhere RENAME TO received`)
		s.Send(t, event).Want(t, 200, "")
		hooktest.See(t, url+"/events", "evt_1 from acme by "+name)
	})
}

func TestRouters_ConcurrentDuplicates(t *testing.T) {
	t.Parallel()
	for name := range routers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := hooktest.Start(t, []string{"-router", name})
			hooktest.CheckOnce(t, p.Try(t, "-n", "10"), 10, 200, 409)
			p.Stop(t)
		})
	}
}
