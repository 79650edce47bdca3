package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/hookonce/hookonce/sessionstep"
)

// newServer serves the database in this process. wrap, which may be nil, wraps the
// submitter.
func newServer(t *testing.T, dbURL string, wrap func(sessionstep.Submitter) sessionstep.Submitter) (*app, *sender) {
	t.Helper()
	a, err := newApp(t.Context(), dbURL, secret, &options{secrets: map[string]string{"persona": secret, "stripe-identity": secret}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.close)
	if wrap != nil {
		a.submitter = wrap(a.submitter)
	}
	server := httptest.NewServer(a.routes())
	t.Cleanup(server.Close)
	return a, &sender{url: server.URL, secret: secret}
}

func body(event, session, status string) string {
	return fmt.Sprintf(`{"eventId":%q,"sessionId":%q,"status":%q}`, event, session, status)
}

// mustCreate creates a session over HTTP.
func mustCreate(t *testing.T, s *sender, id string) {
	t.Helper()
	if err := s.createSession(t.Context(), id); err != nil {
		t.Fatal(err)
	}
}

// checkSend sends d and checks the status of the response.
func checkSend(t *testing.T, s *sender, d delivery, want int) {
	t.Helper()
	resp, err := s.send(t.Context(), d)
	if err != nil {
		t.Error(err)
		return
	}
	if resp.StatusCode != want {
		t.Errorf("responded %d, want %d", resp.StatusCode, want)
	}
}

func checkStands(t *testing.T, a *app, event, session string, want standing) {
	t.Helper()
	got, err := a.stands(t.Context(), event, session)
	if err != nil {
		t.Error(err)
	}
	if got != want {
		t.Errorf("records, submissions, step: %v; want %v", got, want)
	}
}

func TestDemo_AsPromised(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-demo"}, &out); err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
	for _, act := range acts {
		if !strings.Contains(out.String(), act.title) {
			t.Errorf("the demo does not show %q", act.title)
		}
	}
}

func TestDemo_NotAsPromised(t *testing.T) {
	t.Parallel()
	nothing := submitterFunc(func(context.Context, sessionstep.Submission) error { return nil })
	for _, broken := range []bool{false, true} {
		a, s := newServer(t, "sqlite:"+filepath.Join(t.TempDir(), "test.db"), func(next sessionstep.Submitter) sessionstep.Submitter {
			if broken {
				return nothing
			}
			return next
		})
		rows, err := playAll(t.Context(), a, s)
		if err == nil {
			err = report(io.Discard, rows, false)
		}
		if (err != nil) != broken {
			t.Errorf("a server that submits nothing: %t; got %v", broken, err)
		}
	}
}

// What the demo shows of the inbox holds on every database.
func TestDemo_Inbox(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, dbURL string) {
		a, err := newApp(t.Context(), dbURL, demoSecret, demoOptions(true))
		if err != nil {
			t.Fatal(err)
		}
		defer a.close()
		server := httptest.NewServer(a.routes())
		defer server.Close()
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- a.box.Run(ctx, 2) }()
		rows, err := playAll(t.Context(), a, &sender{url: server.URL, secret: demoSecret})
		stop()
		if err := errors.Join(err, <-done); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := report(&out, rows, true); err != nil {
			t.Errorf("%v\n%s", err, out.String())
		}
	})
}

func TestRun_NoSecret(t *testing.T) {
	t.Setenv("AI_WEBHOOK_SECRET", "")
	err := run(t.Context(), []string{"-db", "sqlite:" + filepath.Join(t.TempDir(), "test.db")}, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "AI_WEBHOOK_SECRET") {
		t.Errorf("got %v, want an error that names AI_WEBHOOK_SECRET", err)
	}
}

func TestCallback_FirstDelivery(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, dbURL string) {
		_, s := newServer(t, dbURL, nil)
		mustCreate(t, s, "sess_1")
		resp, got := sendAndRead(t, s, delivery{body: body("evt_1", "sess_1", "verified")})
		if resp.StatusCode != http.StatusOK {
			t.Errorf("responded %d, want 200", resp.StatusCode)
		}
		want := `{"status":"success","eventId":"evt_1"}`
		if strings.TrimSpace(got) != want {
			t.Errorf("body %s, want %s", got, want)
		}
	})
}

