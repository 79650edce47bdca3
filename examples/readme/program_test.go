package readme_test

import (
	"database/sql"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/hookonce/hookonce/examples/internal/hooktest"
	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// presets are the senders that the program may receive from.
var presets = map[string]func() hmacverify.Scheme{
	"GitHub":           preset.GitHub,
	"Stripe":           preset.Stripe,
	"StandardWebhooks": preset.StandardWebhooks,
	"XSignature256":    preset.XSignature256,
}

// What the test takes from the program's text.
var (
	presetName = regexp.MustCompile(`preset\.(\w+)\(\)`)
	pattern    = regexp.MustCompile(`"POST (/[^"]*)"`)
	eventType  = regexp.MustCompile(`"([a-z_]+(?:\.[a-z_]+)+)":`)
	variable   = regexp.MustCompile(`os\.Getenv\("(\w+)"\)`)
	address    = regexp.MustCompile(`"[\w.]*:8080"`)
)

// secret suits every scheme above.
const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// The program processes each event once, on a real database, with the tables of the
// README's blocks of SQL.
func TestReadme_FirstProgramProcessesAnEventOnce(t *testing.T) {
	t.Parallel()
	program := firstProgram(t)
	db, dsn := newDatabase(t)
	url := start(t, program, dsn, t.Output()) + find(pattern, program, "/")
	scheme, ok := presets[find(presetName, program, "")]
	if !ok {
		t.Fatalf("the program uses none of the presets that this test knows")
	}
	duplicateStatus := 200
	if scheme().Sender.Duplicate == hmacverify.Conflict {
		duplicateStatus = 409
	}
	kind := find(eventType, program, "payment_intent.succeeded")
	body := func(id string) string {
		return fmt.Sprintf(`{"id":%q,"eventId":%[1]q,"ref":%[1]q,"type":%q,"data":{"object":{"id":"obj_1"}}}`, id, kind)
	}
	send := func(secret, id, deliveryID string) hooktest.Answer {
		s := hooktest.NewSender(t, scheme(), url, secret)
		s.Header = http.Header{"Webhook-Id": {id}} // which Standard Webhooks signs
		return s.SendID(t, "X-GitHub-Delivery", deliveryID, body(id))
	}
	send(secret, "evt_1", "guid-1").Want(t, 200, "")
	send(secret, "evt_1", "guid-1").Want(t, duplicateStatus, "duplicate")
	send(secret, "evt_1", "guid-2").Want(t, duplicateStatus, "duplicate") // a replay under another ID
	send(secret, "evt_2", "guid-3").Want(t, 200, "")
	send(secret[:len(secret)-4]+"AAAA", "evt_3", "guid-4").Want(t, 401, "")

	var records int
	if err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM "+sqlstore.DefaultTable).Scan(&records); err != nil {
		t.Fatal(err)
	}
	if records != 2 {
		t.Errorf("%d events were recorded, want 2", records)
	}
}

// find returns the expression's first group in the program, or otherwise.
func find(e *regexp.Regexp, program, otherwise string) string {
	if m := e.FindStringSubmatch(program); m != nil {
		return m[1]
	}
	return otherwise
}

// newDatabase returns a database with the tables of the README's blocks of SQL.
func newDatabase(t *testing.T) (db *sql.DB, dsn string) {
	t.Helper()
	dsn = hooktest.NewPostgreSQL(t)
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	for _, statements := range blocks(t, readmePage, "sql") {
		hooktest.Exec(t, db, statements)
	}
	return db, dsn
}

// start runs the program at a free address and returns its URL.
func start(t *testing.T, program, dsn string, output io.Writer) (url string) {
	t.Helper()
	addr := freeAddress(t)
	moved := address.ReplaceAllString(program, fmt.Sprintf("%q", addr))
	if moved == program {
		t.Fatal("the program does not listen on port 8080")
	}
	cmd := command(t, moved, dsn, secret)
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	waitFor(t, addr)
	return "http://" + addr
}

// command builds the program. The environment variables that it reads hold the
// database's URL if their name says so, else the secret.
func command(t *testing.T, program, dsn, secret string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), build(t, program))
	cmd.Env = os.Environ()
	for _, v := range variable.FindAllStringSubmatch(program, -1) {
		value := secret
		if strings.Contains(v[1], "DATABASE") || strings.Contains(v[1], "POSTGRES") {
			value = dsn
		}
		cmd.Env = append(cmd.Env, v[1]+"="+value)
	}
	return cmd
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
