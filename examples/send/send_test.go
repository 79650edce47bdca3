package main

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/memstore"
)

func TestMain(m *testing.M) {
	os.Unsetenv("WEBHOOK_SECRET") // of whoever runs the tests
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

// secrets returns the sender's secret for a scheme and the receiver's.
func secrets(s hmacverify.Scheme) (sender, receiver string) {
	sender = newSecret(s)
	if s.Algorithm != hmacverify.Ed25519 {
		return sender, sender
	}
	seed := bytes.Repeat([]byte{7}, ed25519.SeedSize)
	public := ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
	encode := base64.StdEncoding.EncodeToString
	if s.KeyEncoding == hmacverify.HexKey {
		encode = hex.EncodeToString
	}
	return encode(seed), encode(public)
}

// An endpoint is a receiver of a scheme that answers with the event's key.
type endpoint struct {
	url  string
	last atomic.Pointer[error] // why the latest was refused
}

func newEndpoint(t *testing.T, s hmacverify.Scheme, secret string) *endpoint {
	t.Helper()
	e := &endpoint{}
	mux := http.NewServeMux()
	e.url = serve(t, mux)
	options := &hmacverify.Options{URL: e.url, ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
		e.last.Store(&err)
		hmacverify.WriteError(w, err)
	}}
	verifier, err := hmacverify.New(s, options, secret)
	if err != nil {
		t.Fatal(err)
	}
	mux.Handle("/", verifier.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d, _ := hmacverify.FromContext(r.Context())
		id, err := d.IdempotencyID()
		fmt.Fprint(w, id, err, d.EventType())
	})))
	return e
}

// refused checks that what the flags make the command send is answered 401,
// because of want.
func (e *endpoint) refused(t *testing.T, want error, args ...string) {
	t.Helper()
	r := sendJSON(t, append(args, "-url", e.url)...)
	if diff := cmp.Diff([]group{{Status: 401, Code: "invalid_signature", Count: 1}}, r.Answers); diff != "" {
		t.Errorf("answers to %v (-want +got)\n%s", args, diff)
	}
	if got := *e.last.Load(); !strings.Contains(got.Error(), want.Error()) {
		t.Errorf("%v was refused because %v, want %v", args, got, want)
	}
}

func TestEveryPresetIsAcceptedByItsReceiver(t *testing.T) {
	t.Parallel()
	for _, s := range schemes() {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			if len(s.Signature) == 0 {
				status, _, errs := send(t, "-scheme", s.Name, "-secret", "x")
				if status != exitUsage || !strings.Contains(errs, "in the body") {
					t.Errorf("exit status %d, %q; want it to say that this cannot be sent", status, errs)
				}
				return
			}
			checkPreset(t, s)
		})
	}
}

func checkPreset(t *testing.T, s hmacverify.Scheme) {
	secret, public := secrets(s)
	e := newEndpoint(t, s, public)
	args := []string{"-scheme", s.Name, "-secret", secret, "-type", "thing.made"}

	r := sendJSON(t, append(args, "-url", e.url, "-id", "evt_1")...)
	if diff := cmp.Diff([]group{{Status: 200, Count: 1}}, r.Answers); diff != "" {
		t.Errorf("answers (-want +got)\n%s", diff)
	}
	if s.Identity == hmacverify.SignedID && r.Response.Body[:5] != "evt_1" {
		t.Errorf("the receiver's key is %q, want evt_1", r.Response.Body)
	}
	if s.Type != (hmacverify.Field{}) && !strings.HasSuffix(r.Response.Body, "thing.made") {
		t.Errorf("the receiver's type is at the end of %q, want thing.made", r.Response.Body)
	}
	e.refused(t, hmacverify.ErrMismatch, append(args, "-alter")...)
	e.refused(t, hmacverify.ErrMismatch, append(args, "-wrong-secret")...)
	if tolerance(s) > 0 {
		e.refused(t, hmacverify.ErrTimestamp, append(args, "-stale")...)
	} else if status, _, errs := send(t, append(args, "-stale")...); status != exitUsage {
		t.Errorf("-stale: exit status %d, %q; want %d", status, errs, exitUsage)
	}
}

