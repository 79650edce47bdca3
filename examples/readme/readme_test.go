package readme_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// maxLines is the length of a first program that fits on a screen.
const maxLines = 60

// The pages whose Go blocks are compiled.
const (
	readmePage  = "../../README.md"
	testingPage = "../../.github/TESTING.md"
)

// blocks returns a page's fenced blocks of a language.
func blocks(t *testing.T, page, language string) (found []string) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for i, part := range strings.Split(string(text), "```") {
		if code, ok := strings.CutPrefix(part, language+"\n"); i%2 == 1 && ok {
			found = append(found, code)
		}
	}
	return found
}

func isProgram(code string) bool { return strings.HasPrefix(code, "package main\n") }

// firstProgram returns the README's first complete program.
func firstProgram(t *testing.T) string {
	t.Helper()
	all := blocks(t, readmePage, "go")
	i := slices.IndexFunc(all, isProgram)
	if i < 0 {
		t.Fatal("the README has no complete program")
	}
	return all[i]
}

func TestReadme_Compiles(t *testing.T) {
	t.Parallel()
	for _, page := range []string{readmePage, testingPage} {
		all := blocks(t, page, "go")
		if len(all) == 0 {
			t.Errorf("%s has no blocks", page)
		}
		for i, code := range all {
			t.Run(fmt.Sprintf("%s block %d", filepath.Base(page), i+1), func(t *testing.T) {
				t.Parallel()
				if isProgram(code) {
					build(t, code)
					return
				}
				compileFragment(t, code)
			})
		}
	}
}

func TestReadme_FirstProgramIsShort(t *testing.T) {
	t.Parallel()
	if n := strings.Count(firstProgram(t), "\n"); n > maxLines {
		t.Errorf("the program has %d lines, want at most %d", n, maxLines)
	}
}

// build compiles a program in this module, without writing it there.
func build(t *testing.T, source string) (binary string) {
	t.Helper()
	binary, out, err := goBuild(t, source)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}

// preamble declares what a fragment may use without declaring it.
const preamble = `package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/hooktest"
	"github.com/hookonce/hookonce/idempotency/hookotel"
	"github.com/hookonce/hookonce/idempotency/inbox"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/memstore"
	"github.com/hookonce/hookonce/store/pgxstore"
	"github.com/hookonce/hookonce/store/sqlstore"
)

var (
	ctx      context.Context
	db       *sql.DB
	pool     *pgxpool.Pool
	queries  *generated
	tx       *sql.Tx
	events   *sqlstore.Store
	leases   *lease.Runner
	claim    lease.Claim
	verifier *hmacverify.Verifier
	endpoint *idempotency.Endpoint[*sql.Tx]
	slack    *idempotency.Endpoint[*sql.Tx]
	key      idempotency.Key
	delivery *hmacverify.Delivery
	mux      *http.ServeMux
	router   http.Handler
	handler  http.Handler
	w        http.ResponseWriter
	r        *http.Request
	secret   string
	account  string
	stripe   *hooktest.Sender
	t        *testing.T
)

func newHandler(secret string) http.Handler { return handler }

func main() {}

// generated is what sqlc makes.
type generated struct{}

func (g *generated) WithTx(tx pgx.Tx) *generated                        { return g }
func (g *generated) AddPayment(ctx context.Context, event []byte) error { return nil }

func receive(ctx context.Context, tx *sql.Tx, d *hmacverify.Delivery) error { return nil }
func credit(ctx context.Context, tx *sql.Tx, d *hmacverify.Delivery) error { return nil }
func refund(ctx context.Context, tx *sql.Tx, d *hmacverify.Delivery) error { return nil }

`

// compileFragment compiles declarations or statements that are not a program. A line
// of nothing but an ellipsis stands for code that is left out.
func compileFragment(t *testing.T, code string) {
	t.Helper()
	code = regexp.MustCompile(`(?m)^\s*…$`).ReplaceAllString(code, "")
	if !regexp.MustCompile(`^(func|type|var|const|//)\b`).MatchString(code) {
		code = "func fragment() error {\n" + code + "\nreturn nil\n}\n"
	}
	_, out, err := goBuild(t, preamble+code)
	if err == nil {
		return
	}
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		if !strings.Contains(line, " and not used") && !strings.HasPrefix(line, "#") {
			t.Error(line)
		}
	}
}

// goBuild builds a program in an overlay and returns the compiler's output.
func goBuild(t *testing.T, source string) (binary, out string, err error) {
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
	cmd := exec.CommandContext(t.Context(), "go", "build", "-gcflags=-e", "-overlay", overlayFile, "-o", binary, "./program")
	output, err := cmd.CombinedOutput()
	return binary, string(output), err
}
