package readme_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/sqlstore"
)

const secret = "a secret for the tests"

// blocks returns the README's blocks of Go.
func blocks(t *testing.T) []string {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for i, part := range strings.Split(string(readme), "```") {
		if code, isGo := strings.CutPrefix(part, "go\n"); i%2 == 1 && isGo {
			found = append(found, code)
		}
	}
	if len(found) != 3 {
		t.Fatalf("the README has %d blocks of Go; the tests know of 3", len(found))
	}
	return found
}

// build compiles a program in this module, without writing it there.
func build(t *testing.T, source string) (binary string) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "main.go")
	if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	here, err := filepath.Abs("program/main.go")
	if err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{here: file}})
	if err != nil {
		t.Fatal(err)
	}
	overlayFile := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlayFile, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	binary = filepath.Join(dir, "program")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-overlay", overlayFile, "-o", binary, "./program")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}

func TestTheProgramHasAtMost25LinesAndCompiles(t *testing.T) {
	t.Parallel()
	program := blocks(t)[0]
	if n := strings.Count(program, "\n"); n > 25 {
		t.Errorf("the program has %d lines, want at most 25", n)
	}
	build(t, program)
}

func TestTheFragmentCompiles(t *testing.T) {
	t.Parallel()
	build(t, `package main

import (
	"context"
	"database/sql"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/sqlstore"
)

func main() {}

func fragment(ctx context.Context, events *sqlstore.Store, key idempotency.Key, account string) error {
`+blocks(t)[2]+`
	return err
}
`)
}

// The program with the handler that the README shows next, on a real database:
// the event is applied once, also when it is replayed under another delivery ID.
func TestTheProgramAppliesAnEventOnce(t *testing.T) {
	t.Parallel()
	db, dsn := newDatabase(t)
	code := blocks(t)
	program, _, _ := strings.Cut(code[0], "func handle(")
	addr := freeAddress(t)
	binary := build(t, strings.Replace(program, `":8080"`, fmt.Sprintf("%q", addr), 1)+code[1])

	cmd := exec.Command(binary)
	cmd.Env = append(os.Environ(), "DATABASE_URL="+dsn, "WEBHOOK_SECRET="+secret)
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	waitFor(t, addr)

	for _, d := range []struct {
		name, id, body string
		want           string
	}{
		{"first delivery", "guid-1", `{"ref":"refs/heads/main"}`, "200 "},
		{"the same again", "guid-1", `{"ref":"refs/heads/main"}`, "200 duplicate"},
		{"replayed under another ID", "guid-2", `{"ref":"refs/heads/main"}`, "200 duplicate"},
		{"another event", "guid-3", `{"ref":"refs/heads/other"}`, "200 "},
	} {
		if got := deliver(t, addr, d.id, d.body); got != d.want {
			t.Errorf("%s: answered %q, want %q", d.name, got, d.want)
		}
	}
	var pushes int
	if err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM pushes").Scan(&pushes); err != nil {
		t.Fatal(err)
	}
	if pushes != 2 {
		t.Errorf("%d pushes were recorded, want 2", pushes)
	}
}

// deliver sends a push as GitHub does and returns the answer's status and what
// it says of the event.
func deliver(t *testing.T, addr, id, body string) string {
	t.Helper()
	signer, err := hmacverify.NewSigner(preset.GitHub(), nil, secret)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+addr+"/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-GitHub-Delivery", id)
	req.Header.Set("X-GitHub-Event", "push")
	if err := signer.Sign(req.Header, []byte(body)); err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return fmt.Sprint(resp.StatusCode, " ", resp.Header.Get(idempotency.StatusHeader))
}

// newDatabase makes a schema with the tables that the program wants.
func newDatabase(t *testing.T) (db *sql.DB, dsn string) {
	t.Helper()
	server := os.Getenv("HOOKONCE_POSTGRES")
	if server == "" {
		t.Fatal("HOOKONCE_POSTGRES is not set: no PostgreSQL to test against")
	}
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal("HOOKONCE_POSTGRES is not a URL")
	}
	schema := "readme_" + strings.ToLower(rand.Text())
	q := u.Query()
	q.Set("search_path", schema)
	u.RawQuery = q.Encode()
	if db, err = sql.Open("pgx", u.String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := db.ExecContext(context.WithoutCancel(t.Context()), "DROP SCHEMA "+schema+" CASCADE"); err != nil {
			t.Error(err)
		}
		db.Close()
	})
	table, err := sqlstore.Schema(sqlstore.PostgreSQL, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{"CREATE SCHEMA " + schema, table, "CREATE TABLE pushes (payload bytea)"} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	return db, u.String()
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func waitFor(t *testing.T, addr string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			return
		}
	}
	t.Fatal("the program does not listen")
}