// sendAndRead sends d and returns the response with its body.
func sendAndRead(t *testing.T, s *sender, d delivery) (*http.Response, string) {
	t.Helper()
	req, err := s.request(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(got)
}

func TestCallback_Refusals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		delivery
		status int
		code   string
	}{
		{"an altered body", delivery{body: body("evt_2", "sess_1", "rejected"), sent: body("evt_2", "sess_1", "verified")}, 401, "invalid_signature"},
		{"the same JSON in other bytes", delivery{body: body("evt_2", "sess_1", "rejected"), sent: body("evt_2", "sess_1", "rejected") + " "}, 401, "invalid_signature"},
		{"a wrong secret", delivery{body: body("evt_2", "sess_1", "verified"), secret: "another"}, 401, "invalid_signature"},
		{"a duplicate", delivery{body: body("evt_1", "sess_1", "verified")}, 409, "duplicate"},
		{"a duplicate with other content", delivery{body: body("evt_1", "sess_2", "rejected")}, 409, "duplicate"},
		{"an unknown session", delivery{body: body("evt_2", "sess_0", "verified")}, 404, "session_not_found"},
		{"a session that is not open", delivery{body: body("evt_2", "sess_1", "verified")}, 404, "session_not_open"},
		{"a step that is not in progress", delivery{body: body("evt_3", "sess_2", "verified")}, 404, "step_not_in_progress"},
		{"malformed JSON", delivery{body: `{"eventId":"evt_2"`}, 400, "malformed_callback"},
		{"trailing garbage", delivery{body: body("evt_2", "sess_2", "verified") + "{}"}, 400, ""},
		{"no event ID", delivery{body: `{"sessionId":"sess_1","status":"verified"}`}, 400, "invalid_key"},
		{"no session ID", delivery{body: `{"eventId":"evt_2","status":"verified"}`}, 400, "missing_field"},
		{"an unknown status", delivery{body: body("evt_2", "sess_2", "perhaps")}, 422, "unknown_status"},
		{"a body over the limit", delivery{body: body("evt_2", "sess_2", padding)}, 413, "body_too_large"},
	}
	eachDatabase(t, func(t *testing.T, dbURL string) {
		_, s := newServer(t, dbURL, nil)
		mustCreate(t, s, "sess_1")
		mustCreate(t, s, "sess_2")
		checkSend(t, s, delivery{body: body("evt_1", "sess_1", "verified")}, 200)
		checkSend(t, s, delivery{body: body("evt_0", "sess_2", "rejected")}, 200)
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				resp, got := sendAndRead(t, s, tt.delivery)
				var problem struct{ Code string }
				if err := json.Unmarshal([]byte(got), &problem); err != nil {
					t.Errorf("body %q: %v", got, err)
				}
				if resp.StatusCode != tt.status || tt.code != "" && problem.Code != tt.code {
					t.Errorf("responded %d %q, want %d %q", resp.StatusCode, problem.Code, tt.status, tt.code)
				}
				if got := resp.Header.Get("Content-Type"); got != "application/problem+json" {
					t.Errorf("Content-Type %q, want a problem document", got)
				}
			})
		}
	})
}

func TestCallback_ConcurrentDuplicatesToTwoProcesses(t *testing.T) {
	t.Parallel()
	for _, by := range [][2]string{{"", ""}, {"pgxpool:", "pgxpool:"}, {"", "pgxpool:"}} {
		t.Run(by[0]+"postgres and "+by[1]+"postgres", func(t *testing.T) {
			dbURL := newPostgreSQL(t)
			a, s := newServer(t, dbURL, nil) // to look at the database with
			mustCreate(t, s, "sess_1")
			checkFiftyCopies(t, a, startServer(t, by[0]+dbURL).sender, startServer(t, by[1]+dbURL).sender)
		})
	}
}

func TestCallback_ConcurrentDuplicatesOnSQLite(t *testing.T) {
	t.Parallel()
	a, s := newServer(t, "sqlite:"+filepath.Join(t.TempDir(), "test.db"), nil)
	mustCreate(t, s, "sess_1")
	checkFiftyCopies(t, a, s)
}

// checkFiftyCopies sends an event 50 times to the servers in turn, concurrently.
func checkFiftyCopies(t *testing.T, a *app, servers ...*sender) {
	t.Helper()
	d := delivery{body: body("evt_1", "sess_1", "verified")}
	type answer struct {
		*http.Response
		err error
	}
	answers := make(chan answer, 50)
	start := make(chan struct{})
	for i := range cap(answers) {
		go func() {
			<-start
			resp, err := servers[i%len(servers)].send(context.WithoutCancel(t.Context()), d)
			answers <- answer{resp, err}
		}()
	}
	close(start)
	succeeded := 0
	for range cap(answers) {
		got := <-answers
		switch {
		case got.err != nil:
			t.Error(got.err)
		case got.StatusCode == http.StatusOK:
			succeeded++
		case got.StatusCode == http.StatusConflict:
		case got.StatusCode == http.StatusServiceUnavailable && got.Header.Get("Retry-After") != "":
		default:
			t.Errorf("a delivery was answered %d", got.StatusCode)
		}
	}
	if succeeded != 1 {
		t.Errorf("%d deliveries were answered 200, want 1", succeeded)
	}
	checkStands(t, a, "evt_1", "sess_1", standing{records: 1, submissions: 1, step: "completed"})
}

