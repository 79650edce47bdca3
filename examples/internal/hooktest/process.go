package hooktest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// serveEnv makes a test binary the program that it tests.
const serveEnv = "HOOKONCE_EXAMPLE"

// Main is the TestMain of an example: the tests, or the example's main in the
// processes that Start starts.
func Main(m *testing.M, main func()) {
	if os.Getenv(serveEnv) == "" {
		os.Exit(m.Run())
	}
	main()
}

// A Process is an example that runs in a process of its own.
type Process struct {
	URL string

	cmd  *exec.Cmd
	wait func() error
}

// Start starts the example with the environment that its doc comment shows and env,
// and waits until it listens. It is killed at the end of the test.
func Start(t *testing.T, args []string, env ...string) *Process {
	t.Helper()
	cmd := command(t, args, env)
	cmd.Stderr = t.Output()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &Process{cmd: cmd, wait: sync.OnceValue(cmd.Wait)}
	t.Cleanup(p.Kill)
	p.readURL(t, stdout)
	go io.Copy(io.Discard, stdout) // or it could print no more
	return p
}

// readURL reads what the example prints until it listens.
func (p *Process) readURL(t *testing.T, stdout io.Reader) {
	t.Helper()
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if url, ok := strings.CutPrefix(lines.Text(), "listening on "); ok {
			p.URL = url
			return
		}
	}
	t.Fatalf("the example does not start: %v", lines.Err())
}

// command returns the example as a command that is not started.
func command(t *testing.T, args, env []string) *exec.Cmd {
	t.Helper()
	documented := strings.Fields(documentedCommand(t, "go -C examples run ./"))
	documented = slices.DeleteFunc(documented, func(word string) bool { return !strings.Contains(word, "=") })
	cmd := exec.Command(os.Args[0], append([]string{"-addr", "127.0.0.1:0"}, args...)...)
	cmd.Env = slices.Concat(os.Environ(), documented,
		[]string{serveEnv + "=1", "TMPDIR=" + t.TempDir(), "GORACE=halt_on_error=1"}, env)
	return cmd
}

// documentedCommand returns the first command in the example's doc comment that
// contains s, with its continuation lines.
func documentedCommand(t *testing.T, s string) string {
	t.Helper()
	source, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	comment, _, _ := strings.Cut(string(source), "\npackage main\n")
	comment = strings.ReplaceAll(comment, "\\\n//\t", "")
	for line := range strings.Lines(comment) {
		if line, ok := strings.CutPrefix(line, "//\t"); ok && strings.Contains(line, s) {
			return strings.TrimSpace(line)
		}
	}
	t.Fatalf("the doc comment shows no command with %q", s)
	return ""
}

// Refusal starts the example, which must end with an error, and returns what it
// says.
func Refusal(t *testing.T, args []string, env ...string) string {
	t.Helper()
	var stderr bytes.Buffer
	cmd := command(t, args, env)
	cmd.Stderr = &stderr
	if err := cmd.Run(); err == nil {
		t.Error("the example ends without an error")
	}
	return stderr.String()
}

// Kill kills the process, as a crash would.
func (p *Process) Kill() {
	p.cmd.Process.Kill()
	p.wait()
}

// stopTimeout is how long a process may go on after SIGTERM.
const stopTimeout = 40 * time.Second

// Stop sends SIGTERM and checks that the process ends well.
func (p *Process) Stop(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	defer time.AfterFunc(stopTimeout, p.Kill).Stop()
	if err := p.wait(); err != nil {
		t.Errorf("the example ends with %v", err)
	}
}

// An Outcome is how many deliveries got the same response.
type Outcome struct {
	Status int
	Code   string
	Count  int
}

// CheckOnce checks the responses to n concurrent deliveries of an event: one has the
// given status, and the others are those to a duplicate or, if the machine is slow, a
// 503. It returns the number of the latter.
func CheckOnce(t *testing.T, got []Outcome, n, status, duplicate int) (retries int) {
	t.Helper()
	first, others := 0, 0
	for _, o := range got {
		switch {
		case o.Status == status && o.Code == "":
			first += o.Count
		case o.Status == duplicate:
			others += o.Count
		case o.Status == http.StatusServiceUnavailable:
			retries += o.Count
		}
	}
	if first != 1 || others+retries != n-1 {
		t.Errorf("responses %v to %d deliveries, want one %d, and %d for the others", got, n, status, duplicate)
	}
	return retries
}

// Try runs the sender's command in the example's doc comment, with more arguments,
// and returns the responses, the most frequent first.
func (p *Process) Try(t *testing.T, args ...string) []Outcome {
	t.Helper()
	send := strings.ReplaceAll(documentedCommand(t, "go run ./hmacverify/send "), "http://127.0.0.1:8080", p.URL)
	cmd := exec.CommandContext(t.Context(), "bash", "-c", send+` -json "$@"`, "bash")
	cmd.Args = append(cmd.Args, args...)
	cmd.Dir = "../.." // the root of the repository
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	var report struct{ Answers []Outcome }
	if err := cmd.Run(); err != nil {
		t.Errorf("%s: %v\n%s%s", send, err, stdout.String(), stderr.String())
	} else if err := json.Unmarshal(stdout.Bytes(), &report); err != nil {
		t.Error(err)
	}
	return report.Answers
}
