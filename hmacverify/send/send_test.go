package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/memstore"
)

func TestMain(m *testing.M) {
	os.Unsetenv("WEBHOOK_SECRET") // which a developer may have set
	os.Exit(m.Run())
}

// send runs the command and returns its exit status and what it printed.
func send(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	status = run(t.Context(), args, strings.NewReader(""), &out, &errs)
	return status, out.String(), errs.String()
}

// sendJSON runs the command with -json and returns its report.
func sendJSON(t *testing.T, args ...string) report {
	t.Helper()
	status, out, errs := send(t, append(args, "-json")...)
	var r report
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("exit status %d, %v\n%s%s", status, err, out, errs)
	}
	if want := min(r.NotAnswered, 1); status != want {
		t.Errorf("exit status %d with %d not answered, want %d", status, r.NotAnswered, want)
	}
	return r
}

// serve serves h and returns its URL.
func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL + "/hooks?tenant=1"
}

// Copies are one event to the endpoint, distinct deliveries are not.
func TestSend_CopiesAndDistinct(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	url := onceEndpoint(t, func(http.ResponseWriter, *http.Request) { calls.Add(1) })
	r := sendJSON(t, "-scheme", "stripe", "-secret", "s", "-url", url, "-n", "50")
	want := []group{{Status: 200, Code: "duplicate", Count: 49}, {Status: 200, Count: 1}}
	if diff := cmp.Diff(want, r.Answers); diff != "" {
		t.Errorf("answers to copies (-want +got)\n%s", diff)
	}
	if got := calls.Load(); got != 1 {
		t.Errorf("50 copies made %d calls, want 1", got)
	}
	r = sendJSON(t, "-scheme", "stripe", "-secret", "s", "-url", url, "-n", "50", "-distinct", "-parallel", "8")
	if diff := cmp.Diff([]group{{Status: 200, Count: 50}}, r.Answers); diff != "" {
		t.Errorf("answers to distinct deliveries (-want +got)\n%s", diff)
	}
	if r.Response != nil || r.ID != "" {
		t.Error("the report of distinct deliveries has the ID and the response of one")
	}
}

// onceEndpoint serves next as an endpoint for Stripe whose secret is s.
func onceEndpoint(t *testing.T, next http.HandlerFunc) string {
	t.Helper()
	verifier, err := hmacverify.New(preset.Stripe(), nil, "s")
	if err != nil {
		t.Fatal(err)
	}
	runner, err := lease.New(new(memstore.Store), nil)
	if err != nil {
		t.Fatal(err)
	}
	endpoint, err := idempotency.NewEndpoint("stripe", verifier, runner, nil)
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, endpoint.Wrap(next))
}

// A given body is sent byte for byte.
func TestSend_GivenBody(t *testing.T) {
	t.Parallel()
	const body = "{ \"eventId\" : \"evt_\\u0031\" }\n"
	file := filepath.Join(t.TempDir(), "event.json")
	if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	got := make(chan string, 3)
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got <- string(b) + r.Header.Get("X-Extra") + r.Header.Get("Content-Type")
	}))
	common := []string{"-url", url, "-secret", "s", "-header", "X-Extra: 1", "-header", "Content-Type:text/json"}
	sendJSON(t, append(common, "-body", file)...)
	sendJSON(t, append(common, "-data", body)...)
	var out bytes.Buffer
	run(t.Context(), append(common, "-body", "-"), strings.NewReader(body), &out, io.Discard)
	for _, how := range []string{"-body FILE", "-data", "-body -"} {
		if got, want := <-got, body+"1text/json"; got != want {
			t.Errorf("%s: got %q, want %q", how, got, want)
		}
	}
}

func TestSend_ExitStatus(t *testing.T) {
	t.Parallel()
	url := serve(t, http.NotFoundHandler())
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	tests := []struct {
		name string
		args []string
		want int
	}{
		{"an answer that is an error", []string{"-url", url, "-secret", "s"}, exitAnswered},
		{"no server", []string{"-url", gone.URL, "-secret", "s"}, exitNotAnswered},
		{"help", []string{"-h"}, exitAnswered},
		{"a list", []string{"-list"}, exitAnswered},
		{"an unknown flag", []string{"-nothing"}, exitUsage},
		{"an argument", []string{"-secret", "s", "x"}, exitUsage},
		{"an unknown scheme", []string{"-scheme", "unknown", "-secret", "s"}, exitUsage},
		{"no secret", []string{"-url", url}, exitUsage},
		{"a secret that does not decode", []string{"-url", url, "-scheme", "svix", "-secret", "?"}, exitUsage},
		{"a URL without a host", []string{"-url", "hooks", "-secret", "s"}, exitUsage},
		{"no copies", []string{"-url", url, "-secret", "s", "-n", "0"}, exitUsage},
		{"no file", []string{"-url", url, "-secret", "s", "-body", "/nowhere"}, exitUsage},
		{"two bodies", []string{"-url", url, "-secret", "s", "-body", "-", "-data", "{}"}, exitUsage},
		{"an ID for a body that has its own", []string{"-url", url, "-secret", "s", "-data", "{}", "-id", "1"}, exitUsage},
		{"distinct copies of one body", []string{"-url", url, "-secret", "s", "-data", "{}", "-distinct"}, exitUsage},
		{"a header without a colon", []string{"-url", url, "-secret", "s", "-header", "x"}, exitUsage},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, out, errs := send(t, tt.args...)
			if got != tt.want {
				t.Errorf("exit status %d, want %d\n%s%s", got, tt.want, out, errs)
			}
			if tt.want == exitUsage && errs == "" {
				t.Error("no error is printed")
			}
		})
	}
}

func TestSend_Text(t *testing.T) {
	t.Parallel()
	url := onceEndpoint(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "thanks") })
	args := []string{"-scheme", "stripe", "-secret", "s", "-url", url, "-id", "evt_1"}
	for _, want := range []string{"thanks", "Idempotency-Status: duplicate"} {
		_, out, _ := send(t, args...)
		for _, want := range []string{"1 sent of evt_1", "as stripe", "answered in", want} {
			if !strings.Contains(out, want) {
				t.Errorf("%q is not in\n%s", want, out)
			}
		}
	}
	_, out, _ := send(t, append(args, "-n", "20")...)
	for _, want := range []string{"20 sent of evt_1", "20  200 OK duplicate\n", "median"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
}

func TestSend_NoSecretInOutput(t *testing.T) {
	t.Parallel()
	url := serve(t, http.NotFoundHandler())
	for _, args := range [][]string{{"-url", url}, {"-url", url, "-json"}, {"-url", url, "-scheme", "svix"}, {"-url", "x"}} {
		_, out, errs := send(t, append(args, "-secret", "?hunter2?")...)
		if strings.Contains(out+errs, "hunter2") {
			t.Errorf("%v prints the secret\n%s%s", args, out, errs)
		}
	}
}
