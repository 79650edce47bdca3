package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/hmacverify/sample"
)

// listening reads the address from what a recorder prints.
type listening struct {
	mu      sync.Mutex
	text    bytes.Buffer
	address chan string
}

func (l *listening) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, address, ok := strings.Cut(string(p), "listening on "); ok {
		l.address <- strings.TrimSpace(address)
	}
	return l.text.Write(p)
}

func (l *listening) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// startRecorder runs the command with -record until the test ends, and returns its URL,
// the directory, and what it prints.
func startRecorder(t *testing.T, args ...string) (url, dir string, out *listening) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "new", "captured")
	out = &listening{address: make(chan string, 1)}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, append([]string{"-record", dir, "-addr", "127.0.0.1:0"}, args...), strings.NewReader(""), io.Discard, out)
	}()
	t.Cleanup(func() {
		stop()
		if status := <-ended; status != exitAnswered {
			t.Errorf("exit status %d\n%s", status, out)
		}
	})
	select {
	case url = <-out.address:
	case status := <-ended:
		ended <- status
		t.Fatalf("the recorder ends: %s", out)
	}
	return url, dir, out
}

// seen is what an endpoint saw of a request.
type seen struct {
	Method, Target string
	Header         http.Header
	Body           string
}

// watch serves an endpoint that keeps what it sees and responds 202.
func watch(t *testing.T) (url string, requests chan seen) {
	t.Helper()
	requests = make(chan seen, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		requests <- seen{r.Method, r.RequestURI, r.Header, string(body)}
		w.Header().Set("X-Endpoint", "yes")
		w.WriteHeader(http.StatusAccepted)
		io.WriteString(w, "thanks")
	}))
	t.Cleanup(server.Close)
	return server.URL, requests
}

// deliver sends a request and returns the status of the response, and its body.
func deliver(t *testing.T, method, url string, h http.Header, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if h != nil {
		r.Header = h
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

const binary = "\x00\xff\r\n\r\nPOST / HTTP/1.1\r\n\r\n\n"

func TestRecord_ForwardsAndReplaysByteForByte(t *testing.T) {
	t.Parallel()
	endpoint, requests := watch(t)
	recorder, dir, _ := startRecorder(t, "-url", endpoint)
	header := http.Header{
		"X-Many": {"b", "a", "b"}, "User-Agent": {"sender/1"}, "Accept-Encoding": {"gzip"},
		"Keep-Alive": {"timeout=5"}, "Authorization": {"Bearer secret"},
	}
	const target = "/hooks/%2e%2e/a%2Fb?x=1&x=%20;&y"
	if status, body := deliver(t, "PUT", recorder+target, header, binary); status != http.StatusAccepted || body != "thanks" {
		t.Errorf("responded %d %q, want the endpoint's response", status, body)
	}
	header.Del("Keep-Alive")
	header.Set("Content-Length", fmt.Sprint(len(binary)))
	want := seen{"PUT", target, header, binary}
	if diff := cmp.Diff(want, <-requests); diff != "" {
		t.Errorf("forwarded (-want +got)\n%s", diff)
	}
	r := sendJSON(t, "-replay", dir, "-url", endpoint)
	if diff := cmp.Diff([]group{{Status: 202, Count: 1}}, r.Answers); diff != "" {
		t.Errorf("answers to the replay (-want +got)\n%s", diff)
	}
	header.Del("Authorization") // not recorded
	if diff := cmp.Diff(want, <-requests); diff != "" {
		t.Errorf("replayed (-want +got)\n%s", diff)
	}
}

func TestRecord_FilesAreForTheOwnerAlone(t *testing.T) {
	t.Parallel()
	recorder, dir, _ := startRecorder(t)
	targets := []string{"/", "/../../../x", "/%2e%2e/x", "/..%2f..%2fx", "//etc/passwd"}
	for _, target := range targets {
		if status, _ := deliver(t, "POST", recorder+target, nil, "{}"); status != http.StatusOK {
			t.Errorf("%s: responded %d, want 200", target, status)
		}
	}
	files := 0
	err := filepath.WalkDir(filepath.Dir(dir), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		files++
		if got := info.Mode(); got != 0o600 {
			t.Errorf("%s has mode %v, want 0600", path, got)
		}
		if filepath.Dir(path) != dir {
			t.Errorf("%s is outside of the directory", path)
		}
		return nil
	})
	if err != nil || files != len(targets) {
		t.Errorf("%d files, %v; want %d", files, err, len(targets))
	}
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory has mode %v, %v; want 0700", info.Mode(), err)
	}
}

