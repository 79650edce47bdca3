package main

import (
	"database/sql"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/hookonce/hookonce/examples/internal/hooktest"
	"github.com/hookonce/hookonce/hmacverify/preset"
)

func TestMain(m *testing.M) { hooktest.Main(m, main) }

// serve serves the function behind the stand-in for the gateway.
func serve(t *testing.T) (*sql.DB, string) {
	t.Helper()
	db := hooktest.NewSQLite(t)
	f, err := newFunction(t.Context(), db, "s3cret")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gateway(f.handle))
	t.Cleanup(server.Close)
	return db, server.URL
}

func sender(t *testing.T, url, secret string) *hooktest.Sender {
	t.Helper()
	return hooktest.NewSender(t, preset.XSignature256(), url, secret)
}

func checkReceived(t *testing.T, db *sql.DB, want int) {
	t.Helper()
	var got int
	if err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM received").Scan(&got); err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("%d events received, want %d", got, want)
	}
}

func TestFunction_TextAndBase64(t *testing.T) {
	t.Parallel()
	db, url := serve(t)
	asText, asBase64 := sender(t, url, "s3cret"), sender(t, url, "s3cret")
	asBase64.Header = http.Header{"Content-Type": {"application/octet-stream"}}
	asText.Send(t, `{"eventId":"evt_1","name":"Zoë"}`).Want(t, 200, "")
	asBase64.Send(t, `{"eventId":"evt_1","name":"Zoë"}`).Want(t, 409, "")
	asBase64.Send(t, `{"eventId":"evt_2","name":"Zoë"}`).Want(t, 200, "")
	checkReceived(t, db, 2)
}

func TestFunction_Refusals(t *testing.T) {
	t.Parallel()
	db, url := serve(t)
	sender(t, url, "guessed").Send(t, `{"eventId":"evt_1"}`).Want(t, 401, "")
	sender(t, url, "s3cret").Send(t, `{"name":"no ID"}`).Want(t, 400, "")
	hooktest.Get(t, url).Want(t, 405, "")
	checkReceived(t, db, 0)
}

func TestFunction_DatabaseFails(t *testing.T) {
	t.Parallel()
	db, url := serve(t)
	s := sender(t, url, "s3cret")
	rename := func(from, to string) {
		t.Helper()
		hooktest.Exec(t, db, "ALTER TABLE "+from+" RENAME TO "+to)
	}
	rename("received", "elsewhere") // the work fails
	s.Send(t, `{"eventId":"evt_1"}`).Want(t, 500, "")
	rename("elsewhere", "received")
	rename("idempotency_records", "elsewhere") // the store fails
	if got := s.Send(t, `{"eventId":"evt_1"}`); got.Status != 503 || got.Header.Get("Retry-After") == "" {
		t.Errorf("responded %d, Retry-After %q; want 503 with a Retry-After", got.Status, got.Header.Get("Retry-After"))
	}
	rename("elsewhere", "idempotency_records")
	s.Send(t, `{"eventId":"evt_1"}`).Want(t, 200, "")
	checkReceived(t, db, 1)
}

func TestFunction_ConcurrentDuplicates(t *testing.T) {
	t.Parallel()
	p := hooktest.Start(t, nil)
	hooktest.CheckOnce(t, p.Try(t, "-n", "20"), 20, 200, 409)
	hooktest.See(t, p.URL+"/count", "1")
	p.Stop(t)
}
