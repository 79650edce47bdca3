package durable_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql" // mysql
	_ "github.com/jackc/pgx/v5/stdlib" // pgx
	_ "github.com/lib/pq"              // postgres

	"github.com/hookonce/hookonce/store/sqlstore"
	"github.com/hookonce/hookonce/store/sqltest/internal/heldlog"
	"github.com/hookonce/hookonce/store/sqltest/internal/testserver"
)

// An engine is a kind of server.
type engine struct {
	dialect    sqlstore.Dialect
	driver     string
	pgxpool    bool   // the store under test is pgxstore
	account    string // that runs the server, which refuses root
	logPath    string // is in the path of its log's files
	initialize func(dir string) []string
	serve      func(dir string, port int) []string
	dsn        func(port int) string
	early      bool // shows commits that are not durable

	rollbackWaits bool // until the log is written
}

func mariaDB(early bool, options ...string) engine {
	common := func(dir string) []string {
		// A recalculation of statistics would hang in the log with the dictionary locked.
		return []string{"--no-defaults", "--datadir=" + dir + "/data", "--tmpdir=" + dir, "--innodb-log-file-size=8M",
			"--innodb-buffer-pool-size=32M", "--aria-log-file-size=8M", "--innodb-stats-persistent=0"}
	}
	return engine{
		dialect: sqlstore.MySQL,
		driver:  "mysql",
		account: "mysql",
		logPath: "ib_logfile0",
		initialize: func(dir string) []string {
			return append([]string{"mariadb-install-db"}, append(common(dir),
				"--auth-root-authentication-method=normal", "--skip-test-db")...)
		},
		// Asynchronous writes would go past the C library.
		serve: func(dir string, port int) []string {
			args := append([]string{"mariadbd"}, common(dir)...)
			args = append(args, "--innodb-use-native-aio=0", fmt.Sprintf("--port=%d", port), "--bind-address=127.0.0.1",
				"--socket="+dir+"/socket", "--pid-file="+dir+"/pid", "--skip-name-resolve")
			return append(args, options...)
		},
		dsn:   func(port int) string { return fmt.Sprintf("root@tcp(127.0.0.1:%d)/mysql", port) },
		early: early,
	}
}

// mySQL is the server whose program HOOKONCE_MYSQLD names.
func mySQL(early bool, options ...string) engine {
	common := func(dir string, more ...string) []string {
		return append([]string{os.Getenv("HOOKONCE_MYSQLD"), "--no-defaults", "--datadir=" + dir + "/data", "--tmpdir=" + dir,
			"--innodb-redo-log-capacity=8M", "--innodb-buffer-pool-size=32M", "--secure-file-priv=NULL"}, more...)
	}
	return engine{
		dialect:    sqlstore.MySQL,
		driver:     "mysql",
		account:    "mysql",
		logPath:    "/#innodb_redo/",
		initialize: func(dir string) []string { return common(dir, "--initialize-insecure") },
		serve: func(dir string, port int) []string {
			args := common(dir, "--innodb-use-native-aio=0", fmt.Sprintf("--port=%d", port), "--bind-address=127.0.0.1",
				"--socket="+dir+"/socket", "--pid-file="+dir+"/pid", "--mysqlx=OFF")
			return append(args, options...)
		},
		dsn:   func(port int) string { return fmt.Sprintf("root@tcp(127.0.0.1:%d)/mysql", port) },
		early: early,

		rollbackWaits: true,
	}
}

// postgreSQL is of stores on a driver of database/sql, or on "pgxpool".
func postgreSQL(driver string) engine {
	pool := driver == "pgxpool"
	if pool {
		driver = "pgx"
	}
	return engine{
		dialect: sqlstore.PostgreSQL,
		driver:  driver,
		pgxpool: pool,
		account: "postgres",
		logPath: "/pg_wal/",
		initialize: func(dir string) []string {
			return []string{"initdb", "--pgdata=" + dir + "/data", "--username=postgres", "--auth=trust",
				"--wal-segsize=1", "--encoding=UTF8", "--locale=C", "--no-sync"}
		},
		serve: func(dir string, port int) []string {
			return []string{"postgres", "-D", dir + "/data", "-p", fmt.Sprint(port), "-k", dir,
				"-c", "listen_addresses=127.0.0.1", "-c", "shared_buffers=16MB"}
		},
		dsn: func(port int) string {
			return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable&connect_timeout=5", port)
		},
	}
}