func TestRecord_SecretsOnlyIfAskedFor(t *testing.T) {
	t.Parallel()
	header := http.Header{"Authorization": {"Bearer hunter2"}, "Cookie": {"a=hunter2"}, "Proxy-Authorization": {"Basic hunter2"}}
	for _, asked := range []bool{false, true} {
		args := []string{}
		if asked {
			args = append(args, "-record-secrets")
		}
		recorder, dir, out := startRecorder(t, args...)
		deliver(t, "POST", recorder, header.Clone(), "{}")
		if got := strings.Contains(contents(t, dir), "hunter2"); got != asked {
			t.Errorf("asked for: %v, recorded: %v", asked, got)
		}
		if strings.Contains(out.String(), "hunter2") {
			t.Errorf("the secret is printed: %s", out)
		}
	}
}

// contents returns the only file.
func contents(t *testing.T, dir string) string {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Fatalf("%d files, %v; want 1", len(files), err)
	}
	text, err := os.ReadFile(filepath.Join(dir, files[0].Name()))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestRecord_RefusesWhatItCannotKeep(t *testing.T) {
	t.Parallel()
	endpoint, requests := watch(t)
	recorder, dir, _ := startRecorder(t, "-max-body", "4", "-url", endpoint)
	if status, _ := deliver(t, "POST", recorder, nil, "12345"); status != http.StatusRequestEntityTooLarge {
		t.Errorf("responded %d to a large body, want 413", status)
	}
	if status, _ := deliver(t, "POST", recorder, nil, "1234"); status != http.StatusAccepted {
		t.Errorf("responded %d to a body of that size, want the endpoint's 202", status)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if status, _ := deliver(t, "POST", recorder, nil, "1234"); status != http.StatusServiceUnavailable {
		t.Errorf("responded %d without a directory, want 503", status)
	}
	if got := len(requests); got != 1 {
		t.Errorf("%d requests forwarded, want that which was recorded", got)
	}
}

func TestRecord_EndpointIsDown(t *testing.T) {
	t.Parallel()
	down := httptest.NewServer(http.NotFoundHandler())
	down.Close()
	recorder, dir, _ := startRecorder(t, "-url", down.URL)
	if status, _ := deliver(t, "POST", recorder, nil, "{}"); status != http.StatusBadGateway {
		t.Errorf("responded %d, want 502", status)
	}
	if got := contents(t, dir); !strings.HasSuffix(got, "\r\n\r\n{}") {
		t.Errorf("recorded %q, want the request", got)
	}
}

// record records one delivery of the scheme, and returns the directory.
func record(t *testing.T, s hmacverify.Scheme, secret string, at time.Time) (dir string) {
	t.Helper()
	recorder, dir, _ := startRecorder(t)
	o := &hmacverify.Options{URL: recorder + "/hooks?tenant=1", Now: func() time.Time { return at }}
	signer, err := hmacverify.NewSigner(s, o, secret)
	if err != nil {
		t.Fatal(err)
	}
	header, body := sample.Event(s, "evt_1", "", at)
	r, err := signer.NewRequest(t.Context(), o.URL, header, body)
	if err != nil {
		t.Fatal(err)
	}
	if status, _ := deliver(t, r.Method, o.URL, r.Header, string(body)); status != http.StatusOK {
		t.Fatalf("responded %d, want 200", status)
	}
	return dir
}

func TestReplay_AsItWas(t *testing.T) {
	t.Parallel()
	for _, s := range []hmacverify.Scheme{preset.Stripe(), preset.GitHub(), preset.Svix(), preset.SendGrid()} {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			secret := sample.Secret(s)
			dir := record(t, s, secret, time.Now())
			e := newEndpoint(t, s, sample.Public(secret))
			r := sendJSON(t, "-replay", dir, "-url", e.url, "-n", "2")
			if diff := cmp.Diff([]group{{Status: 200, Count: 2}}, r.Answers); diff != "" {
				t.Errorf("answers (-want +got)\n%s", diff)
			}
			e.refused(t, hmacverify.ErrMismatch, "-replay", dir, "-alter")
		})
	}
}

