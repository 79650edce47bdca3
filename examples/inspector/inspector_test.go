package main

import (
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hookonce/hookonce/examples/internal/hooktest"
	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
)

func queryEscape(s string) string { return url.QueryEscape(s) }

// deliver delivers an event of the shop's.
func deliver(t *testing.T, p *hooktest.Process, id, body string) {
	t.Helper()
	signer, err := hmacverify.NewSigner(preset.StandardWebhooks(), nil, shopSecret)
	if err != nil {
		t.Fatal(err)
	}
	r, err := signer.NewRequest(t.Context(), p.URL+"/webhooks/shop", http.Header{"Webhook-Id": {id}}, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusAccepted {
		t.Fatalf("delivery of %q: %s", id, res.Status)
	}
}

// Without the password there is no page.
func TestInspector_AsksForThePassword(t *testing.T) {
	t.Parallel()
	p := hooktest.Start(t, []string{"-db", filepath.Join(t.TempDir(), "test.db")})
	for _, test := range []struct {
		method, user, password string
		status                 int
	}{
		{"GET", "", "", 401},
		{"GET", "oncall", "wrong", 403},
		{"GET", "root", "example", 403},
		{"POST", "", "", 403},
		{"GET", "oncall", "example", 200},
	} {
		r, err := http.NewRequestWithContext(t.Context(), test.method, p.URL+"/ops/webhooks/", strings.NewReader(""))
		if err != nil {
			t.Fatal(err)
		}
		if test.user != "" {
			r.SetBasicAuth(test.user, test.password)
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != test.status {
			t.Errorf("%s by %q: %d, want %d", test.method, test.user, res.StatusCode, test.status)
		}
	}
}