func TestCallback_UnknownSessionIsNotRecorded(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, dbURL string) {
		a, s := newServer(t, dbURL, nil)
		d := delivery{body: body("evt_1", "sess_1", "verified")}
		checkSend(t, s, d, 404)
		checkStands(t, a, "evt_1", "sess_1", standing{step: "no session"})
		mustCreate(t, s, "sess_1")
		checkSend(t, s, d, 200)
		checkStands(t, a, "evt_1", "sess_1", standing{records: 1, submissions: 1, step: "completed"})
	})
}

type submitterFunc func(context.Context, sessionstep.Submission) error

func (f submitterFunc) Submit(ctx context.Context, s sessionstep.Submission) error { return f(ctx, s) }

func TestCallback_SubmitterFailsAfterWriting(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, dbURL string) {
		var failed atomic.Bool
		a, s := newServer(t, dbURL, func(next sessionstep.Submitter) sessionstep.Submitter {
			return submitterFunc(func(ctx context.Context, sub sessionstep.Submission) error {
				err := next.Submit(ctx, sub)
				if err == nil && failed.CompareAndSwap(false, true) {
					return errors.New("failed after writing")
				}
				return err
			})
		})
		mustCreate(t, s, "sess_1")
		d := delivery{body: body("evt_1", "sess_1", "verified")}
		checkSend(t, s, d, 500)
		checkStands(t, a, "evt_1", "sess_1", standing{step: "in_progress"})
		checkSend(t, s, d, 200)
		checkStands(t, a, "evt_1", "sess_1", standing{records: 1, submissions: 1, step: "completed"})
	})
}

func TestCallback_ProcessKilledBeforeCommit(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, dbURL string) {
		p := startServer(t, dbURL, "AIVERIFICATION_STALL=1")
		mustCreate(t, p.sender, "sess_1")
		d := delivery{body: body("evt_1", "sess_1", "verified")}
		answered := make(chan error, 1)
		go func() {
			_, err := p.send(context.WithoutCancel(t.Context()), d)
			answered <- err
		}()
		if got := p.line(t); got != "written" {
			t.Fatalf("the server said %q, want \"written\"", got)
		}
		if err := p.cmd.Process.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if err := <-answered; err == nil {
			t.Error("the delivery was answered by a killed process")
		}
		a, s := newServer(t, dbURL, nil)
		checkStands(t, a, "evt_1", "sess_1", standing{step: "in_progress"})
		checkSend(t, s, d, 200)
		checkStands(t, a, "evt_1", "sess_1", standing{records: 1, submissions: 1, step: "completed"})
	})
}

func TestServe_InFlightFinishesAfterSIGTERM(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, dbURL string) {
		p := startServer(t, dbURL, "AIVERIFICATION_STALL=1")
		mustCreate(t, p.sender, "sess_1")
		status := make(chan int, 1)
		go func() {
			resp, err := p.send(context.WithoutCancel(t.Context()), delivery{body: body("evt_1", "sess_1", "verified")})
			if err != nil {
				t.Error(err)
				status <- 0
				return
			}
			status <- resp.StatusCode
		}()
		if got := p.line(t); got != "written" {
			t.Fatalf("the server said %q, want \"written\"", got)
		}
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(p.stdin)
		if got := <-status; got != http.StatusOK {
			t.Errorf("answered %d, want 200", got)
		}
		if err := p.cmd.Wait(); err != nil {
			t.Errorf("the server exits: %v", err)
		}
		a, _ := newServer(t, dbURL, nil)
		checkStands(t, a, "evt_1", "sess_1", standing{records: 1, submissions: 1, step: "completed"})
	})
}

// The lines with openssl and curl in the command's documentation are run verbatim but
// for the address.
func TestCallback_OpensslAndCurl(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	_, script, found := strings.Cut(string(source), "// Or sign it with openssl and send it with curl:\n//\n")
	script, _, _ = strings.Cut(script, "\n//\n")
	if !found || !strings.Contains(script, "openssl dgst -sha256 -hmac") {
		t.Fatal("the documentation has no lines with openssl")
	}
	script = strings.ReplaceAll(script, "//\t", "")
	a, s := newServer(t, "sqlite:"+filepath.Join(t.TempDir(), "test.db"), nil)
	mustCreate(t, s, "sess_1")
	script = strings.ReplaceAll(script, "http://127.0.0.1:8080", s.url)
	cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", script)
	cmd.Env = append(os.Environ(), "AI_WEBHOOK_SECRET="+secret)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), `{"status":"success","eventId":"evt_1"}`) {
		t.Errorf("%v\n%s", err, out)
	}
	checkStands(t, a, "evt_1", "sess_1", standing{records: 1, submissions: 1, step: "completed"})
}