// A delivery of long ago is accepted again, by an endpoint with another secret.
func TestReplay_SignedAnew(t *testing.T) {
	t.Parallel()
	long := time.Now().Add(-60 * 24 * time.Hour)
	for _, s := range []hmacverify.Scheme{
		preset.Stripe(), preset.GitHub(), preset.Svix(), preset.SendGrid(), preset.Square(), preset.HubSpot(), preset.Shopify(), preset.Twilio(),
	} {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			dir := record(t, s, sample.Secret(s), long)
			secret := sample.Secret(s)
			e := newEndpoint(t, s, sample.Public(secret))
			why := hmacverify.ErrMismatch
			if tolerance(s) > 0 {
				why = hmacverify.ErrTimestamp
			}
			e.refused(t, why, "-replay", dir)
			args := []string{"-replay", dir, "-scheme", s.Name, "-secret", secret}
			r := sendJSON(t, append(args, "-url", e.url)...)
			if diff := cmp.Diff([]group{{Status: 200, Count: 1}}, r.Answers); diff != "" {
				t.Errorf("answers (-want +got)\n%s", diff)
			}
			if s.Identity == hmacverify.SignedID && !strings.HasPrefix(r.Response.Body, "evt_1") {
				t.Errorf("the receiver's key is at the start of %q, want evt_1", r.Response.Body)
			}
			e.refused(t, hmacverify.ErrMismatch, append(args, "-wrong-secret")...)
		})
	}
}