// A server is one throwaway server with its own directory.
type server struct {
	engine
	dir     string
	port    int
	process *os.Process
	exited  chan struct{}
}

// newServer creates a server whose log can be held back, and starts it.
func newServer(t *testing.T, e engine) *server {
	t.Helper()
	s := &server{engine: e, dir: testserver.Directory(t, e.account), port: testserver.FreePort(t, 1)}
	s.run(t, "cp", "--archive", template(t, e)+"/data", s.dir)
	s.start(t)
	return s
}

// templates are directories with the data of new servers, by the account.
var templates = struct {
	mu   sync.Mutex // held while one is created, which takes seconds
	dirs map[string]string
}{dirs: map[string]string{}}

func template(t *testing.T, e engine) string {
	t.Helper()
	templates.mu.Lock()
	defer templates.mu.Unlock()
	if made, ok := templates.dirs[e.account]; ok {
		return made
	}
	s := &server{engine: e, dir: filepath.Join(dir, e.account)}
	if err := os.MkdirAll(s.dir, 0o755); err != nil { // it is there if that failed before
		t.Fatal(err)
	}
	testserver.Own(t, s.dir, s.account)
	s.run(t, e.initialize(s.dir)...)
	templates.dirs[e.account] = s.dir
	return s.dir
}

// command returns a command that runs as the server's account.
func (s *server) command(t *testing.T, args []string) *exec.Cmd {
	t.Helper()
	return testserver.Command(t, s.account, s.dir, args[0], args[1:]...)
}

func (s *server) run(t *testing.T, args ...string) {
	t.Helper()
	if out, err := s.command(t, args).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", args[0], err, out)
	}
}

func (s *server) control() string { return filepath.Join(s.dir, "hold") }

// start starts the server with the library preloaded, and waits until it answers.
func (s *server) start(t *testing.T) {
	t.Helper()
	c := s.command(t, s.serve(s.dir, s.port))
	c.Env = heldlog.Environ(library(t), s.control(), s.logPath)
	log, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	c.Stdout, c.Stderr = log, log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		c.Wait()
		close(exited)
	}()
	s.process, s.exited = c.Process, exited
	t.Cleanup(func() { s.kill(t) })

	db := s.open(t)
	for range 1200 {
		if err = db.PingContext(t.Context()); err == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	text, _ := os.ReadFile(log.Name())
	t.Fatalf("%s does not start: %v\n%s", filepath.Base(c.Path), err, text)
}

// kill ends the server at once, with its processes: one that is held back would
// outlive its parent.
func (s *server) kill(t *testing.T) {
	t.Helper()
	if s.process == nil {
		return
	}
	s.signal(t, syscall.SIGSTOP) // so that it starts no more
	children := s.signal(t, syscall.SIGKILL)
	<-s.exited
	s.process = nil
	// A new server of PostgreSQL refuses to start as long as one has its memory.
	for end := time.Now().Add(20 * time.Second); slices.ContainsFunc(children, lives) && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
}

// lives reports whether a process is there, and is more than what its parent has not
// waited for yet.
func lives(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, state, _ := strings.Cut(string(text), ") ")
	return err == nil && !strings.HasPrefix(state, "Z")
}

// signal sends a signal to the server's processes: its children first, since those
// cannot be found without it. It returns these.
func (s *server) signal(t *testing.T, sig syscall.Signal) (pids []int) {
	t.Helper()
	if sig == syscall.SIGSTOP {
		s.process.Signal(sig)
	}
	children, err := exec.Command("ps", "-o", "pid=", "--ppid", fmt.Sprint(s.process.Pid)).Output()
	if err != nil && len(children) > 0 {
		t.Error(err)
	}
	for field := range strings.FieldsSeq(string(children)) {
		if pid, err := strconv.Atoi(field); err == nil {
			syscall.Kill(pid, sig)
			pids = append(pids, pid)
		}
	}
	s.process.Signal(sig)
	return pids
}

// open opens the server's database with connections of its own.
func (s *server) open(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open(s.driver, s.dsn(s.port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// hold holds the log back until the function is called that it returns.
func (s *server) hold(t *testing.T) (release func()) {
	t.Helper()
	if err := os.WriteFile(s.control(), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	return func() { os.Remove(s.control()) }
}

func mustExec(t *testing.T, db *sql.DB, query string) {
	t.Helper()
	if _, err := db.ExecContext(context.WithoutCancel(t.Context()), query); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}
