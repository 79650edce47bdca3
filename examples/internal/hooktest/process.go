package hooktest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
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
	try string // the command that it prints

	cmd  *exec.Cmd
	wait func() error
}

// Start starts the example with what env adds to the environment, and waits
// until it listens. It is killed at the end of the test.
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
		if try, ok := strings.CutPrefix(lines.Text(), "try:  "); ok && p.try == "" {
			p.try = try
		}
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
	cmd := exec.Command(os.Args[0], append([]string{"-addr", "127.0.0.1:0"}, args...)...)
	cmd.Env = append(os.Environ(), serveEnv+"=1", "TMPDIR="+t.TempDir(), "GORACE=halt_on_error=1")
	cmd.Env = append(cmd.Env, env...)
	return cmd
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

// stopTimeout is for how long a process may go on after SIGTERM.
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

// An Outcome is how many deliveries got the same answer.
type Outcome struct {
	Status int
	Code   string
	Count  int
}

// CheckOnce checks the answers to n copies of an event: one is status, and the
// others are those to a duplicate or, if the machine is slow, say that the sender
// is to come again. It returns the number of the latter.
func CheckOnce(t *testing.T, got []Outcome, n, status, duplicate int) (again int) {
	t.Helper()
	first, others := 0, 0
	for _, o := range got {
		switch {
		case o.Status == status && o.Code == "":
			first += o.Count
		case o.Status == duplicate:
			others += o.Count
		case o.Status == http.StatusServiceUnavailable:
			again += o.Count
		}
	}
	if first != 1 || others+again != n-1 {
		t.Errorf("answers %v to %d copies, want one %d, and %d for the others", got, n, status, duplicate)
	}
	return again
}

// Try runs the command that the example prints, with more arguments, and returns the
// answers, the most frequent first.
func (p *Process) Try(t *testing.T, args ...string) []Outcome {
	t.Helper()
	if p.try == "" {
		t.Fatal("the example prints no command to try it with")
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-c", p.try+` -json "$@"`, "bash")
	cmd.Args = append(cmd.Args, args...)
	cmd.Dir = "../.." // the root of the repository, from an example
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	var report struct{ Answers []Outcome }
	if err := cmd.Run(); err != nil {
		t.Errorf("%s: %v\n%s%s", p.try, err, stdout.String(), stderr.String())
	} else if err := json.Unmarshal(stdout.Bytes(), &report); err != nil {
		t.Error(err)
	}
	return report.Answers
}