// The list is complete if it has every exported function that returns a Scheme.
func TestTheListOfPresetsIsComplete(t *testing.T) {
	t.Parallel()
	listed := map[string]bool{}
	for _, preset := range presets {
		name := runtime.FuncForPC(reflect.ValueOf(preset).Pointer()).Name()
		listed[name[strings.LastIndex(name, ".")+1:]] = true
	}
	exported := map[string]bool{}
	files, err := filepath.Glob("../../hmacverify/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range f.Decls {
			if name, ok := returnsScheme(decl); ok && f.Name.Name == "hmacverify" {
				exported[name] = true
			}
		}
	}
	if diff := cmp.Diff(exported, listed); diff != "" {
		t.Errorf("presets (-exported +listed)\n%s", diff)
	}
}

func returnsScheme(decl ast.Decl) (name string, ok bool) {
	f, ok := decl.(*ast.FuncDecl)
	if !ok || f.Recv != nil || !f.Name.IsExported() || f.Type.Params.NumFields() > 0 || f.Type.Results.NumFields() != 1 {
		return "", false
	}
	result, ok := f.Type.Results.List[0].Type.(*ast.Ident)
	return f.Name.Name, ok && result.Name == "Scheme"
}

func TestCopiesAreOneEventAndDistinctOnesAreNot(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	url := onceEndpoint(t, func(http.ResponseWriter, *http.Request) { calls.Add(1) })
	r := sendJSON(t, "-scheme", "stripe", "-secret", "s", "-url", url, "-n", "50")
	want := []group{{Status: 409, Code: "duplicate", Count: 49}, {Status: 200, Count: 1}}
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
		t.Error("the report of many has the ID and the response of one")
	}
}

// onceEndpoint serves next as an endpoint for Stripe whose secret is s.
func onceEndpoint(t *testing.T, next http.HandlerFunc) string {
	t.Helper()
	verifier, err := hmacverify.New(preset.Stripe(), nil, "s")
	if err != nil {
		t.Fatal(err)
	}
	once := &idempotency.Middleware{Runner: &idempotency.Leased{Store: new(memstore.Store)}}
	return serve(t, verifier.Handler(once.Handler(next)))
}

func TestAGivenBodyIsSentByteForByte(t *testing.T) {
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

func TestTheExitStatusSaysWhetherAllWereAnswered(t *testing.T) {
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
		{"nobody there", []string{"-url", gone.URL, "-secret", "s"}, exitNotAnswered},
		{"help", []string{"-h"}, exitAnswered},
		{"a list", []string{"-list"}, exitAnswered},
		{"an unknown flag", []string{"-nothing"}, exitUsage},
		{"an argument", []string{"-secret", "s", "x"}, exitUsage},
		{"an unknown scheme", []string{"-scheme", "nobody", "-secret", "s"}, exitUsage},
		{"no secret", []string{"-url", url}, exitUsage},
		{"a secret that does not decode", []string{"-url", url, "-scheme", "svix", "-secret", "?"}, exitUsage},
		{"a URL that is none", []string{"-url", "hooks", "-secret", "s"}, exitUsage},
		{"no copies", []string{"-url", url, "-secret", "s", "-n", "0"}, exitUsage},
		{"no file", []string{"-url", url, "-secret", "s", "-body", "/nowhere"}, exitUsage},
		{"two bodies", []string{"-url", url, "-secret", "s", "-body", "-", "-data", "{}"}, exitUsage},
		{"an ID for a body that has its own", []string{"-url", url, "-secret", "s", "-data", "{}", "-id", "1"}, exitUsage},
		{"distinct copies of one body", []string{"-url", url, "-secret", "s", "-data", "{}", "-distinct"}, exitUsage},
		{"a header that is none", []string{"-url", url, "-secret", "s", "-header", "x"}, exitUsage},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, out, errs := send(t, tt.args...)
			if got != tt.want {
				t.Errorf("exit status %d, want %d\n%s%s", got, tt.want, out, errs)
			}
			if tt.want == exitUsage && errs == "" {
				t.Error("it does not say what is wrong")
			}
		})
	}
}

func TestTheTextSaysWhatWasAnswered(t *testing.T) {
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
	for _, want := range []string{"20 sent of evt_1", "20  409 Conflict duplicate\n", "median"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
}

func TestNoSecretIsPrinted(t *testing.T) {
	t.Parallel()
	url := serve(t, http.NotFoundHandler())
	for _, args := range [][]string{{"-url", url}, {"-url", url, "-json"}, {"-url", url, "-scheme", "svix"}, {"-url", "x"}} {
		_, out, errs := send(t, append(args, "-secret", "?hunter2?")...)
		if strings.Contains(out+errs, "hunter2") {
			t.Errorf("%v prints the secret\n%s%s", args, out, errs)
		}
	}
}
