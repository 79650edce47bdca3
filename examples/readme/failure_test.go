package readme_test

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hookonce/hookonce/examples/internal/hooktest"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// What is wrong from the start ends the program, in words that say what to do.
func TestReadme_FirstProgramRefusesToStart(t *testing.T) {
	t.Parallel()
	program := firstProgram(t)
	anonymous := presetName.ReplaceAllString(program, "preset.Dropbox()")
	if anonymous == program {
		t.Fatal("the program uses no preset")
	}
	for _, tt := range []struct {
		name, program, dsn, secret string
		want                       []string
	}{
		{"the database is down", program, "postgres://nobody@127.0.0.1:1/none", secret, []string{"sqlstore: create tables", "connect"}},
		{"no secret", program, "", "", []string{"hmacverify: configuration", "key"}},
		{"a preset without an identity", anonymous, "", secret, []string{`endpoint "stripe"`, "dropbox", "Options.ID"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.dsn == "" {
				_, tt.dsn = newDatabase(t)
			}
			output, err := command(t, tt.program, tt.dsn, tt.secret).CombinedOutput()
			if err == nil {
				t.Error("the program ended without an error")
			}
			checkSays(t, string(output), tt.want...)
		})
	}
}

// What goes wrong later is in the log, although the program configures none.
func TestReadme_FirstProgramLogsFailures(t *testing.T) {
	t.Parallel()
	program := firstProgram(t)
	body := `{"id":"evt_1","type":"payment_intent.succeeded"}`
	scheme := presets[find(presetName, program, "")]
	for _, tt := range []struct {
		name, sabotage, secret string
		status                 int
		want                   []string
	}{
		{"the wrong secret", "", secret + "A", 401, []string{"WARN", "webhook refused", "endpoint=stripe", "signature does not match"}},
		{"the table is missing", "DROP TABLE " + sqlstore.DefaultTable + " CASCADE", secret, 503,
			[]string{"ERROR", "webhook not processed", "endpoint=stripe", sqlstore.DefaultTable}},
		{"the work fails", "DROP TABLE payments", secret, 500, []string{"ERROR", "webhook failed", "endpoint=stripe", "id=evt_1", "payments"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			db, dsn := newDatabase(t)
			var output safeBuffer
			url := start(t, program, dsn, &output) + find(pattern, program, "/")
			if tt.sabotage != "" {
				hooktest.Exec(t, db, tt.sabotage)
			}
			got := hooktest.NewSender(t, scheme(), url, tt.secret).Send(t, body)
			if got.Status != tt.status {
				t.Errorf("got status %d, want %d", got.Status, tt.status)
			}
			// The log is written before the response, and read from a pipe.
			for deadline := time.Now().Add(5 * time.Second); output.String() == "" && time.Now().Before(deadline); {
				time.Sleep(10 * time.Millisecond)
			}
			checkSays(t, output.String(), tt.want...)
			if n := strings.Count(output.String(), "\n"); n != 1 {
				t.Errorf("%d lines were logged, want 1:\n%s", n, &output)
			}
			if strings.Contains(output.String(), "payment_intent") || strings.Contains(output.String(), tt.secret) {
				t.Errorf("the log holds the body or the secret:\n%s", &output)
			}
		})
	}
}

func checkSays(t *testing.T, output string, want ...string) {
	t.Helper()
	for _, part := range want {
		if !strings.Contains(output, part) {
			t.Errorf("%q is not in the output:\n%s", part, output)
		}
	}
}

// A safeBuffer is written by one goroutine and read by another.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
