package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"github.com/hookonce/hookonce/sessionstep"
)

const secret = "a secret for the tests"

// TestMain is the server itself in the processes that startServer starts.
func TestMain(m *testing.M) {
	if os.Getenv("AIVERIFICATION_SERVE") == "" {
		slog.SetDefault(slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug})))
		os.Exit(m.Run())
	}
	if err := serveForTest(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serveForTest() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	a, err := newApp(ctx, os.Getenv("AIVERIFICATION_SERVE"), secret, nil)
	if err != nil {
		return err
	}
	defer a.close()
	if os.Getenv("AIVERIFICATION_STALL") != "" {
		a.submitter = stalling{a.submitter}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("http://%s\n", listener.Addr())
	return serve(ctx, listener, a.routes())
}

// stalling stops between the submitter's writes and COMMIT: it prints a line, and goes
// on when it reads one.
type stalling struct{ sessionstep.Submitter }

func (s stalling) Submit(ctx context.Context, sub sessionstep.Submission) error {
	err := s.Submitter.Submit(ctx, sub)
	fmt.Println("written")
	bufio.NewReader(os.Stdin).ReadString('\n')
	return err
}

// A process is a server in a process of its own.
type process struct {
	*sender
	cmd    *exec.Cmd
	stdin  io.Writer
	stdout *bufio.Reader
}

// startServer starts this test binary as a server on the database.
func startServer(t *testing.T, dbURL string, env ...string) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), append(env, "AIVERIFICATION_SERVE="+dbURL)...)
	cmd.Stderr = t.Output()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	p := &process{cmd: cmd, stdin: stdin, stdout: bufio.NewReader(stdout)}
	p.sender = &sender{url: p.line(t), secret: secret}
	return p
}

// line returns the next line that the process prints.
func (p *process) line(t *testing.T) string {
	t.Helper()
	line, err := p.stdout.ReadString('\n')
	if err != nil {
		t.Fatalf("the server said nothing: %v", err)
	}
	return strings.TrimSpace(line)
}
