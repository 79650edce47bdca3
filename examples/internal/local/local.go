// Package local is what the examples share and a program of yours does not need:
// a made-up secret, a database that is gone afterwards, and a server to try them
// with on your own machine.
package local

import (
	"context"
	"crypto/rand"
	"database/sql"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// A Machine is what an example runs on.
type Machine struct {
	// Context ends on SIGTERM and SIGINT.
	Context context.Context

	// URL is where the example is served, without a path.
	URL string

	stdout io.Writer
	dir    string
	close  []func() error
}

// Main is the main of an example: it serves the handler that start returns, at
// the address of the flag -addr, until a signal comes. Requests in flight are
// finished then.
func Main(start func(m *Machine) (http.Handler, error)) {
	addr := flag.String("addr", "127.0.0.1:8080", "listen on this `address`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx, *addr, start); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, addr string, start func(m *Machine) (http.Handler, error)) error {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	defer listener.Close()
	dir, err := os.MkdirTemp("", "hookonce-example-")
	if err != nil {
		return err
	}
	m := &Machine{Context: ctx, URL: "http://" + listener.Addr().String(), stdout: os.Stdout, dir: dir}
	defer m.tidy()
	handler, err := start(m)
	if err != nil {
		return err
	}
	fmt.Fprintln(m.stdout, "listening on", m.URL)
	return serve(ctx, listener, handler)
}

func (m *Machine) tidy() {
	for _, f := range m.close {
		f() // the process ends: there is nobody to tell
	}
	os.RemoveAll(m.dir)
}

// Defer calls f when the server has stopped.
func (m *Machine) Defer(f func() error) { m.close = append(m.close, f) }

// Secret returns the value of an environment variable, or a secret that is made
// up for this run if it is not set.
func (m *Machine) Secret(name string) string {
	if s := os.Getenv(name); s != "" {
		return s
	}
	return rand.Text()
}

// Try prints the command that sends a delivery to the example, for the root of the
// repository.
func (m *Machine) Try(args ...string) {
	for i, arg := range args {
		if strings.ContainsAny(arg, ` "{}[]$&;*?<>|`) {
			args[i] = "'" + arg + "'"
		}
	}
	fmt.Fprintln(m.stdout, "try:  go run ./hmacverify/send", strings.Join(args, " "))
}

// See prints the command that shows what the example has done.
func (m *Machine) See(path string) { fmt.Fprintln(m.stdout, "see:  curl", m.URL+path) }

// Path returns the name of a file that is gone afterwards.
func (m *Machine) Path(name string) string { return filepath.Join(m.dir, name) }

// SQLite returns a data source name for the driver "sqlite", of a database that
// is gone afterwards. Readers and the writer do not block each other, and a
// commit is on the disk before it is acknowledged.
func (m *Machine) SQLite() string {
	pragmas := url.Values{"_pragma": {"journal_mode(WAL)", "synchronous(FULL)", "busy_timeout(2000)"}}
	return "file:" + m.Path("example.db") + "?" + pragmas.Encode()
}

// Exec runs statements, such as those that make the example's own tables.
func Exec(ctx context.Context, db *sql.DB, statements ...string) error {
	for _, statement := range statements {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%w in %s", err, statement)
		}
	}
	return nil
}

// serve serves until ctx ends and the requests in flight have been answered.
func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      45 * time.Second,
		IdleTimeout:       2 * time.Minute,
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 35*time.Second)
	defer cancel()
	return server.Shutdown(ctx)
}