// HubSpot signs the method.
func TestReplay_SignsTheRecordedMethod(t *testing.T) {
	t.Parallel()
	recorder, dir, _ := startRecorder(t)
	deliver(t, "PUT", recorder+"/hooks", nil, "[]")
	mux := http.NewServeMux()
	url := serve(t, mux)
	verifier, err := hmacverify.New(preset.HubSpot(), &hmacverify.Options{URL: url, Method: "PUT"}, "s")
	if err != nil {
		t.Fatal(err)
	}
	mux.Handle("/", verifier.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	r := sendJSON(t, "-replay", dir, "-scheme", "hubspot", "-secret", "s", "-url", url)
	if diff := cmp.Diff([]group{{Status: 200, Count: 1}}, r.Answers); diff != "" {
		t.Errorf("answers (-want +got)\n%s", diff)
	}
}

// Several are sent in the order in which they came, with the header of a flag.
func TestReplay_InOrder(t *testing.T) {
	t.Parallel()
	recorder, dir, _ := startRecorder(t)
	var want []seen
	for i := range 5 {
		target := fmt.Sprintf("/%d", i)
		deliver(t, "POST", recorder+target, nil, target)
		want = append(want, seen{Target: target, Body: target})
	}
	endpoint, requests := watch(t)
	sendJSON(t, "-replay", dir, "-url", endpoint, "-header", "X-Extra: 1")
	for _, want := range want {
		got := <-requests
		if got.Target != want.Target || got.Body != want.Body || got.Header.Get("X-Extra") != "1" {
			t.Errorf("got %v, want %v with X-Extra", got, want)
		}
	}
	sendJSON(t, "-replay", dir, "-url", endpoint+"/other?a=1")
	if got := (<-requests).Target; got != "/other?a=1" {
		t.Errorf("a URL with a path: sent to %s", got)
	}
}

// A recorded target cannot choose another host.
func TestAddress(t *testing.T) {
	t.Parallel()
	tests := []struct{ url, target, want string }{
		{"http://127.0.0.1:1", "//evil.example/x", "http://127.0.0.1:1//evil.example/x"},
		{"http://127.0.0.1:1/", "/@evil.example", "http://127.0.0.1:1/@evil.example"},
		{"http://127.0.0.1:1/?a=1", "/x?b=2", "http://127.0.0.1:1/x?b=2"},
		{"http://127.0.0.1:1/y", "/x?b=2", "http://127.0.0.1:1/y?b=2"},
		{"http://127.0.0.1:1/y?a=1", "/x?b=2", "http://127.0.0.1:1/y?a=1"},
	}
	for _, tt := range tests {
		endpoint, err := http.NewRequest("POST", tt.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		got := address(endpoint.URL, tt.target)
		if got != tt.want {
			t.Errorf("%s to %s: %s, want %s", tt.target, tt.url, got, tt.want)
		}
		if r, err := http.NewRequest("POST", got, nil); err != nil || r.URL.Host != "127.0.0.1:1" {
			t.Errorf("%s goes to another host, %v", got, err)
		}
	}
}

func TestRecordAndReplay_WrongFlagsAndFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	broken := filepath.Join(dir, "broken.http")
	for name, text := range map[string]string{
		"broken.http":      "hunter2",
		"target.http":      "POST http://evil.example/ HTTP/1.1\r\n\r\n",
		"header.http":      "POST / HTTP/1.1\r\nhunter2\r\n\r\n",
		"empty/notes.text": "",
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	tests := map[string][]string{
		"no recording":             {"-replay", broken},
		"another host":             {"-replay", filepath.Join(dir, "target.http")},
		"a malformed header":       {"-replay", filepath.Join(dir, "header.http")},
		"an empty directory":       {"-replay", filepath.Join(dir, "empty")},
		"no file":                  {"-replay", filepath.Join(dir, "none")},
		"a body to replay":         {"-replay", broken, "-data", "{}"},
		"a secret without scheme":  {"-replay", broken, "-secret", "s"},
		"a scheme without secret":  {"-replay", broken, "-scheme", "stripe"},
		"no copies":                {"-replay", broken, "-n", "0"},
		"a URL without a host":     {"-replay", broken, "-url", "x"},
		"a secret to record":       {"-record", dir, "-secret", "s"},
		"an address in use":        {"-record", filepath.Join(dir, "new"), "-addr", taken.Addr().String()},
		"a directory that is none": {"-record", broken},
		"no size":                  {"-record", dir, "-max-body", "0"},
		"an address for nothing":   {"-addr", "127.0.0.1:0", "-secret", "s"},
	}
	for name, args := range tests {
		t.Run(name, func(t *testing.T) {
			got, out, errs := send(t, args...)
			if got != exitUsage || errs == "" {
				t.Errorf("exit status %d, want %d with an error\n%s%s", got, exitUsage, out, errs)
			}
			if strings.Contains(errs, "hunter2") {
				t.Errorf("the error quotes the file: %s", errs)
			}
		})
	}
}

// What was parsed is written as it was parsed.
func FuzzParseRecording(f *testing.F) {
	for _, r := range []recording{
		{method: "POST", target: "/a?b", header: http.Header{"A": {"1", "1"}, "B": {""}}, body: []byte(binary)},
		{method: "GET", target: "/", header: http.Header{"Host": {"x"}}},
	} {
		f.Add(r.text())
	}
	f.Add([]byte("POST / HTTP/1.1\r\nA:b\r\n c\r\n\r\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := parseRecording(text)
		if err != nil {
			return
		}
		if !bytes.HasSuffix(text, r.body) || !strings.HasPrefix(r.target, "/") {
			t.Errorf("%q is read as %q with the body %q", text, r.target, r.body)
		}
		again, err := parseRecording(r.text())
		if err != nil {
			t.Fatalf("%q, written anew, is no recording: %v", text, err)
		}
		if diff := cmp.Diff(r, again, cmp.AllowUnexported(recording{}), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%q, written anew, differs (-want +got)\n%s", text, diff)
		}
	})
}
